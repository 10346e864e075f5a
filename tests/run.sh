#!/bin/sh
# run.sh - all tests: installs what they need, builds, runs, counts. Last line: N passed, N failed.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/run.sh            the short lane: units, golden files, sanitizers, real Kafka and PostgreSQL
#   tests/run.sh --long     everything at full size, with the program as it is shipped (deploy/build.sh), and
#                           a bare Debian made by debootstrap
#   tests/run.sh --only WORD   only the system tests whose names hold WORD (see pytest -k)
#
# Exit status 1 when a test failed. A skipped test prints its reason.
set -eu
here=$(dirname "$0")
groups="build stack tests"
for a; do [ "$a" != --long ] || groups="$groups debootstrap"; done
# shellcheck disable=SC2086
"$here/support/install.sh" $groups
exec /usr/bin/python3 "$here/run.py" "$@"
