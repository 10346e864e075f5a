# events.py - makes the events of many customers, and says what the tables must hold after them.
# SPDX-License-Identifier: Apache-2.0
#
# Written from CONTRACT.md sections 3 and 6, not from the program: the sink is judged by it. Events
# are as `run` writes them: binary CloudEvents, keyed by corpid/subject, sequences ascending for
# each subject.
import datetime
import json
import random
import uuid

NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
RULESET = "sha256:" + "ab" * 32
STAGES = ["兴趣", "资料", "评估", "试用", "购买"]
TAGS = [("意向", "高意向"), ("意向", "低意向"), ("行业", "教育"), ("行业", "医疗"), ("", "老客户")]
START_MS = 1_700_000_000_000


def rfc3339(ms):
    t = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=ms)
    return t.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def timestamp(ms):
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(milliseconds=ms)


def event(kind, customer, number, time_ms, sequence, **data):
    """One event as (topic's short name, key, headers, data)."""
    msgid = f"m-{customer}-{number}"
    subject = customer
    base = {"corpid": data.pop("corpid", "ww1"), "external_userid": customer, "userids": ["zhangsan"],
            "roomid": "", "chat": "single", "from": customer, "from_role": "customer", "msgid": msgid,
            "msgtime": time_ms, "late": False, "pack": "sales", "rule": f"r{number % 7}",
            "ruleset": RULESET, "cause": "rule"}
    base.update(data)
    base.setdefault("evidence", [{"field": "text.content", "start": 6, "end": 15, "char_start": 2,
                                  "char_end": 5, "text": "多少钱", "word": "多少钱", "folds": [],
                                  "forwarded": False}])
    name = "\x1f".join([f"chatmill.{kind}.v1", base["corpid"], subject, msgid, base["pack"],
                        base["rule"], "", base["cause"]])
    ce_id = str(uuid.uuid5(NAMESPACE, name))
    if kind == "alert":
        base.setdefault("alert_id", ce_id)
    headers = [("ce_specversion", b"1.0"), ("ce_id", ce_id.encode()),
               ("ce_source", b"/chatmill/default"), ("ce_type", f"chatmill.{kind}.v1".encode()),
               ("ce_time", rfc3339(time_ms).encode()),
               ("ce_subject", f"{base['corpid']}/{subject}".encode()),
               ("ce_sequence", f"{sequence:020d}".encode()), ("content-type", b"application/json")]
    if kind == "erase":
        headers = [h for h in headers if h[0] != "ce_sequence"]
    return {"kind": kind, "id": ce_id, "time": time_ms, "sequence": sequence, "data": base,
            "subject": subject, "key": f"{base['corpid']}/{subject}".encode(), "headers": headers,
            "poison": None}


TOPIC = {"tag": "tags", "stage": "stages", "alert": "alerts"}


class Generator:
    """Legal histories of `customers` customers, interleaved; the same for the same seed."""

    def __init__(self, seed, customers=200, span_days=70):
        self.random = random.Random(seed)
        self.customers = [f"wm{seed}-{i:028d}"[:40] for i in range(customers)]
        self.state = {c: {"n": 0, "sequence": 0, "stage": None, "tags": {}, "alerts": []}
                      for c in self.customers}
        self.span_ms = span_days * 86_400_000

    def events(self, count):
        for i in range(count):
            customer = self.random.choice(self.customers)
            time_ms = START_MS + i * self.span_ms // max(count, 1)
            yield self.next_of(customer, time_ms)

    def next_of(self, customer, time_ms):
        s, r = self.state[customer], self.random
        s["n"] += 1
        s["sequence"] = max(s["sequence"] + 1, time_ms * 1_000_000)
        what = r.random()
        make = self.tag if what < 0.5 else self.stage if what < 0.8 else self.alert
        return make(customer, s, r, time_ms)

    def tag(self, customer, s, r, time_ms):
        group, tag = key = r.choice(TAGS)
        change = {"group": group, "tag": tag}
        if r.random() < 0.5:
            change["wecom_id"] = "et" + tag
        staff = s["tags"].get(key)
        args = (customer, s["n"], time_ms, s["sequence"])
        if staff is None:
            who = r.choice(["zhangsan", "lisi", 'o"neil\\x'])
            s["tags"][key] = {who}
            return event("tag", *args, add=[change], remove=[], userids=[who])
        if r.random() < 0.4:
            who = r.choice(["zhangsan", "lisi", "wangwu", "zhaoliu"])
            staff.add(who)
            return event("tag", *args, add=[change], remove=[], userids=[who], cause="staff")
        del s["tags"][key]
        cause = r.choice(["rule", "expiry", "recall", "manual"])
        return event("tag", *args, add=[], remove=[change], cause=cause)

    def stage(self, customer, s, r, time_ms):
        to = r.choice([x for x in STAGES if x != s["stage"]])
        cause = "rule"
        if s["stage"] and r.random() < 0.05:
            to, cause = None, "recall"
        before, s["stage"] = s["stage"], to
        return event("stage", customer, s["n"], time_ms, s["sequence"], ladder="life",
                     from_stage=before, to_stage=to, add=[], remove=[], cause=cause)

    def alert(self, customer, s, r, time_ms):
        args = (customer, s["n"], time_ms, s["sequence"])
        more = {"severity": r.choice(["low", "medium", "high", "critical"]), "category": "飞单",
                "title": "私下交易", "recalled": False}
        if s["alerts"] and r.random() < 0.3:
            first = r.choice(s["alerts"])
            more.update({k: first["data"][k] for k in ("severity", "category", "title", "rule")})
            more["alert_id"] = first["id"]
            if r.random() < 0.5:
                count = r.randint(2, 5)
                return event("alert", *args, cause="group", count=count,
                             msgids=[f"g{i}" for i in range(count)], **more)
            more["recalled"] = True
            return event("alert", *args, cause="recall", count=1, msgids=[], **more)
        e = event("alert", *args, count=1, msgids=[f"m-{customer}-{s['n']}"],
                  userids=r.choice([[], ["zhangsan"], ["lisi", "zhangsan"]]), **more)
        # A copy: what the event is poisoned with later is not what follows it.
        s["alerts"].append({"id": e["id"], "data": dict(e["data"])})
        return e


def set_header(e, name, value):
    e["headers"] = [(n, value if n == name else v) for n, v in e["headers"]]


POISONS = {  # name → (what it does to the event, the SQLSTATE that PostgreSQL answers with)
    "nul in text": (lambda e: e["data"].update(rule="a\x00b"), "22021"),
    "nul in the digest": (lambda e: e["data"].update(ruleset="sha256:\x00" + "0" * 63), "22021"),
    "name too long": (lambda e: e["data"].update(pack="p" * 300), "23514"),
    "title too long": (lambda e: e["data"].update(title="长" * 400), "23514"),
    "time out of range": (lambda e: e["data"].update(msgtime=9_000_000_000_000_000_000), "22008"),
    "cause of another type": (lambda e: e["data"].update(cause="group"), "23514"),
    "sequence out of range": (lambda e: set_header(e, "ce_sequence", b"18000000000000000000"), "22003"),
    "no event": (lambda e: set_header(e, "ce_type", b"com.example.other"), "22P02"),
}


def poisons_of(kind):
    """Which poisons the tables of a kind refuse: only alerts have a title, only they take any cause,
    and their msgtime counts no day."""
    if kind == "alert":
        return [n for n in POISONS if n not in ("cause of another type", "time out of range")]
    return [n for n in POISONS if n != "title too long"]


def poison(e, name):
    """Makes an event one that the database refuses. It then changes no table."""
    POISONS[name][0](e)
    e["poison"] = name
    return e


def record(e):
    value = json.dumps(e["data"], ensure_ascii=False).encode()
    return {"key": e["key"], "value": value, "headers": e["headers"], "timestamp": e["time"]}


def day(ms):
    return timestamp(ms).date()


class Oracle:
    """What the tables hold after these events, taken one by one."""

    def __init__(self):
        self.tags, self.stages, self.alerts = {}, {}, {}
        self.tag_events, self.stage_events = {}, {}
        self.stage_days = {}

    def take(self, e):
        if e["poison"]:
            return
        {"tag": self.tag, "stage": self.stage, "alert": self.alert}[e["kind"]](e)

    def tag(self, e):
        d = e["data"]
        if e["id"] in self.tag_events:
            return
        self.tag_events[e["id"]] = (day(d["msgtime"]), d["corpid"], d["external_userid"], e["sequence"],
                                    d["cause"], json.dumps(d["add"], sort_keys=True),
                                    json.dumps(d["remove"], sort_keys=True), d["evidence"][0]["word"])
        changes = [(c, False) for c in d["remove"]] + [(c, True) for c in d["add"]]
        for change, adds in changes if d["cause"] != "manual" else reversed(changes):
            key = (d["corpid"], d["external_userid"], change["group"], change["tag"])
            row = self.tags.setdefault(key, {"since": None, "removed": None, "here": False, "userids": [],
                                             "wecom_id": "", "sequence": 0})
            if e["sequence"] < row["sequence"]:
                continue
            ids = change.get("userids") or d["userids"]
            if adds:
                if d["cause"] == "staff" and row["here"]:
                    row["userids"] += [u for u in ids if u not in row["userids"]]
                else:
                    row.update(since=e["time"], userids=list(ids))
                row.update(here=True, removed=None)
            else:
                row.update(here=False, removed=e["time"])
            row.update(wecom_id=change.get("wecom_id") or row["wecom_id"], rule=d["rule"],
                       msgid=d["msgid"], sequence=e["sequence"])

    def stage(self, e):
        d = e["data"]
        if e["id"] in self.stage_events:
            return
        self.stage_events[e["id"]] = (day(d["msgtime"]), d["corpid"], d["external_userid"],
                                      e["sequence"], d["cause"], d["from_stage"], d["to_stage"])
        for stage, which in ((d["to_stage"], 0), (d["from_stage"], 1)):
            if stage:
                counts = self.stage_days.setdefault((d["corpid"], d["ladder"], stage, day(e["time"])), [0, 0])
                counts[which] += 1
        key = (d["corpid"], d["external_userid"], d["ladder"])
        if key not in self.stages or self.stages[key][-1] < e["sequence"]:
            self.stages[key] = (d["to_stage"], timestamp(e["time"]), d["from_stage"], d["rule"], d["msgid"],
                                e["sequence"])

    def alert(self, e):
        d = e["data"]
        row = self.alerts.setdefault(d["alert_id"], {
            "first": (d["corpid"], e["subject"], d["severity"], d["title"], d["msgid"], d["userids"]),
            "count": 0, "msgids": [], "recalled": None, "sequence": 0})
        if e["sequence"] <= row["sequence"]:
            return
        if d["count"] > row["count"]:
            row.update(count=d["count"], msgids=d["msgids"])
        if d["recalled"] and row["recalled"] is None:
            row["recalled"] = timestamp(e["time"])
        row["sequence"] = e["sequence"]

    def expected(self):
        return {
            "tag_event": sorted((i, *row) for i, row in self.tag_events.items()),
            "stage_event": sorted(((i, *row) for i, row in self.stage_events.items()), key=str),
            "customer_tag": sorted((*k, r["wecom_id"], tuple(r["userids"]),
                                    r["since"] is not None and timestamp(r["since"]) or None,
                                    timestamp(r["removed"]) if r["removed"] is not None else None,
                                    r["rule"], r["msgid"], r["sequence"]) for k, r in self.tags.items()),
            "customer_stage": sorted((*k, *r) for k, r in self.stages.items()),
            "alert": sorted((i, *r["first"][:5], tuple(r["first"][5]), r["count"], tuple(r["msgids"]),
                             r["recalled"] is not None, r["recalled"], r["sequence"])
                            for i, r in self.alerts.items()),
            "stage_day": sorted((*k, *v) for k, v in self.stage_days.items()),
        }


def tables(postgres):
    """The same, from the database."""
    def rows(sql):
        return [tuple(tuple(x) if isinstance(x, list) else x for x in r) for r in postgres.sql(sql)]
    events = [(*r[:6], json.dumps(r[6], sort_keys=True), json.dumps(r[7], sort_keys=True), r[8]) for r in rows(
        "SELECT event_id::text, day, corpid::text, external_userid::text, sequence, cause, \"add\", remove, "
        "evidence->0->>'word' FROM chatmill.tag_event")]
    return {
        "tag_event": sorted(events),
        "stage_event": sorted(rows(
            "SELECT event_id::text, day, corpid::text, external_userid::text, sequence, cause, "
            "from_stage::text, to_stage::text FROM chatmill.stage_event"), key=str),
        "customer_tag": sorted(rows(
            'SELECT corpid::text, external_userid::text, "group"::text, tag::text, wecom_id::text, userids, '
            "since, removed_at, rule::text, msgid::text, sequence FROM chatmill.customer_tag")),
        "customer_stage": sorted(rows(
            "SELECT corpid::text, external_userid::text, ladder::text, stage::text, since, previous::text, "
            "rule::text, msgid::text, sequence FROM chatmill.customer_stage")),
        "alert": sorted(rows(
            "SELECT alert_id::text, corpid::text, subject::text, severity, title, msgid::text, staff, count, "
            "msgids, recalled, recalled_at, sequence FROM chatmill.alert")),
        "stage_day": sorted(rows(
            "SELECT corpid::text, ladder::text, stage::text, day, sum(entered)::int, sum(exited)::int "
            "FROM chatmill.stage_day GROUP BY 1, 2, 3, 4")),
    }


def differences(expected, found):
    """Nothing, or a few lines a table that say how they differ."""
    out = []
    for table in expected:
        want, have = expected[table], found[table]
        if want == have:
            continue
        wanted, there = set(want), set(have)
        lost = [r for r in want if r not in there]
        more = [r for r in have if r not in wanted]
        out.append(f"{table}: {len(want)} rows expected, {len(have)} found; missing {lost[:2]}, "
                   f"unexpected {more[:2]}")
    return out
