# test_operate.py - what an operator sees of a running chatmill: metrics, life, readiness, version.
# SPDX-License-Identifier: Apache-2.0
import json
import re
import socket
import time
import urllib.parse

import pytest
import yaml
from support import chatmill, make_sample, proc
from support.scrape import get, is_ready, is_told_ready, lint, reasons, scrape, start_run

RULES = proc.REPO / "rules"
SAMPLE = proc.REPO / "deploy/sample/archive.jsonl.zst"


def publish(setup):
    setup.publish(RULES)


def test_metrics_agree_with_the_topics(pipeline, processes):
    """What /metrics counts is what stands on the topics; promtool has nothing to say against it."""
    publish(pipeline)
    pipeline.load(SAMPLE)
    run, port = start_run(pipeline, processes)
    pipeline.wait_run(run)
    # `result="message"` and the like count what was committed, so they may be compared at rest.
    proc.wait_for(lambda: sum(scrape(port)["chatmill_lag_records"].values()) == 0, 60, "lag of 0")
    m = scrape(port)
    text = lint(port)
    on_topics = [r for r in pipeline.kafka.read(pipeline.topic["archive"])]
    assert sum(m["chatmill_records_total"].values()) == len(on_topics)
    dead = pipeline.dead()
    assert sum(m["chatmill_dead_letters_total"].values()) == len(dead) > 0
    by_reason = {}
    for r in dead:
        reason = dict(r.headers)["chatmill.error"].decode()
        by_reason[reason] = by_reason.get(reason, 0) + 1
    for reason, count in by_reason.items():
        assert m["chatmill_dead_letters_total"][f'{{reason="{reason}"}}'] == count
    for kind, topic in (("tag", "tags"), ("stage", "stages"), ("alert", "alerts")):
        assert m["chatmill_events_total"][f'{{type="{kind}"}}'] == len(pipeline.events([topic]))
    # Hits by rule: those that scan counts, which shares nothing but the core with `run`.
    done = chatmill.run("scan", "--rules", RULES, "--corp", "ww1", "--events", "hit", "--partitions",
                        pipeline.partitions, SAMPLE, check=0)
    hits = {}
    for e in chatmill.lines(done):
        key = f'{{pack="{e["data"]["pack"]}",rule="{e["data"]["rule"]}"}}'
        hits[key] = hits.get(key, 0) + 1
    assert m["chatmill_rule_hits_total"] == hits
    digests = {e["data"]["ruleset"] for e in pipeline.events()}
    assert {k for k, v in m["chatmill_rules_in_force"].items() if v} == {
        f'{{digest="{d}"}}' for d in digests}
    assert sum(m["chatmill_rules_in_force"].values()) == pipeline.partitions
    assert sum(m["chatmill_partitions_assigned"].values()) == pipeline.partitions
    assert m["chatmill_transactions_total"]['{outcome="committed"}'] > 0
    assert m["chatmill_state_keys"][""] > 0 and m["chatmill_state_bytes"][""] > 0
    assert all(v == 0 for v in m["chatmill_lag_seconds"].values())
    assert m["chatmill_stage_seconds_count"]['{stage="read"}'] > 0
    assert m["chatmill_insecure"][""] == 0
    assert not re.search(r"w[mo][A-Za-z0-9_-]{22}", text), "ids of people have no place in labels"
    assert get(port, "/livez") == (200, '{"ok":true,"reasons":[]}\n')
    version = json.loads(get(port, "/version")[1])["version"]
    assert version in chatmill.run("--version", check=0).stdout.decode()
    assert get(port, "/nothing")[0] == 404
    assert run.terminate() == 0, run.log()


@pytest.mark.asan
def test_sets_that_nobody_judges_by_are_given_up(pipeline, processes):
    """Of many sets published one after the other a few stay compiled; one of the old ones comes back whole."""
    def put(n):
        folder = pipeline.folder / f"set{n}"
        folder.mkdir(exist_ok=True)
        (folder / "r.yaml").write_text(f"pack: p\nrules:\n  - {{id: r{n}, match: [多少钱], then: {{alert: {{}}}}}}\n")
        done = pipeline.publish(folder)
        return re.search(r"sha256:[0-9a-f]{64}", (done.stdout + done.stderr).decode())[0]

    def in_force(digest):
        return scrape(port).get("chatmill_rules_in_force", {}).get(f'{{digest="{digest}"}}') == pipeline.partitions

    first = put(0)
    run, port = start_run(pipeline, processes)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    for n in range(1, 10):
        digest = put(n)
        proc.wait_for(lambda: in_force(digest), 60, f"set {n}")
    assert scrape(port)["chatmill_rules_compiled"][""] <= 6
    assert put(0) == first
    proc.wait_for(lambda: in_force(first), 60, "the first set again")
    m = {"msgid": "m1", "action": "send", "from": "wm" + "L" * 30, "tolist": ["zhangsan"], "roomid": "",
         "msgtime": make_sample.START_MS, "msgtype": "text", "text": {"content": "多少钱"}}
    (pipeline.folder / "one.jsonl").write_text(json.dumps({"corpid": "ww1", "msgid": "m1", "message": m}) + "\n")
    pipeline.load(pipeline.folder / "one.jsonl")
    pipeline.wait_run(run)
    assert [e["data"]["rule"] for e in pipeline.events()] == ["r0"]
    assert run.terminate() == 0, run.log()


def test_lag_is_that_of_our_own_position(pipeline, processes):
    """Records stand behind a stopped worker: after its return lag is counted from the marker, and
    the age grows while nothing is committed. Before there are rules, readiness says that it waits for them."""
    rows = []
    for n in range(300):
        m = {"msgid": f"l{n}", "action": "send", "from": "wm" + "L" * 30, "tolist": ["zhangsan"],
             "roomid": "", "msgtime": make_sample.START_MS + n, "msgtype": "text", "text": {"content": "你好"}}
        rows.append(json.dumps({"corpid": "ww1", "msgid": m["msgid"], "recv_ts": int(time.time() * 1000) - 60000,
                                "message": m}))
    (pipeline.folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
    run, port = start_run(pipeline, processes)
    proc.wait_for(lambda: reasons(port) == [f"worker {n}: waiting for rules: `chatmill rules publish`" for n in (0, 1)],
                  60, "the reason that there are no rules")
    assert is_told_ready(port, 0)
    publish(pipeline)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    assert is_told_ready(port, 1)
    pipeline.load(pipeline.folder / "rows.jsonl")
    pipeline.wait_run(run)
    proc.wait_for(lambda: sum(scrape(port)["chatmill_lag_records"].values()) == 0, 60, "lag of 0")
    ends = {f'{{partition="{p}"}}': at for p, at in
            pipeline.kafka.committed(pipeline.name, pipeline.topic["archive"]).items() if at > 0}
    # A gauge may be half a second old.
    proc.wait_for(lambda: ends.items() <= scrape(port)["chatmill_position"].items(), 60, f"positions {ends}")
    newest = scrape(port)["chatmill_newest_message_timestamp_seconds"]['{corp="ww1"}']
    assert newest == pytest.approx((make_sample.START_MS + 299) / 1000)


def test_a_label_is_cut_at_a_character(pipeline, processes):
    """Prometheus drops a scrape that is no UTF-8. An id may have 256 bytes, a label has 71."""
    publish(pipeline)
    m = {"msgid": "m1", "action": "send", "from": "wm" + "L" * 30, "tolist": ["zhangsan"], "roomid": "",
         "msgtime": make_sample.START_MS, "msgtype": "text", "text": {"content": "你好"}}
    (pipeline.folder / "one.jsonl").write_text(json.dumps({"corpid": "ö" * 50, "msgid": "m1", "message": m}) + "\n")
    pipeline.load(pipeline.folder / "one.jsonl")
    run, port = start_run(pipeline, processes)
    pipeline.wait_run(run)
    newest = "chatmill_newest_message_timestamp_seconds"
    proc.wait_for(lambda: newest in scrape(port), 60, "the corp's newest message")
    assert list(scrape(port)[newest]) == ['{corp="%s"}' % ("ö" * 35)]
    lint(port)


def test_servers_that_are_not_verified_are_told(pipeline, processes):
    (port,) = proc.free_ports(1)
    file = pipeline.write("insecure.yaml", http={"listen": f"127.0.0.1:{port}"}, kafka={
        "bootstrap.servers": pipeline.kafka.bootstrap, "enable.ssl.certificate.verification": "false"})
    assert b"run with --insecure" in chatmill.run("run", "-c", file, check=78).stderr
    run = pipeline.start("run", "--insecure", file=file)
    processes.append(run)
    chatmill.wait_alive(lambda: reasons(port) is not None, [run], 60, "answer")
    assert scrape(port)["chatmill_insecure"][""] == 1
    assert run.terminate() == 0, run.log()


def test_hostile_clients_slow_nobody(pipeline, processes):
    """Slow, greedy and rude clients hold all the port gives them; the workers go on, memory and
    descriptors stay bounded, and an honest client of another address is served."""
    publish(pipeline)
    run, port = start_run(pipeline, processes)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    lint(port)
    before = descriptors(run)
    sockets = []
    try:
        for n in range(300):
            s = socket.socket()
            s.settimeout(2)
            try:
                s.bind((f"127.0.0.{2 + n % 3}", 0))
                s.connect(("127.0.0.1", port))
                s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * (n * 100))
                sockets.append(s)
            except OSError:
                s.close()
        pipeline.load(SAMPLE)
        for s in sockets:  # a little more, so that they are not idle
            try:
                s.sendall(b"b")
            except OSError:
                pass
        pipeline.wait_run(run)
        assert descriptors(run) <= before + 64 + 8
        proc.wait_for(lambda: get(port, "/livez", 3)[0] == 200, 60, "answer to an honest client")
    finally:
        for s in sockets:
            s.close()
    for rude in (b"\x00\xff\xfe" * 100 + b"\r\n\r\n", b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
                 b"GET " + b"/" * 60000 + b" HTTP/1.1\r\n\r\n", b"GET /livez HTTP/1.1\r\n\r\n" * 200):
        with socket.create_connection(("127.0.0.1", port), 5) as s:
            try:
                s.sendall(rude)
                s.recv(1000)
            except OSError:
                pass
    lint(port)
    assert run.running() and run.terminate() == 0, run.log()


def descriptors(process):
    from pathlib import Path
    return len(list(Path(f"/proc/{process.p.pid}/fd").iterdir()))


def test_a_deleted_event_topic_is_named(pipeline, processes):
    """Somebody deletes a topic of events under `run`: readiness names it, and does not blame the brokers; made
    anew, all goes on."""
    publish(pipeline)
    run, port = start_run(pipeline, processes)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    pipeline.kafka.delete_topic(pipeline.topic["tags"])
    pipeline.load(SAMPLE)
    seen = set()

    def named():
        seen.update(reasons(port) or [])
        return any(pipeline.topic["tags"] in r for r in seen)
    proc.wait_for(named, 60, "the topic in the reasons", 0.05)
    assert not [r for r in seen if "no broker answers" in r], seen
    assert scrape(port)["chatmill_brokers_up"][""] == 2
    pipeline.apply()
    pipeline.wait_run(run)
    proc.wait_for(lambda: is_ready(port), 60, "readiness again")
    assert run.terminate() == 0, run.log()


def test_sink_without_its_database_is_not_ready(pipeline, processes):
    """It lives, /readyz and /metrics say that it is not ready; Kafka alone is not enough."""
    port, nobody = proc.free_ports(2)
    file = pipeline.write("sink.yaml", http={"listen": f"127.0.0.1:{port}"},
                          postgres={"host": "127.0.0.1", "port": str(nobody), "user": "chatmill_sink"})
    sink = pipeline.start("sink", file=file)
    processes.append(sink)
    proc.wait_for(lambda: "the database does not answer" in (reasons(port) or []), 60, "the reason")
    assert get(port, "/readyz")[0] == 503 and is_told_ready(port, 0)
    assert get(port, "/livez")[0] == 200
    lint(port)
    assert sink.terminate() == 0, sink.log()


def test_a_quiet_sink_notices_its_database(pipeline_db, processes):
    """No event comes: the sink tells that its database went, and that it is back, over few connections."""
    setup = pipeline_db
    (port,) = proc.free_ports(1)
    sink = setup.start("sink", file=setup.write("sink.yaml", http={"listen": f"127.0.0.1:{port}"}))
    processes.append(sink)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    setup.postgres.kill()
    proc.wait_for(lambda: "the database does not answer" in (reasons(port) or []), 60, "the reason")
    proc.wait_for(lambda: scrape(port)["chatmill_database_up"] == {"": 0}, 60, "chatmill_database_up 0")
    setup.postgres.restart()
    proc.wait_for(lambda: is_ready(port), 60, "readiness again")
    assert sink.terminate() == 0, sink.log()
    assert "database_back" in sink.log()
    tried = [line for line in sink.log().splitlines() if "database_away" in line]
    assert 1 <= len(tried) < 20, tried


def test_a_port_is_one_process(pipeline_db, processes):
    """A sink with the configuration of `run` as it is ends and says why; `run` answers as before. After
    kill -9 under the eyes of a client the port is free at once."""
    setup = pipeline_db
    run, port = start_run(setup, processes)
    file = setup.folder / f"http{port}.yaml"
    proc.wait_for(lambda: reasons(port) is not None, 60, "the port of run")
    done = chatmill.run("sink", "-c", file, timeout_s=30, check=78)
    assert f"http.listen: another process listens on 127.0.0.1:{port}" in done.stderr.decode()
    for _ in range(20):
        assert "worker 0: " in get(port, "/readyz")[1], "a page of run"
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100)
        run.kill()
    again = setup.start("run", file=file)
    processes.append(again)
    again.wait_log("http_listening")
    assert again.terminate() == 0, again.log()


def test_sink_counts_what_is_in_the_tables(pipeline_db, processes):
    """Events in the database, none refused, lag of 0, and promtool has nothing to say against it."""
    setup = pipeline_db
    publish(setup)
    setup.load(SAMPLE)
    run = setup.start("run")
    (port,) = proc.free_ports(1)
    sink = setup.start("sink", file=setup.write("sink.yaml", http={"listen": f"127.0.0.1:{port}"}))
    processes += [run, sink]
    setup.wait_run(run)
    setup.wait_sink(sink)
    proc.wait_for(lambda: is_ready(port), 60, "readiness")
    assert is_told_ready(port, 1)
    # The offset is committed an instant before the count goes up. The ends of transactions, which take
    # offsets too, are no events.
    events = len(setup.events())
    proc.wait_for(lambda: scrape(port)["chatmill_sink_events_total"][""] >= events, 60, "all events counted")
    assert scrape(port)["chatmill_sink_events_total"][""] == events
    lint(port)
    m = scrape(port)
    rows = setup.postgres.sql("SELECT (SELECT count(*) FROM chatmill.tag_event) + "
                              "(SELECT count(*) FROM chatmill.stage_event) + "
                              "(SELECT count(*) FROM chatmill.alert)")[0][0]
    assert 0 < rows <= events
    assert m["chatmill_sink_rejected_total"][""] == 0 and m["chatmill_database_up"][""] == 1
    proc.wait_for(lambda: sum(scrape(port)["chatmill_sink_lag_records"].values()) == 0, 60, "lag of 0")
    said = chatmill.lines(chatmill.run("status", "-c", setup.file, "--json", "--over", "100ms", check=0))
    parts = [s for s in said if "partition" in s]
    assert [s["partition"] for s in parts] == list(range(setup.partitions))
    done = setup.kafka.committed(setup.name, setup.topic["archive"])
    assert {s["partition"]: s["committed"] for s in parts} == {p: max(0, at) for p, at in done.items()}
    assert [s["rules"] for s in said if "rules" in s] == [setup.events()[0]["data"]["ruleset"]]
    assert {s["topic"] for s in said if s.get("database")} == {setup.topic[k] for k in ("tags", "stages", "alerts")}
    assert all(s["lag"] == 0 for s in said if s.get("database"))
    assert chatmill.run("status", "-c", setup.file, "--over", "0s", check=0).stdout.startswith(b"partition")
    assert get(port, "/livez")[0] == 200
    assert sink.terminate() == 0, sink.log()
    assert run.terminate() == 0, run.log()


def test_every_panel_has_something_to_show(pipeline_db, processes, tmp_path):
    """A real Prometheus scrapes run and sink; each expression of the dashboard, and of the alarms
    without their threshold, must have an answer."""
    setup = pipeline_db
    publish(setup)
    run, run_port = start_run(setup, processes)
    (sink_port,) = proc.free_ports(1)
    sink = setup.start("sink", file=setup.write("sink.yaml", http={"listen": f"127.0.0.1:{sink_port}"}))
    (port,) = proc.free_ports(1)
    config = tmp_path / "prometheus.yaml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
        {"job_name": "chatmill", "static_configs": [
            {"targets": [f"127.0.0.1:{run_port}", f"127.0.0.1:{sink_port}"]}]}]}))
    with open(tmp_path / "prometheus.log", "wb") as log:
        prometheus = proc.spawn(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb",
                                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    processes += [sink]
    try:
        def answer(expression):
            query = urllib.parse.urlencode({"query": expression})
            return json.loads(get(port, f"/api/v1/query?{query}")[1])["data"]["result"]

        def scraped():
            try:
                return get(port, "/-/ready")[0] == 200 and answer("count(up == 1) == 2")
            except OSError:  # it does not listen yet
                return False
        proc.wait_for(scraped, 60, "both targets scraped")
        setup.load(SAMPLE)
        setup.wait_run(run)
        setup.wait_sink(sink)
        panels = json.loads((proc.REPO / "deploy/grafana/chatmill.json").read_text())["panels"]
        expressions = [t["expr"] for p in panels for t in p["targets"]]
        alarms = yaml.safe_load((proc.REPO / "deploy/prometheus/alerts.yaml").read_text())
        expressions += [re.sub(r" [<>=]+ [\d.]+$", "", r["expr"]) for r in alarms["groups"][0]["rules"]]
        assert len(expressions) > 25
        for e in expressions:
            proc.wait_for(lambda e=e: answer(e), 60, f"answer to {e}")
        assert not answer("no_such_metric")
    finally:
        proc.end(prometheus)
