#!/bin/sh
# build.sh - builds the program that is shipped, in two passes: deploy/build.sh FOLDER [MESON-OPTION...]
# SPDX-License-Identifier: Apache-2.0
#
# gcc builds it once with counters in it, the program scans the sample archive, and gcc builds it anew by
# what it counted, across files (GCC manual: -fprofile-generate, -fprofile-use, -flto): a tenth less
# processor time a message, for twice the time to build. The sample and the rules are the repository's, one
# thread counts, so that the same sources give the same program. With another compiler: one plain pass.
# Nothing is done if no source is newer than the last build. Packages and benchmarks use this;
# `meson setup build` is for work on the sources.
set -eu
repo=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 1 ] || { echo "usage: deploy/build.sh FOLDER [MESON-OPTION...]" >&2; exit 64; }
dir=$(mkdir -p "$1" && cd "$1" && pwd)
shift
done=$dir/shipped
if [ -f "$done" ] && [ "$(cat "$done")" = "$*" ] && [ -z "$(cd "$repo" &&
    find meson.build meson_options.txt src rules deploy/build.sh deploy/sample -newer "$done" -print -quit)" ]; then
    exit 0
fi
if [ ! -d "$dir/meson-private" ] && [ -n "$(ls -A "$dir")" ]; then
    echo "build.sh: $dir is not empty and no build folder; nothing was done, name another one" >&2
    exit 64
fi
rm -rf "${dir:?}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM HUP

two_passes() {
    meson setup "$dir" "$repo" --buildtype=release -Db_lto=true -Db_pgo=generate -Dc_args=-fprofile-update=atomic "$@" &&
        ninja -C "$dir" -j "${JOBS:-2}" chatmill &&
        "$dir/chatmill" scan --jobs 1 --rules "$repo/rules" --cache "$dir/compiled" \
            "$repo/deploy/sample/archive.jsonl.zst" >"$dir/events.jsonl" &&
        [ -s "$dir/events.jsonl" ] &&
        meson configure "$dir" -Db_pgo=use -Dc_args='-fprofile-partial-training -Wno-missing-profile'
}

one_pass() {
    echo "build.sh: not gcc: built in one pass, without what a first one counts" >&2
    meson setup "$dir" "$repo" --buildtype=release "$@"
}

case $(${CC:-cc} --version 2>/dev/null) in
*"Free Software Foundation"*) passes=two_passes ;;
*) passes=one_pass ;;
esac
"$passes" "$@" >"$log" 2>&1 && ninja -C "$dir" -j "${JOBS:-2}" chatmill >>"$log" 2>&1 || {
    tail -n 30 "$log" >&2
    exit 70
}
printf '%s\n' "$*" >"$done"
