# model.py - RULES.md sections 3 and 4 and CONTRACT.md section 3, read a second time, in Python.
# SPDX-License-Identifier: Apache-2.0
"""What `chatmill scan` must say of a conversation, written from the specification and not from
the program. Everything is slow and plain: all that falls due is found by looking at everything,
windows keep every match, matching is str.find. Rules come as the dicts that generate.py also
writes as YAML; the decisions where the specification is silent are those of docs/semantics.md.
"""
import hashlib
import itertools
import uuid

NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
MEMORY = 7 * DAY
LOST = "lost"


def role_of(user):
    if len(user) >= 24 and user[:2].lower() in ("wm", "wo"):
        return "customer"
    if len(user) >= 24 and user[:2].lower() == "wb":
        return "robot"
    return "staff"


class Message:
    """A line of the archive, understood."""

    def __init__(self, line, last_time):
        self.corp = line["corpid"]
        self.kind = "chat"
        self.frm, self.role, self.chat, self.room = "", "customer", "single", ""
        self.userids, self.tolist, self.text, self.amount, self.by = [], [], None, None, None
        self.closing = False
        if "clock" in line:
            self.kind, self.time, self.id, self.subject = "clock", line["clock"], "", ""
            self.recv = line.get("recv_ts", line["clock"])
            return
        if "control" in line:
            c = line["control"]
            self.kind, self.control = "control", c
            self.id, self.time, self.subject = c["id"], c["at"], c["external_userid"]
            self.recv = line.get("recv_ts", c["at"])
            self.by, self.role = c.get("by", ""), "staff"
            return
        m = line["message"]
        self.id, self.time = m["msgid"], m["msgtime"]
        self.recv = line.get("recv_ts", m["msgtime"])
        self.frm, self.tolist, self.room = m["from"], m["tolist"], m.get("roomid", "")
        self.role = role_of(self.frm)
        people = [self.frm] + self.tolist
        customers = list(dict.fromkeys(p for p in people if role_of(p) == "customer"))
        if self.room:
            self.chat = "group" if customers else "internal"
        else:
            self.chat = "single" if customers else "internal"
        if self.role == "customer":
            self.subject = self.frm
        elif len(customers) == 1:
            self.subject = customers[0]
        else:
            self.subject = self.room if self.room else min(people)
        self.userids = list(dict.fromkeys(p for p in people if role_of(p) == "staff"))[:20]
        if m["msgtype"] == "revoke":
            self.kind, self.pre = "recall", m["revoke"]["pre_msgid"]
        elif m["msgtype"] == "text":
            self.text = m["text"]["content"]
        elif m["msgtype"] == "external_redpacket":
            self.text, self.amount = m["redpacket"]["wish"], m["redpacket"]["totalamount"]
        elif m["msgtype"] == "emotion":
            self.closing = True

    @property
    def is_customer(self):
        return role_of(self.subject) == "customer"

    @property
    def pair(self):
        if self.room or self.userids:
            return self.room or self.userids[0]
        # Nobody of staff is there: the other one.
        return self.tolist[0] if self.tolist and self.frm == self.subject else self.frm

    @property
    def conversation(self):
        if self.room or self.is_customer:
            return self.pair
        return self.tolist[0] if self.tolist else ""


class Subject:
    def __init__(self, corp, name):
        self.corp, self.name = corp, name
        self.seen = {}       # msgid -> msgtime
        self.tags = {}       # (group, tag) -> {"staff": [], "proofs": [...]}
        self.changed = {}    # exclusive group -> time of its last change
        self.ladders = {}    # name -> [move]: the state before, then every move
        self.windows = {}    # (pack, rule, pair) -> [(time, amount, words)]
        self.waits = []
        self.groupings = {}
        self.alerts = []
        self.nears = {}      # (rule, node, speaker, conversation) -> {"n": int, "open": [...]}
        self.spoke = {}      # staff, or "" for the customer -> newest msgtime
        self.sequence = 0
        self.erased = None
        self.orders = {}     # msgid -> how many things rest on it


class Cause:
    """What an effect rests on."""

    def __init__(self, message, due=None):
        self.m, self.due = message, due
        self.at = message.time if due is None else due


def local(ms, zone_hours=8):
    return ms + zone_hours * HOUR


def calendar_span(kind, ms):
    day = local(ms) // DAY
    if kind == "day":
        return day
    if kind == "week":
        return (day + 3) // 7  # 1970-01-01 was a Thursday
    import datetime
    d = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    return d.year, d.month


def open_spans(hours, days, from_ms):
    """Spans (start, end) in UTC that are open, in order, from about `from_ms` on."""
    first = local(from_ms) // DAY - 1
    for day in itertools.count(first):
        if days and (day + 3) % 7 not in days:  # Monday is 0
            continue
        base = day * DAY - 8 * HOUR
        if not hours:
            yield base, base + DAY
            continue
        start, end = (int(x[:2]) * 60 + int(x[3:]) for x in hours.split("-"))
        if end <= start:
            end += 24 * 60
        yield base + start * MINUTE, base + end * MINUTE


def due_after(rule, ms, over):
    hours, days = rule.get("hours"), rule.get("_days")
    if not hours and not days:
        return ms + over
    left, at = over, ms
    for start, end in open_spans(hours, days, ms):
        start = max(start, at)
        if start >= end:
            continue
        if end - start >= left:
            return start + left
        left -= end - start
        at = end


def is_open(rule, ms):
    hours, days = rule.get("hours"), rule.get("_days")
    if not hours and not days:
        return True
    for start, end in open_spans(hours, days, ms):
        if start <= ms < end:
            return True
        if start > ms:
            return False


class Model:
    """`packs`: in the order of their names; each {"pack", "tags", "ladders", "lists", "rules"}
    with rules in order. `partition_of(corp, subject)` and `partitions` as `scan --partitions`."""

    def __init__(self, packs, partitions=1, partition_of=None, hits=True):
        self.rules = [dict(r, pack=p["pack"]) for p in packs for r in p["rules"]]
        self.groups = {g: v for p in packs for g, v in p.get("tags", {}).items()}
        self.ladders = {n: v for p in packs for n, v in p.get("ladders", {}).items()}
        self.lists = {p["pack"]: p.get("lists", {}) for p in packs}
        self.partitions, self.partition_of = partitions, partition_of
        self.clocks = {}     # (partition, corp) -> ms
        self.subjects = {}   # (partition, corp, name) -> Subject
        self.events = []
        self.hits = hits
        self.last_time = 1
        self.rule_index = {(r["pack"], r["id"]): i for i, r in enumerate(self.rules)}

    # ---- records

    def take(self, line):
        m = Message(line, self.last_time)
        self.last_time = m.recv
        if m.kind == "clock":
            for partition in range(self.partitions):
                self.move_clock(partition, m)
            return
        partition = self.partition_of(m.corp, m.subject) if self.partitions > 1 else 0
        self.move_clock(partition, m)
        key = (partition, m.corp, m.subject)
        s = self.subjects.get(key) or Subject(m.corp, m.subject)
        if s.erased is not None and m.time < s.erased:
            return
        if m.id in s.seen and s.seen[m.id] + MEMORY > self.clock:
            return
        self.subjects[key] = s
        if m.kind == "control":
            self.control(key, s, m)
            return
        self.judge(s, m)

    def move_clock(self, partition, m):
        at = (partition, m.corp)
        self.clocks[at] = max(self.clocks.get(at, 0), min(m.time, m.recv + 5 * MINUTE))
        self.clock = self.clocks[at]
        while True:
            due = [d for (p, c, _), s in self.subjects.items() if (p, c) == at
                   for d in self.due_of(s) if d[0] <= self.clock]
            if not due:
                return
            first = min(due, key=lambda d: d[:6])
            first[6](*first[7])

    def due_of(self, s):
        b = str.encode
        for (group, tag), t in s.tags.items():
            newest = self.newest(t)
            if newest["expires"]:
                when = newest["cause"].m.time + newest["expires"]
                yield (when, b(s.name), b(newest["pack"]), b(newest["rule"]), b(f"{group}/{tag}"),
                       b"", self.expire, (s, group, tag, when))
        for w in s.waits:
            yield (w["due"], b(s.name), b(w["rule"]["pack"]), b(w["rule"]["id"]), b"", b(w["where"]),
                   self.wait_due, (s, w))
        for key, g in s.groupings.items():
            yield (g["due"], b(s.name), b(key[0]), b(key[1]), b"", b(key[2]), self.close, (s, key))

    # ---- events

    def uuid(self, kind, s, msgid, pack, rule, target, cause):
        name = "\x1f".join([f"chatmill.{kind}.v1", s.corp, s.name, msgid, pack, rule, target, cause])
        digest = bytearray(hashlib.sha1(NAMESPACE.bytes + name.encode()).digest()[:16])
        digest[6] = digest[6] & 0x0F | 0x50
        digest[8] = digest[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(digest)))

    def event(self, kind, s, cause, why, pack, rule, target="", **data):
        m = cause.m
        if cause.due is not None:
            target += f"@{cause.due}"
        e = {"type": kind, "id": self.uuid(kind, s, m.id, pack, rule, target, why),
             "time": cause.at, "subject": f"{s.corp}/{s.name}", "cause": why, "pack": pack,
             "rule": rule, "msgid": m.id, "msgtime": m.time, "userids": m.userids,
             "roomid": m.room, "chat": m.chat, "from": m.frm, "from_role": m.role,
             "external_userid": s.name if role_of(s.name) == "customer" else "",
             "late": self.clock - m.time > HOUR}
        if kind in ("tag", "stage", "alert"):
            s.sequence = max(s.sequence + 1, self.clock * 1_000_000)
            e["sequence"] = f"{s.sequence:020d}"
        if why == "manual":
            e["by"] = m.by
        e.update(data)
        self.events.append(e)
        return e

    def order(self, s, cause):
        n = s.orders.get(cause.m.id, 0)
        s.orders[cause.m.id] = n + 1
        return n

    # ---- matching

    def spots(self, message, words):
        found = set()
        text = message.text or ""
        for w in words:
            at = text.find(w)
            while at >= 0:
                found.add((len(text[:at].encode()), len(text[:at + len(w)].encode()), w))
                at = text.find(w, at + 1)
        return sorted(found)

    def words_of(self, rule, item):
        if isinstance(item, dict) and "list" in item:
            words = self.lists[rule["pack"]][item["list"]]
            return [w for ws in words.values() for w in ws] if isinstance(words, dict) else words
        return [item]

    def filters_hold(self, rule, m):
        frm = rule.get("from", "any")
        if frm != "any" and m.role != frm:
            return False
        if m.chat not in rule.get("chat", ["single", "group"]):
            return False
        if (m.kind == "recall") != (rule.get("action", "send") == "recall"):
            return False
        if "amount" in rule and (m.amount is None or m.amount < rule["amount"]["at_least"] * 100):
            return False
        return is_open(rule, m.time)

    def match(self, s, rule, m):
        """None, or the hits; notes parts of near."""
        if not self.filters_hold(rule, m):
            return None
        cond = rule.get("match")
        if cond is None:
            return []
        if "all" in cond:
            parts = [self.spots(m, self.words_of(rule, c)) for c in cond["all"]]
            return sorted(set(itertools.chain(*parts))) if all(parts) else None
        if "near" in cond:
            return self.match_near(s, rule, m, cond["near"])
        hits = sorted(set(itertools.chain(*(self.spots(m, self.words_of(rule, c))
                                            for c in cond["any"]))))
        return hits or None

    def match_near(self, s, rule, m, near):
        here = {}
        for i, part in enumerate(near["of"]):
            spots = self.spots(m, self.words_of(rule, part))
            if spots:
                here[i] = spots
        if not here:
            return None
        key = (rule["pack"], rule["id"], m.frm, m.conversation)
        state = s.nears.get(key, {"n": 0, "open": []})
        number = state["n"] + 1
        usable = [(n, parts) for n, parts, at in state["open"]
                  if number - n <= near["messages"] and at + DAY > self.clock]
        wanted = set(range(len(near["of"])))
        complete = set(here).union(*(parts for _, parts in usable)) == wanted
        self.near_parts.append((key, set(here), complete))
        return sorted(set(itertools.chain(*here.values()))) if complete else None

    def note_nears(self, s, m):
        advanced = False
        for key, state in list(s.nears.items()):
            state["open"] = [o for o in state["open"] if o[2] + DAY > self.clock]
            if not state["open"]:  # open no more: nothing to advance
                del s.nears[key]
        for key, state in s.nears.items():
            if key[2:] == (m.frm, m.conversation):
                state["n"] += 1
                advanced = True
        for key, parts, complete in self.near_parts:
            advanced = True
            state = s.nears.setdefault(key, {"n": 1, "open": []})
            if complete:
                state["open"] = []
            else:
                state["open"].append((state["n"], parts, m.time))
        for key in list(s.nears):
            state, rule = s.nears[key], self.rules[self.rule_index[key[:2]]]
            reach = rule["match"]["near"]["messages"]
            state["open"] = [o for o in state["open"]
                             if state["n"] + 1 - o[0] <= reach and o[2] + DAY > self.clock]
            if not state["open"]:
                del s.nears[key]
        return advanced

    def is_ignored(self, rule, m):
        ignore = rule["wait"].get("ignore")
        if m.closing:
            return True
        if not ignore or m.text is None or m.amount is not None:
            return False
        rest = m.text
        for w in sorted(self.words_of(rule, ignore), key=len, reverse=True):
            rest = rest.replace(w, "")
        return m.text != "" and not rest.strip("，。！ ")

    # ---- one message

    def judge(self, s, m):
        self.near_parts = []
        matches = [(r, h) for r in self.rules for h in [self.match(s, r, m)] if h is not None] \
            if m.kind in ("chat", "recall") else []
        guards = [self.guard(s, r) for r, _ in matches]
        if m.kind == "recall":
            self.recall(s, m)
        effective = bool(matches)
        if m.kind == "chat":
            effective |= self.end_waits(s, m)
            effective |= self.note_nears(s, m)
        if effective and m.time + MEMORY > self.clock:
            s.seen[m.id] = m.time
        cause = Cause(m)
        fires = []
        for (r, hits), guard in zip(matches, guards):
            fires.append(r.get("mode") != "shadow" and guard and self.window(s, r, m, hits))
        winners = self.choose(s, cause, [r for (r, _), f in zip(matches, fires)
                                         if f and "wait" not in r])
        claims = {}
        for (r, hits), fire in zip(matches, fires):
            evidence = [{"start": a, "end": b, "word": w} for a, b, w in hits][:100]
            if self.hits:
                self.event("hit", s, cause, "rule", r["pack"], r["id"], evidence=evidence)
            if fire and "wait" in r:
                self.start_wait(s, r, m)
            elif fire:
                self.apply(s, r, cause, claims, winners, hits, evidence)

    def guard(self, s, rule):
        g = rule.get("if", {})
        if "stage" in g and not any(self.stage(s, *self.find_stage(x)[:1]) == self.find_stage(x)[1]
                                    for x in g["stage"]):
            return False
        if "tag" in g and not any(self.find_tag(x) in s.tags for x in g["tag"]):
            return False
        return not any(self.find_tag(x) in s.tags for x in g.get("no_tag", []))

    def find_tag(self, name):
        if "/" in name:
            return tuple(name.split("/"))
        return next((g, name) for g, v in self.groups.items() if name in v["values"])

    def find_stage(self, name):
        if "/" in name:
            return tuple(name.split("/"))
        return next((n, name) for n, v in self.ladders.items()
                    if name in v["stages"] or name == v.get("lost"))

    def stage(self, s, ladder):
        return s.ladders[ladder][-1]["stage"] if ladder in s.ladders else None

    def remembered(self, s, msgid):
        return msgid in s.seen and s.seen[msgid] + MEMORY > self.clock

    # ---- windows

    def window(self, s, rule, m, hits):
        w = rule.get("window")
        if w is None:
            return True
        key = (rule["pack"], rule["id"], m.pair if rule.get("by") == "pair" else "")
        kept = s.windows.setdefault(key, [])
        newest = max([m.time] + [t for t, _, _ in kept])
        if "within" in w:
            stays = lambda t: t > newest - duration(w["within"])  # noqa: E731
        else:
            stays = lambda t: calendar_span(w["per"], t) == calendar_span(w["per"], newest)  # noqa: E731
        kept[:] = [k for k in kept if stays(k[0])]
        if not stays(m.time):
            return False

        def measure():
            if "sum" in w:
                return sum(a for _, a, _ in kept)
            if w.get("distinct") == "words":
                return len(set().union(*(x for _, _, x in kept)))
            return len(kept)

        need = w["at_least"] * 100 if "sum" in w else w["count"]
        before = measure()
        kept.append((m.time, m.amount or 0, {word for _, _, word in hits}))
        return before < need <= measure()

    # ---- waits

    def end_waits(self, s, m):
        if m.closing or not m.is_customer:
            return False
        if m.role == "customer":
            s.spoke[""] = max(s.spoke.get("", 0), m.time)
        elif m.role == "staff" and m.chat == "single":
            s.spoke[m.pair] = max(s.spoke.get(m.pair, 0), m.time)
        ended = []
        for w in s.waits:
            if w["rule"]["wait"]["for"] != m.role or w["cause"].m.time > m.time:
                continue
            if m.role == "staff" and (m.chat != "single" or w["where"] != m.pair):
                continue
            if not self.is_ignored(w["rule"], m):
                ended.append(w)
        s.waits = [w for w in s.waits if w not in ended]
        return bool(ended)

    def start_wait(self, s, rule, m):
        if m.chat != "single" or self.is_ignored(rule, m):
            return
        staff = rule["wait"]["for"] == "staff"
        where = m.pair if staff or rule.get("by") == "pair" else ""
        if s.spoke.get(where if staff else "", 0) > m.time:
            return
        if any(w["rule"] is rule and w["where"] == where for w in s.waits):
            return
        s.waits.append({"rule": rule, "where": where, "cause": Cause(m),
                        "due": due_after(rule, m.time, duration(rule["wait"]["over"]))})

    def wait_due(self, s, w):
        s.waits.remove(w)
        rule = w["rule"]
        if not self.guard(s, rule):
            return
        cause = Cause(w["cause"].m, w["due"])
        self.apply(s, rule, cause, {}, self.choose(s, cause, [rule]), [], [])

    # ---- effects

    def choose(self, s, cause, rules):
        """ladder -> (stage, rule): at most one move of each."""
        asks = {}
        if role_of(s.name) != "customer":
            return {}
        for r in rules:
            for e in r["then"]:
                if isinstance(e, dict) and "stage" in e:
                    ladder, stage = self.find_stage(e["stage"])
                    asks.setdefault(ladder, []).append((stage, r, e.get("back", False)))
        winners = {}
        for ladder, wanted in asks.items():
            stages, lost = self.ladders[ladder]["stages"], self.ladders[ladder].get("lost")
            now = self.stage(s, ladder)
            if ladder in s.ladders and cause.at < s.ladders[ladder][-1]["time"]:
                continue
            height = stages.index(now) if now in stages else -1
            forward = [(stages.index(x), x, r) for x, r, _ in wanted
                       if x in stages and stages.index(x) > height]
            if forward:
                best = max(h for h, _, _ in forward)
                winners[ladder] = next((x, r) for h, x, r in forward if h == best)
                continue
            to_lost = [(x, r) for x, r, _ in wanted if x == lost and now != lost]
            back = [(x, r) for x, r, b in wanted if b and x in stages and stages.index(x) < height]
            if to_lost or back:
                winners[ladder] = (to_lost or back)[0]
        return winners

    def apply(self, s, rule, cause, claims, winners, hits, evidence):
        customer = role_of(s.name) == "customer"
        work = {"add": [], "remove": [], "staff": []}
        for e in rule["then"]:
            if not customer:
                break
            if "tag" in e:
                group, tag = self.find_tag(e["tag"])
                self.add_tag(s, rule, cause, claims, group, tag, e.get("expires"), work)
            elif "tag_from" in e:
                group = e["tag_from"]
                for tag, words in self.lists[rule["pack"]][group].items():
                    if any(w in words for _, _, w in hits):
                        self.add_tag(s, rule, cause, claims, group, tag, e.get("expires"), work)
            elif "untag" in e:
                self.drop_tag(s, cause, *self.find_tag(e["untag"]), work["remove"])
        names = (rule["pack"], rule["id"])
        if work["add"] or work["remove"]:
            self.event("tag", s, cause, "rule", *names, add=work["add"], remove=work["remove"],
                       evidence=evidence)
        if work["staff"]:
            self.event("tag", s, cause, "staff", *names, add=work["staff"], remove=[],
                       evidence=evidence)
        for e in rule["then"]:
            if "stage" in e and customer:
                ladder, stage = self.find_stage(e["stage"])
                if winners.get(ladder, (None, None))[1] is rule and winners[ladder][0] == stage:
                    self.move(s, ladder, stage, cause, "rule", rule, evidence)
        for e in rule["then"]:
            if "alert" in e:
                self.alert(s, rule, cause, e["alert"], evidence)

    def newest(self, t):
        best = None
        for p in t["proofs"]:
            if best is None or p["cause"].m.time >= best["cause"].m.time:
                best = p
        return best

    def proof(self, s, rule, cause, expires, group):
        rule = rule or {"pack": "", "id": "", "keep_on_recall": False}
        expires = duration(expires or self.groups[group].get("expires") or "0d")
        return {"cause": cause, "pack": rule["pack"], "rule": rule["id"], "expires": expires,
                "order": self.order(s, cause), "keep": rule.get("keep_on_recall", False)}

    def add_tag(self, s, rule, cause, claims, group, tag, expires, work):
        exclusive = self.groups[group].get("exclusive", False)
        if exclusive and claims.setdefault(group, tag) != tag:
            return
        here = s.tags.get((group, tag))
        if here is not None:
            new = [u for u in cause.m.userids if u not in here["staff"]][:64 - len(here["staff"])]
            here["staff"] += new
            here["proofs"].append(self.proof(s, rule, cause, expires, group))
            if new:
                work["staff"].append({"group": group, "tag": tag, "userids": new})
            return
        if exclusive:
            if rule is not None and cause.at < s.changed.get(group, 0):
                return
            for g, t in [k for k in s.tags if k[0] == group]:
                self.drop_tag(s, cause, g, t, work["remove"])
            s.changed[group] = max(s.changed.get(group, 0), cause.at)
        s.tags[group, tag] = {"staff": list(cause.m.userids),
                              "proofs": [self.proof(s, rule, cause, expires, group)]}
        work["add"].append({"group": group, "tag": tag})

    def drop_tag(self, s, cause, group, tag, out):
        t = s.tags.pop((group, tag), None)
        if t is None:
            return
        out.append({"group": group, "tag": tag, "userids": t["staff"]})
        if self.groups[group].get("exclusive"):
            s.changed[group] = max(s.changed.get(group, 0), cause.at)

    def labels(self, ladder, stage):
        label = self.ladders[ladder].get("labels", {}).get(stage)
        return [{"group": ladder, "tag": stage, "wecom_id": label}] if label else []

    def move(self, s, ladder, stage, cause, why, rule, evidence):
        moves = s.ladders.setdefault(ladder, [{"stage": None, "time": 0, "cause": None}])
        before = moves[-1]
        names = (rule["pack"], rule["id"]) if rule else ("", "")
        moves.append({"stage": stage, "time": max(cause.at, before["time"]), "cause": cause,
                      "names": names, "order": self.order(s, cause),
                      "keep": bool(rule and rule.get("keep_on_recall"))})
        self.event("stage", s, cause, why, *names, ladder, ladder=ladder,
                   from_stage=before["stage"], to_stage=stage, add=self.labels(ladder, stage),
                   remove=self.labels(ladder, before["stage"]), evidence=evidence)

    def alert(self, s, rule, cause, spec, evidence):
        names = (rule["pack"], rule["id"])
        key = names + (cause.m.pair if rule.get("by") == "pair" else "",)
        looks = {"severity": spec["severity"], "category": spec["category"], "title": rule["title"]}
        if key in s.groupings:
            g = s.groupings[key]
            g["causes"].append(cause)
            return
        e = self.event("alert", s, cause, "rule", *names, count=1, msgids=[cause.m.id],
                       recalled=False, evidence=evidence, **looks)
        e["alert_id"] = e["id"]
        if "group_for" in spec:
            s.groupings[key] = {"due": cause.m.time + duration(spec["group_for"]), "id": e["id"],
                                "causes": [cause], "looks": looks}
        if not rule.get("keep_on_recall"):
            s.alerts.append({"cause": cause, "names": names, "id": e["id"], "looks": looks,
                             "order": self.order(s, cause)})

    def close(self, s, key):
        g = s.groupings.pop(key)
        if len(g["causes"]) < 2:
            return
        newest = max(range(len(g["causes"])), key=lambda i: (g["causes"][i].m.time, i))
        cause = Cause(g["causes"][newest].m, g["due"])
        self.event("alert", s, cause, "group", key[0], key[1], count=len(g["causes"]),
                   msgids=[c.m.id for c in g["causes"]][:100], recalled=False, alert_id=g["id"],
                   evidence=[], **g["looks"])

    def expire(self, s, group, tag, when):
        newest = self.newest(s.tags[group, tag])
        cause, removed = Cause(newest["cause"].m, when), []
        self.drop_tag(s, cause, group, tag, removed)
        self.event("tag", s, cause, "expiry", newest["pack"], newest["rule"], f"{group}/{tag}",
                   add=[], remove=removed, evidence=[])

    # ---- recalls

    def recall(self, s, m):
        if not self.remembered(s, m.pre):
            return
        cause, undone = Cause(m), []  # (order, names, rank, tell)

        def is_pre(other):  # an older message may have had its id
            return other.id == m.pre and other.time + MEMORY > self.clock

        def rests(what):
            return what["cause"] is not None and is_pre(what["cause"].m) and not what.get("keep")

        for (group, tag), t in list(s.tags.items()):
            gone = [p for p in t["proofs"] if rests(p)]
            t["proofs"] = [p for p in t["proofs"] if not rests(p)]
            if gone and not t["proofs"]:
                first = min(gone, key=lambda p: p["order"])
                removed = []
                self.drop_tag(s, cause, group, tag, removed)
                undone.append((first["order"], (first["pack"], first["rule"]), "tag", removed[0]))
        for ladder in self.ladders:
            moves = s.ladders.get(ladder)
            gone = []
            while moves and rests(moves[-1]):
                gone.append(moves.pop())
            if gone:
                first = min(gone, key=lambda g: g["order"])
                undone.append((first["order"], first["names"], "stage",
                               (ladder, gone[0]["stage"], moves[-1]["stage"])))
        for a in [a for a in s.alerts if rests(a)]:
            s.alerts.remove(a)
            undone.append((a["order"], a["names"], "alert", a))
        s.waits = [w for w in s.waits
                   if not is_pre(w["cause"].m) or w["rule"].get("keep_on_recall")]
        undone.sort(key=lambda u: u[0])
        for names in dict.fromkeys(u[1] for u in undone):
            mine = [u for u in undone if u[1] == names]
            removed = [u[3] for u in mine if u[2] == "tag"]
            if removed:
                self.event("tag", s, cause, "recall", *names, add=[], remove=removed, evidence=[])
            for u in mine:
                if u[2] == "stage":
                    ladder, old, new = u[3]
                    self.event("stage", s, cause, "recall", *names, ladder, ladder=ladder,
                               from_stage=old, to_stage=new, add=self.labels(ladder, new),
                               remove=self.labels(ladder, old), evidence=[])
            for u in mine:
                if u[2] == "alert":
                    self.event("alert", s, cause, "recall", *names, count=1, msgids=[m.pre],
                               recalled=True, alert_id=u[3]["id"], evidence=[], **u[3]["looks"])

    # ---- control records

    def control(self, key, s, m):
        c, cause = m.control, Cause(m)
        if c.get("erase"):
            self.event("erase", s, cause, "manual", "", "")
            fresh = Subject(s.corp, s.name)
            fresh.erased = max(m.time, s.erased or 0)
            fresh.seen = {m.id: m.time}
            fresh.sequence = s.sequence
            self.subjects[key] = fresh
            return
        work, claims = {"add": [], "remove": [], "staff": []}, {}
        for name in c.get("add", []):
            self.add_tag(s, None, cause, claims, *self.find_tag(name), None, work)
        for name in c.get("remove", []):
            self.drop_tag(s, cause, *self.find_tag(name), work["remove"])
        if work["add"] or work["remove"]:
            self.event("tag", s, cause, "manual", "", "", add=work["add"], remove=work["remove"],
                       evidence=[])
        if c.get("stage") and self.stage(s, c["ladder"]) != c["stage"]:
            self.move(s, c["ladder"], c["stage"], cause, "manual", None, [])
        s.seen[m.id] = m.time


def duration(text):
    units = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
    for unit in ("ms", "s", "m", "h", "d"):
        if text.endswith(unit) and text[:-len(unit)].isdigit():
            return int(text[:-len(unit)]) * units[unit]
    raise ValueError(text)
