#!/bin/sh
# demo.sh - shows chatmill at work on the sample archive, and cleans up behind itself.
# SPDX-License-Identifier: Apache-2.0
#
#   deploy/demo.sh            builds chatmill and scans the sample: events and a summary
#   deploy/demo.sh --stack    the same through a real Kafka into a real PostgreSQL, both its own
#
# Debian 12, as root or with sudo: missing packages are installed. Everything else stays in build/,
# .cache/ (Kafka's jars) and a temporary folder that is removed at the end.
set -eu
cd "$(dirname "$0")/.."

sample=deploy/sample/archive.jsonl.zst
step() { printf '\n\033[1m==> %s\033[0m\n' "$*" >&2; }
[ -t 2 ] && [ -z "${NO_COLOR:-}" ] || step() { printf '\n==> %s\n' "$*" >&2; }

stack=
case "${1:-}" in
"") ;;
--stack) stack=yes ;;
*) echo "usage: deploy/demo.sh [--stack]" >&2; exit 64 ;;
esac

work=$(mktemp -d)
chmod 711 "$work"
running=
clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    for pid in $running; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in $running; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step "packages: installing what is missing (nothing on a second run)"
# shellcheck disable=SC2086
tests/support/install.sh build ${stack:+stack}

step "build: release (quick on a second run)"
build=$(tests/support/build.sh release)
chatmill=$build/chatmill
echo "$chatmill" >&2

# ---- on a file, no server

if [ -z "$stack" ]; then
    step "rules: chatmill rules check rules/"
    "$chatmill" rules check rules >&2

    step "scan: chatmill scan --rules rules --summary $sample"
    "$chatmill" scan --rules rules --summary --dead-letters "$work/dead.jsonl" "$sample" \
        >"$work/events.jsonl" 2>"$work/summary"

    step "the first five of $(wc -l <"$work/events.jsonl") events (CloudEvents, one a line)"
    head -n 5 "$work/events.jsonl"

    step "the summary"
    cat "$work/summary"
    step "done. Next: your first own rule, in README.md; the same through Kafka: deploy/demo.sh --stack"
    exit 0
fi

# ---- through Kafka into PostgreSQL

# Runs in the background until the demo ends.
background() {
    name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    running="$! $running" # the last started is the first ended
    last=$!
}

# wait_until SECONDS WHAT PID COMMAND…: until COMMAND is true, or PID is gone, or time is up
wait_until() {
    left=$(($1 * 5)) what=$2 pid=$3
    shift 3
    until "$@"; do
        left=$((left - 1))
        if [ "$left" -le 0 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "demo.sh: $what did not come; the logs:" >&2
            tail -n 20 "$work"/*.log >&2
            exit 70
        fi
        sleep 0.2
    done
}

step "servers: a Kafka and a PostgreSQL of our own, on free ports (Kafka's jars come once, 113 MB)"
background stack tests/support/stack.py serve "$work/env"
wait_until 300 "an answer from Kafka and PostgreSQL" "$last" test -e "$work/env"
. "$work/env"
echo "Kafka $KAFKA, PostgreSQL $PGHOST:$PGPORT" >&2

cat >"$work/chatmill.yaml" <<END
pipeline: demo
workers: 2
kafka: {bootstrap.servers: "$KAFKA"}
input: {topic: chat.archive, corpid: ww1, partitions: 4, replication: 1}
output: {tags: chat.tags, stages: chat.stages, alerts: chat.alerts, deadletter: chat.deadletter, rulesets: chat.rulesets}
state: {dir: "$work/state"}
postgres: {host: "$PGHOST", port: "$PGPORT", dbname: "$PGDATABASE", user: "$PGUSER"}
END

step "topics: chatmill topics apply"
"$chatmill" topics apply -c "$work/chatmill.yaml" >&2
step "tables: chatmill db migrate"
"$chatmill" db migrate -c "$work/chatmill.yaml" >&2
step "rules: chatmill rules publish (they judge all that follows in the log)"
"$chatmill" rules publish -c "$work/chatmill.yaml" --lead 0s rules >&2
step "load: chatmill load $sample → chat.archive"
"$chatmill" load -c "$work/chatmill.yaml" "$sample" >&2

step "run and sink: archive → events, exactly once → PostgreSQL, exactly once"
background run "$chatmill" run -c "$work/chatmill.yaml"
run=$last
background sink "$chatmill" sink -c "$work/chatmill.yaml"
sink=$last

# Caught up: run has committed all of the archive, the sink all of the events.
tests/support/stack.py caught-up "$work/env" demo "$run" "$sink" >&2 || {
    tail -n 20 "$work/run.log" "$work/sink.log" >&2
    exit 70
}

show() {
    step "psql: $1"
    psql -X -q -P pager=off -c "$1"
}
show "select external_userid, stages, tags, open_alerts, changed_at from chatmill.customer_360 order by open_alerts desc, changed_at desc limit 10"
show "select ladder, stage, sum(entered) as entered, sum(exited) as exited, (array_agg(customers order by day desc))[1] as customers from chatmill.stage_funnel group by ladder, stage order by entered desc"

step "stop: run and sink finish their transactions, then the servers go"
for pid in $sink $run; do
    kill -TERM "$pid"
    wait "$pid" || { echo "demo.sh: ended with $?" >&2; exit 70; }
done
step "done"
