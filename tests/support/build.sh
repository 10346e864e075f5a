#!/bin/sh
# build.sh - builds one lane and prints the folder of the program: build.sh release|asan|shipped
# SPDX-License-Identifier: Apache-2.0
#
# The release lane is build/, as the README says; where a developer keeps something else there
# (another build type, a sanitizer), it is build-release/ instead. The shipped lane is what packages
# hold, of two passes (deploy/build.sh).
set -eu
cd "$(dirname "$0")/../.."

is_release() {
    [ -f "$1/meson-info/intro-buildoptions.json" ] || return 1
    # The Python of Debian: another one on the PATH may lack nothing here, but is not needed either.
    /usr/bin/python3 - "$1/meson-info/intro-buildoptions.json" <<'END'
import json, sys
options = {o["name"]: o["value"] for o in json.load(open(sys.argv[1]))}
plain = options.get("b_sanitize", "none") == "none" and not options.get("fuzz", False)
sys.exit(0 if options["buildtype"] == "release" and plain else 1)
END
}

case ${1:-} in
release)
    dir=build
    [ ! -e build ] || is_release build || dir=build-release
    options=--buildtype=release ;;
asan)
    dir=build-asan
    options="--buildtype=debugoptimized -Db_sanitize=address,undefined" ;;
shipped)
    dir=build-shipped
    deploy/build.sh "$dir" ;;
*)
    echo "usage: build.sh release|asan|shipped" >&2
    exit 64 ;;
esac

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
[ -f "$dir/build.ninja" ] || meson setup "$dir" $options >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
# The demo may have configured it before Criterion was there: Meson looks again only when asked.
if [ -f /usr/include/criterion/criterion.h ] && ! grep -q test_base "$dir/build.ninja"; then
    meson setup --reconfigure "$dir" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
ninja -C "$dir" -j "${JOBS:-2}" >"$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
echo "$PWD/$dir"
