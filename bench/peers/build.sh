#!/bin/sh
# build.sh - builds the peers of the benchmark into .cache/peers and prints that folder.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/peers/build.sh [rust|streams|python …]     all three without a name
#
# Sources are here, libraries come from the public registries by their ordinary clients.
# A peer whose tool chain this machine lacks is left out by name, not silently.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$here/../../.cache/peers
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ $# -gt 0 ] || set -- rust streams python
for peer in "$@"; do
    case $peer in
    rust)
        command -v cargo >/dev/null || { echo "rust: left out, no cargo" >&2; continue; }
        # For this processor: sonic-rs chooses its instructions when it is compiled.
        (cd "$here/rust" && RUSTFLAGS="-C target-cpu=native" CARGO_TARGET_DIR="$out/rust-target" \
            cargo build --release --quiet >&2)
        cp "$out/rust-target/release/peer" "$out/rust" ;;
    streams)
        command -v mvn >/dev/null || { echo "streams: left out, no mvn" >&2; continue; }
        mvn -q -B -Dstyle.color=never -f "$here/streams/pom.xml" -DbuildDirectory="$out/streams" compile \
            dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$out/streams/libs" >&2 ;;
    python)
        [ -x "$out/python/bin/python" ] || python3 -m venv "$out/python" >&2
        "$out/python/bin/python" -c "import ahocorasick, orjson, confluent_kafka, psycopg" 2>/dev/null ||
            "$out/python/bin/python" -m pip install --quiet -r "$here/python/requirements.txt" >&2 ;;
    *)
        echo "usage: build.sh [rust|streams|python …]" >&2
        exit 64 ;;
    esac
done
echo "$out"
