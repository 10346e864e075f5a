# generate.py - random rule packs and random conversations for the model.
# SPDX-License-Identifier: Apache-2.0
"""Everything comes from one random.Random, so that a seed names a case. Packs are written as JSON,
which is YAML too. Words never overlap and hold no letters, so that matching is plain search and
whatever differs is a difference of what matches mean."""
import json

from model import DAY, HOUR, MINUTE, SECOND

WORDS = ["苹果", "香蕉", "橘子", "葡萄", "西瓜", "桃子", "樱桃"]
CLOSINGS = ["好的", "谢谢"]
CUSTOMERS = [f"wmCUSTOMER{i:022d}" for i in range(4)]
STAFF = ["zhangsan", "lisi", "wangwu"]
ROBOT = "wbROBOT00000000000000000"
ROOMS = ["wrROOM01", "wrROOM02"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
START = 1_700_000_000_000


def chance(rng, p):
    return rng.random() < p


class Packs:
    def __init__(self, rng):
        self.rng = rng
        self.packs = []
        names = rng.sample(["alpha", "beta", "gamma-1", "zeta"], rng.choice([1, 1, 2, 3]))
        for i, name in enumerate(sorted(names)):
            self.packs.append({"pack": name, "title": name, "timezone": "Asia/Shanghai",
                               "fold": "none", "lists": {"price": rng.sample(WORDS, 2),
                                                         "closing": CLOSINGS},
                               "rules": []})
        first = rng.choice(self.packs)
        first["tags"] = {
            "意向": {"values": ["高意向", "低意向", "无意向"], "exclusive": True},
            "标记": {"values": ["甲", "乙", "丙"]},
            "行业": {"values": ["教育", "医疗"], "exclusive": chance(rng, 0.5)},
        }
        for group in first["tags"].values():
            if chance(rng, 0.5):
                group["expires"] = rng.choice(["1h", "1d", "3d", "10d"])
        first["ladders"] = {"life": {"stages": ["兴趣", "资料", "评估", "购买"], "lost": "流失",
                                     "labels": {"兴趣": "etA", "资料": "etB", "流失": "etL"}}}
        if chance(rng, 0.4):
            first["ladders"]["售后"] = {"stages": ["安装", "使用"]}
        self.ladders, self.tags = first["ladders"], first["tags"]
        table = {"教育": WORDS[:2], "医疗": WORDS[2:4]}
        for pack in self.packs:
            pack["lists"]["行业"] = table
            for i in range(rng.randint(2, 5)):
                pack["rules"].append(self.rule(f"r{i}"))

    def tag(self):
        return self.rng.choice([t for g in self.tags.values() for t in g["values"]])

    def stage(self):
        names = [s for x in self.ladders.values() for s in x["stages"]]
        return self.rng.choice(names + ["流失"])

    def condition(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.10:
            return None
        if kind < 0.20:
            return {"all": rng.sample(WORDS, 2)}
        if kind < 0.38:
            return {"near": {"of": rng.sample(WORDS, rng.choice([2, 2, 3])),
                             "messages": rng.randint(1, 4)}}
        if kind < 0.55:
            return {"any": [{"list": "price"}]}
        return {"any": rng.sample(WORDS, rng.randint(1, 3))}

    def effect(self, kind):
        rng = self.rng
        if kind == "tag":
            e = {"tag": self.tag()}
            if chance(rng, 0.3):
                e["expires"] = rng.choice(["2h", "2d", "8d"])
            return e
        if kind == "untag":
            return {"untag": self.tag()}
        if kind == "stage":
            e = {"stage": self.stage()}
            if chance(rng, 0.25):
                e["back"] = True
            return e
        alert = {"severity": rng.choice(["low", "medium", "high", "critical"]), "category": "c"}
        if chance(rng, 0.4):
            alert["group_for"] = rng.choice(["10m", "1h", "2d"])
        return {"alert": alert}

    def effects(self):
        rng, then = self.rng, []
        for kind in rng.choices(["tag", "tag", "untag", "stage", "stage", "alert"],
                                k=rng.randint(1, 4)):
            e = self.effect(kind)
            if kind == "alert" and any("alert" in x for x in then):
                continue
            if kind == "stage" and any("stage" in x and self.ladder(x) == self.ladder(e)
                                       for x in then):
                continue
            then.append(e)
        return then

    def ladder(self, effect):
        return next(n for n, v in self.ladders.items()
                    if effect["stage"] in v["stages"] + [v.get("lost")])

    def rule(self, name):
        rng = self.rng
        r = {"id": name, "title": f"规则{name}"}
        r["from"] = rng.choice(["customer", "customer", "staff", "any"])
        if chance(rng, 0.2):
            r["chat"] = rng.choice([["single"], ["group"], ["single", "group", "internal"]])
        cond = self.condition()
        if cond:
            r["match"] = cond
        elif chance(rng, 0.3):
            r["action"] = "recall"
        if chance(rng, 0.3):
            r["window"] = self.window()
        elif chance(rng, 0.3):
            r["wait"] = {"for": rng.choice(["staff", "customer"]),
                         "over": rng.choice(["10m", "1h", "1d", "9d"])}
            r.pop("chat", None)  # waits are for single chats
            if chance(rng, 0.4):
                r["wait"]["ignore"] = {"list": "closing"}
        if chance(rng, 0.25):
            r["if"] = self.guard()
        if chance(rng, 0.15):
            r["hours"] = rng.choice(["09:00-18:00", "20:00-06:00"])
        if chance(rng, 0.1):
            r["days"] = sorted(rng.sample(DAYS, rng.randint(2, 5)), key=DAYS.index)
            r["_days"] = [DAYS.index(d) for d in r["days"]]
        for key, value, p in (("by", "pair", 0.2), ("keep_on_recall", True, 0.25),
                              ("mode", "shadow", 0.05)):
            if chance(rng, p):
                r[key] = value
        r["then"] = self.effects()
        if chance(rng, 0.12) and "wait" not in r and "near" not in (cond or {}):
            r["match"] = {"any": [{"list": "行业"}]}
            r["then"] = [{"tag_from": "行业"}]
        return r

    def guard(self):
        rng, guard = self.rng, {}
        if chance(rng, 0.5):
            guard["stage"] = [self.stage() for _ in range(rng.randint(1, 2))]
        if chance(rng, 0.4):
            guard["tag"] = [self.tag()]
        if chance(rng, 0.4):
            guard["no_tag"] = [self.tag()]
        return guard or {"no_tag": [self.tag()]}

    def window(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.2:
            w = {"sum": "amount", "at_least": rng.choice([100, 300])}
        else:
            w = {"count": rng.randint(2, 3)}
            if kind < 0.4:
                w["distinct"] = "words"
        if chance(rng, 0.5):
            w["within"] = rng.choice(["1h", "1d", "7d"])
        else:
            w["per"] = rng.choice(["day", "week", "month"])
        return w

    def write(self, folder):
        for pack in self.packs:
            out = dict(pack, rules=[{k: v for k, v in r.items() if not k.startswith("_")}
                                    for r in pack["rules"]])
            (folder / f"{pack['pack']}.yaml").write_text(
                json.dumps(out, ensure_ascii=False, indent=1))


class Conversation:
    """Lines of an archive: messages late and twice, recalls, control and clock records."""

    def __init__(self, rng, packs, count):
        self.rng, self.packs, self.count = rng, packs, count
        self.now = START + rng.randrange(7 * DAY)
        self.lines, self.sent = [], []
        self.corps = ["ww1"] if chance(rng, 0.7) else ["ww1", "ww2"]
        self.customers = CUSTOMERS[:rng.randint(1, 4)]
        self.step = rng.choice([10 * MINUTE, 3 * HOUR, DAY])
        # On a grid times meet: what is equal is neither older nor newer.
        self.grid = rng.choice([1, 1, 10 * MINUTE, HOUR, 12 * HOUR])
        self.now -= self.now % self.grid
        for i in range(count):
            self.now += int(rng.expovariate(1 / self.step)) if chance(rng, 0.9) \
                else rng.randrange(20 * DAY)
            self.now -= self.now % self.grid
            self.lines.append(self.line(i))
            self.use_again()
            if chance(rng, 0.06):
                self.lines.append(rng.choice(self.lines[-12:]))
        if chance(rng, 0.7):
            for corp in self.corps:
                self.lines.append({"corpid": corp, "clock": self.now + rng.choice([DAY, 60 * DAY])})

    def line(self, i):
        rng, corp = self.rng, self.rng.choice(self.corps)
        kind = rng.random()
        if kind < 0.02:
            return {"corpid": corp, "clock": self.now - rng.choice([0, HOUR, 2 * DAY])}
        if kind < 0.06:
            return self.control(i, corp)
        return self.message(i, corp)

    def use_again(self):
        """Gives the last line the id of one that memory has lapsed for, or will soon."""
        rng = self.rng
        kind = "control" if "control" in self.lines[-1] else "message"
        if kind not in self.lines[-1] or not chance(rng, 0.1):
            return
        name, at = ("id", "at") if kind == "control" else ("msgid", "msgtime")
        old = [x[kind] for x in self.lines
               if kind in x and 6 * DAY < self.now - x[kind][at] < 9 * DAY]
        if old:
            self.lines[-1][kind][name] = rng.choice(old)[name]
            if kind == "message":
                self.sent[-1]["msgid"] = self.lines[-1][kind]["msgid"]

    def control(self, i, corp):
        rng = self.rng
        c = {"id": f"order-{i}", "external_userid": rng.choice(self.customers), "by": "orders",
             "at": self.now - rng.choice([0, 0, 5 * MINUTE, 3 * DAY])}
        if chance(rng, 0.12):
            c["erase"] = True
        names = [f"{g}/{t}" for g, v in self.packs.tags.items() for t in v["values"]]
        if chance(rng, 0.6):
            c["add"] = rng.sample(names, rng.randint(1, 2))
        if chance(rng, 0.4):
            c["remove"] = rng.sample(names, 1)
        if chance(rng, 0.5):
            c["ladder"] = rng.choice(list(self.packs.ladders))
            ladder = self.packs.ladders[c["ladder"]]
            c["stage"] = rng.choice(ladder["stages"] + ([ladder["lost"]] if "lost" in ladder else []))
        return {"corpid": corp, "control": c}

    def people(self):
        rng = self.rng
        customer, staff = rng.choice(self.customers), rng.sample(STAFF, rng.randint(1, 2))
        kind = rng.random()
        if kind < 0.7:
            other = next(x for x in CUSTOMERS + [ROBOT] if x != customer and chance(rng, 0.3) or
                         x == ROBOT) if chance(rng, 0.15) else staff[0]
            pair = [customer, other]
            rng.shuffle(pair)
            return pair[0], [pair[1]], ""
        if kind < 0.92:
            members = list(dict.fromkeys([customer, rng.choice(self.customers)] + staff))
            frm = rng.choice(members)
            return frm, [x for x in members if x != frm], rng.choice(ROOMS)
        frm = staff[0]
        return frm, [rng.choice([s for s in STAFF if s != frm])], rng.choice(["", "wrROOM09"])

    def text(self):
        rng, kind = self.rng, self.rng.random()
        if kind < 0.12:
            return "，".join(rng.choices(CLOSINGS, k=rng.randint(1, 2)))
        if kind < 0.25:
            return "你好"
        return "，".join(rng.choices(WORDS + CLOSINGS[:1], k=rng.randint(1, 3)))

    def message(self, i, corp):
        rng = self.rng
        late = rng.choice([0] * 8 + [SECOND, 2 * HOUR, 2 * DAY, 7 * DAY, 9 * DAY])
        frm, tolist, room = self.people()
        m = {"msgid": f"m{i}", "action": "send", "from": frm, "tolist": tolist, "roomid": room,
             "msgtime": max(1, self.now - late)}
        line = {"corpid": corp, "message": m}
        kind = rng.random()
        if kind < 0.12 and self.sent:
            pre = rng.choice(self.sent[-8:])
            m.update(pre["who"] if chance(rng, 0.9) else {})
            m.update({"action": "recall", "msgtype": "revoke", "revoke": {"pre_msgid": pre["msgid"]}})
            line["corpid"] = pre["corp"]
        elif kind < 0.2:
            m.update({"msgtype": "external_redpacket", "redpacket": {
                "type": 1, "wish": self.text(), "totalcnt": 1,
                "totalamount": rng.choice([5000, 10000, 20000])}})
        elif kind < 0.24:
            m.update({"msgtype": "emotion", "emotion": {"type": 1, "width": 1, "height": 1}})
        else:
            m.update({"msgtype": "text", "text": {"content": self.text()}})
        if chance(rng, 0.3):
            line["recv_ts"] = self.now + rng.choice([0, SECOND, HOUR])
        elif chance(rng, 0.03):
            line["recv_ts"], m["msgtime"] = self.now, self.now + 30 * DAY
        self.sent.append({"msgid": m["msgid"], "corp": corp,
                          "who": {"from": frm, "tolist": tolist, "roomid": room}})
        return line
