#!/bin/sh
# install.sh - installs what is missing of Debian's packages, and nothing when all is there.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/install.sh build          to build chatmill
#   tests/support/install.sh stack          to run Kafka and PostgreSQL here (demo --stack)
#   tests/support/install.sh tests          to build and run all tests but the bare-Debian one
#   tests/support/install.sh bench          what the benchmarks need more (bench/run.sh)
#   tests/support/install.sh debootstrap    the bare-Debian test
#
# Needs root or sudo only when something is missing. `--list` before the groups prints the packages.
# Services that a package would start (PostgreSQL's main cluster) are not started by this script.
set -eu

build="gcc g++ meson ninja-build pkg-config libjansson-dev libyaml-dev libzstd-dev libpq-dev
       librdkafka-dev libhyperscan-dev libsimdjson-dev libutf8proc-dev libopencc-dev libssl-dev
       libxxhash-dev libmicrohttpd-dev"
stack="openjdk-17-jre-headless maven postgresql-15 postgresql-client-15 procps util-linux
       python3 python3-confluent-kafka python3-psycopg2 kcat"
tests="$build $stack libcriterion-dev python3-pytest python3-jsonschema python3-yaml
       python3-zstandard zstd opencc git man-db prometheus systemd dpkg-dev curl
       valgrind"
bench="libyajl-dev opencc zstd python3-venv"
debootstrap="debootstrap"

list=
if [ "${1:-}" = --list ]; then list=yes; shift; fi
[ $# -gt 0 ] || { echo "usage: install.sh [--list] build|stack|tests|bench|debootstrap…" >&2; exit 64; }

wanted=
for group; do
    case $group in
    build) wanted="$wanted $build" ;;
    stack) wanted="$wanted $stack" ;;
    tests) wanted="$wanted $tests" ;;
    bench) wanted="$wanted $bench" ;;
    debootstrap) wanted="$wanted $debootstrap" ;;
    *) echo "install.sh: no group of packages is called '$group'" >&2; exit 64 ;;
    esac
done
if [ -n "$list" ]; then
    # shellcheck disable=SC2086
    printf '%s\n' $wanted | sort -u
    exit 0
fi

missing=
for p in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null || true)
    case $state in ii*) ;; *) missing="$missing $p" ;; esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null || {
        echo "install.sh: missing packages, and neither root nor sudo:$missing" >&2
        exit 77
    }
fi

echo "installing$missing" >&2
# The packages' own way to say "start no service now" (invoke-rc.d); taken back at the end.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod +x "$policy"
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
fi
quiet() {
    log=$(mktemp)
    if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
# shellcheck disable=SC2086
quiet install --no-install-recommends $missing 2>/dev/null || {
    quiet update
    quiet install --no-install-recommends $missing
}
