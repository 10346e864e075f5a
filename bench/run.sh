#!/bin/sh
# run.sh - the benchmarks: installs and builds what they need, measures, prints a table of ratios.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/run.sh --quick     scan, run (exactly once, 100 ms) and the bare loop, in three minutes
#   bench/run.sh B4          run against Kafka Streams, Rust and Python (bench/peers), half an hour
set -eu
here=$(dirname "$0")
"$here/../tests/support/install.sh" build stack
build=$("$here/../tests/support/build.sh" release)
ninja -C "$build" -j 2 bench/bare >/dev/null
script=run.py
if [ "${1:-}" = B4 ]; then
    shift
    script=b4.py
fi
exec /usr/bin/python3 "$here/$script" --build "$build" "$@"
