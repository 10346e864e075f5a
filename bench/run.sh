#!/bin/sh
# run.sh - the benchmarks: installs and builds what they need, measures, prints tables of ratios.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/run.sh                  all scenarios, B1 to B9, at full size, five rounds: some hours
#   bench/run.sh --table          all, sized for 35 minutes on two idle cores: the table of README.md
#   bench/run.sh --quick          scan, run and their limits, in three minutes; writes nothing
#   bench/run.sh B4 B7 [--rounds N] [--count N] [--peers rust,streams,python]
#
# Writes bench/results/*.json, the pictures beside them and the tables of bench/README.md.
set -eu
here=$(dirname "$0")
"$here/../tests/support/install.sh" build stack bench
build=$("$here/../tests/support/build.sh" shipped)
# Configured before yajl was there: Meson looks again only when asked.
grep -q decode_b2 "$build/build.ninja" || meson setup --reconfigure "$build" >/dev/null
ninja -C "$build" -j 2 bench_tools >/dev/null
exec /usr/bin/python3 "$here/suite.py" --build "$build" "$@"
