# audit.py - compares what came out with what `chatmill scan` says of the same file, as multisets.
# SPDX-License-Identifier: Apache-2.0
import base64
import collections
import json

from support import chatmill

SHOWN = 5


def is_customer(person):
    return person[:2].lower() in ("wm", "wo") and len(person) >= 24


def subject(message):
    """Whom a message is about (docs/CONTRACT.md, section 2), in Python; roles by prefix alone."""
    if message["action"] == "switch":
        return message["user"]
    sender, others = message["from"], message["tolist"]
    customers = {p for p in [sender, *others] if is_customer(p)}
    if is_customer(sender) and (customers == {sender} or message["roomid"]):
        return sender
    if len(customers) == 1:
        return customers.pop()
    return message["roomid"] or min([sender, *others])


def key(row, corp="ww1"):
    """The key of a line in the canonical envelope; of one that cannot be read, any."""
    try:
        envelope = json.loads(row)
        return f"{envelope['corpid']}/{subject(envelope['message'])}".encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"{corp}/unreadable".encode()


def canonical(event):
    """All that an event says but its `source`, which names the pipeline."""
    head = {k: event.get(k) for k in ("id", "type", "time", "subject", "sequence")}
    return json.dumps([head, event["data"]], sort_keys=True, ensure_ascii=False)


def expected(rules, path, partitions, dead):
    """(events, dead letters) by `scan`: the same pipeline in one process, without a failure."""
    done = chatmill.run("scan", "--rules", rules, "--partitions", partitions, "--corp", "ww1",
                        "--dead-letters", dead, path, check=0, timeout_s=600)
    letters = [(d["error"], base64.b64decode(d["raw_base64"])) for d in chatmill.lines(dead.read_bytes())]
    return chatmill.lines(done), letters


class Difference:
    """What is missing and what is too much."""

    def __init__(self, name, want, got):
        want, got = collections.Counter(want), collections.Counter(got)
        self.name, self.total = name, sum(want.values())
        self.lost, self.doubled = want - got, got - want

    def __bool__(self):
        return bool(self.lost or self.doubled)

    def __str__(self):
        text = (f"{self.name}: {self.total} expected, {sum(self.lost.values())} lost, "
                f"{sum(self.doubled.values())} doubled or different")
        for sign, what in (("lost", self.lost), ("too much", self.doubled)):
            for item in list(what)[:SHOWN]:
                text += f"\n    {sign}: {str(item)[:700]}"
        return text


def tables(events):
    """The rows of customer_tag, customer_stage and alert that follow from these events, in Python."""
    tags, stages, alerts = {}, {}, {}
    for e in sorted(events, key=lambda e: (e["subject"], e["sequence"])):
        d = e["data"]
        who = (d["corpid"], d["external_userid"])
        if e["type"] in ("chatmill.tag.v1", "chatmill.stage.v1"):
            for t in d.get("remove") or []:
                tags[who + (t["group"], t["tag"])] = False
            for t in d.get("add") or []:
                tags[who + (t["group"], t["tag"])] = True
        if e["type"] == "chatmill.stage.v1":
            stages[who + (d["ladder"],)] = d["to_stage"]
        if e["type"] == "chatmill.alert.v1":
            alerts[d["alert_id"]] = (d["count"], bool(d["recalled"]))
    return tags, stages, alerts


def database(sql):
    """The same from the database."""
    tags = {tuple(r[:4]): r[4] for r in sql(
        'SELECT corpid, external_userid, "group", tag, removed_at IS NULL FROM chatmill.customer_tag')}
    stages = {tuple(r[:3]): r[3] for r in sql(
        "SELECT corpid, external_userid, ladder, stage FROM chatmill.customer_stage")}
    alerts = {str(r[0]): (r[1], r[2]) for r in sql(
        'SELECT alert_id, count, recalled FROM chatmill.alert')}
    return tags, stages, alerts


def compare(setup, rules, path, folder):
    """All differences between topics, tables and scan; a list of Difference."""
    events, letters = expected(rules, path, setup.partitions, folder / "expected.dead")
    got = setup.events()
    out = [Difference("events on the topics", map(canonical, events), map(canonical, got)),
           Difference("dead letters", letters,
                      [(dict(r.headers)["chatmill.error"].decode(), r.value) for r in setup.dead()])]
    if setup.postgres:
        sql = setup.postgres.sql
        for table, kind in (("tag_event", "tag"), ("stage_event", "stage")):
            out.append(Difference(f"rows of {table}",
                                  [e["id"] for e in events if e["type"] == f"chatmill.{kind}.v1"],
                                  [str(r[0]) for r in sql(f"SELECT event_id FROM chatmill.{table}")]))
        for name, want, have in zip(("customer_tag", "customer_stage", "alert"),
                                    tables(events), database(sql)):
            out.append(Difference(f"rows of {name}", want.items(), have.items()))
        rejected = sql("SELECT count(*) FROM chatmill.sink_reject")[0][0]
        out.append(Difference("rows refused by the database", [], ["refused"] * rejected))
    # Order: what subscribers rely on, for each subject by its sequence.
    last, disorder = {}, []
    for e in got:
        where = e["_at"][0], e["subject"]
        if e["sequence"] <= last.get(where, ""):
            disorder.append(e["id"])
        last[where] = e["sequence"]
    out.append(Difference("events out of order", [], disorder))
    return out
