#!/usr/bin/python3
# gen_messages.py - makes archive records of every type in every envelope at random from a seed.
# SPDX-License-Identifier: Apache-2.0
#
#   tests/support/gen_messages.py --seed 7 --count 1000 > messages.ndjson
#   tests/support/gen_messages.py --seed 7 --count 1000 --expected expected.ndjson > messages.ndjson
#   tests/support/gen_messages.py --types        one record a type x plain, escaped, alias
#
# With --expected it also says, one line a message, what decode must make of them (a batch gives
# several lines). That is an oracle of its own, written from the description of the archive and not
# from src/decode: it walks the finished JSON with Python's parser.
import argparse
import json
import random
import sys

# What a person reads in each body, [] for every element. Item lists are walked in code.
FIELDS = {
    "text": {"content"},
    "image": set(), "voice": set(), "video": set(), "emotion": set(), "voiptext": set(),
    "revoke": set(), "agree": set(), "disagree": set(),
    "file": {"filename"},
    "link": {"title", "description", "link_url"},
    "weapp": {"title", "description", "displayname"},
    "card": {"corpname"},
    "location": {"title", "address"},
    "todo": {"title", "content"},
    "vote": {"votetitle", "voteitem[]"},
    "collect": {"title", "room_name", "details[].ques"},
    "redpacket": {"wish"}, "external_redpacket": {"wish"},
    "meeting": {"topic", "address", "remarks"},
    "meeting_notification": {"content"}, "meeting_control": {"content"},
    "docmsg": {"title"}, "doc": {"title"},
    "markdown": {"content"},
    "news": {"item[].title", "item[].description", "item[].url"},
    "calendar": {"title", "place", "remarks"},
    "meeting_voice_call": {"demofiledata[].filename"},
    "voip_doc_share": {"filename"},
    "sphfeed": {"sph_name", "feed_desc"},
    "qydiskfile": {"filename"},
    "mixed": set(), "chatrecord": {"title"},
}
ALIAS = {"meetingvoicecall": "meeting_voice_call", "voipdocshare": "voip_doc_share",
         "qy_disk_file": "qydiskfile"}
COMMON = {"corp_id", "corpId", "msgid", "action", "from", "tolist", "roomid", "msgtime", "msgtype", "corpid", "seq"}
NOT_READ = ("id", "md5sum", "sum", "key", "url", "ver", "type")
FILES = {"file", "voip_doc_share", "qydiskfile"}
MONEY = {"redpacket", "external_redpacket"}

# ---- the oracle ----


def leaves(value, path, rel):
    """Every string under a value, in order, with its path and the path without indexes."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from leaves(v, f"{path}.{k}" if path else k, f"{rel}.{k}" if rel else k)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from leaves(v, f"{path}[{i}]", rel + "[]")
    elif isinstance(value, str):
        yield path, rel, value


def item_kind(name):
    if name.startswith("ChatRecord") and name != "ChatRecord":
        name = name[len("ChatRecord"):]
    return ALIAS.get(name.lower(), name.lower())


def item_texts(item, path, forwarded):
    content = item.get("content")
    path += ".content"
    if isinstance(content, str):
        try:
            inner = json.loads(content)
        except ValueError:
            inner = None
        if not isinstance(inner, dict):
            if content:
                yield path, content, forwarded
            return
        content = inner
    if content is not None:
        yield from body_texts(item_kind(item.get("type") or ""), content, path, forwarded)


def generic_texts(value, path, key, forwarded):
    if isinstance(value, dict):
        for k, v in value.items():
            if k == "content" and isinstance(v, str) and isinstance(value.get("type"), str):
                yield from item_texts(value, path, forwarded)
            else:
                yield from generic_texts(v, f"{path}.{k}", k, forwarded)
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from generic_texts(v, f"{path}[{i}]", key, forwarded)
    elif isinstance(value, str) and value and not key.lower().endswith(NOT_READ):
        yield path, value, forwarded


def body_texts(kind, body, path, forwarded):
    forwarded = forwarded or kind == "chatrecord"
    if kind not in FIELDS:
        yield from generic_texts(body, path, "", forwarded)
        return
    for key, value in body.items():
        if key == "item" and kind in ("mixed", "chatrecord"):
            for i, item in enumerate(value):
                yield from item_texts(item, f"{path}.item[{i}]", forwarded)
            continue
        for full, rel, text in leaves(value, f"{path}.{key}" if path else key, key):
            if rel in FIELDS[kind] and text:
                yield full, text, forwarded


def role(ident):
    if len(ident) >= 24 and ident[0] in "wW":
        if ident[1] in "mo":
            return "customer"
        if ident[1] == "b":
            return "robot"
    return "staff"


def people(message, out):
    listed = message.get("tolist", [])
    listed = [listed] if isinstance(listed, str) else listed
    everyone = list(dict.fromkeys([message["from"], *listed]))
    customers = [p for p in everyone if role(p) == "customer"]
    staff = [p for p in everyone if role(p) == "staff"]
    room = message.get("roomid") or ""
    out["from_role"] = role(message["from"])
    if not customers:
        out["chat"], out["subject"] = "internal", room or min(everyone, key=str.encode)
    elif not room:
        out["chat"], out["subject"] = "single", customers[0]
        staff = staff[:1]
    else:
        out["chat"] = "group"
        if out["from_role"] == "customer":
            out["subject"] = message["from"]
        elif out["from_role"] == "staff" and len(customers) == 1:
            out["subject"] = customers[0]
        else:
            out["subject"] = room
    out["subject_is_customer"] = out["subject"] in customers
    if listed:
        out["tolist"] = listed
    if staff:
        out["userids"] = staff[:20]
    if room:
        out["roomid"] = room


def expect(message, corpid, msgid, seq, recv):
    """What decode must say of a decrypted message."""
    out = {"kind": "chat", "corpid": corpid, "msgid": message.get("msgid") or msgid, "seq": seq}
    time = int(message.get("msgtime") or message.get("time") or 0)
    time = time * 1000 if time < 10**11 else time
    out["recv"] = recv or time or None
    out["msgtime"] = time or recv or None
    if message.get("action") == "switch":
        out.update(kind="switch", subject=message["user"], texts=[], from_role=role(message["user"]),
                   chat="internal", subject_is_customer=role(message["user"]) == "customer")
        out["from"] = message["user"]
        return out
    kind = message["msgtype"]
    out["msgtype"] = kind
    kind = ALIAS.get(kind, kind)
    out["from"] = message["from"]
    people(message, out)
    bodies = {k: v for k, v in message.items() if k not in COMMON and isinstance(v, dict)}
    texts = []
    if message["action"] == "recall":
        out["kind"], out["pre_msgid"] = "recall", message["revoke"]["pre_msgid"]
    elif kind in ("agree", "disagree"):
        out["kind"] = kind
        out["agree_userid"] = next(iter(bodies.values()))["userid"]
    else:
        for key, body in bodies.items():
            texts += body_texts(kind, body, key, False)
        if kind == "vote" and "votetitle" in message:
            texts += body_texts(kind, {k: message[k] for k in message if k.startswith("vote")}, "", False)
        body = next(iter(bodies.values()), {})
        if kind in MONEY:
            out["amount_fen"] = int(body["totalamount"])
        if kind in FILES:
            name = body["filename"]
            ext = (body.get("fileext") or (name.rsplit(".", 1)[1] if "." in name else "")).lower()
            if ext:
                out["fileext"] = ext
    out["texts"] = [{"path": p, "content": c, **({"forwarded": True} if f else {})} for p, c, f in texts]
    return out


# ---- the generator ----

WORDS = ["这个套餐多少钱", "报价单", "好的，谢谢", "see you", "加我薇❤", "繁體字", "ＶＸ", "😀", "a/b", "\"quoted\"",
         "C:\\new", "一行\n二行", "tab\there", "\u0001", "微 信", "", "……", "\U00020000", "é", "100%"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.n = 0

    def words(self):
        return "".join(self.r.choice(WORDS) for _ in range(self.r.randrange(1, 5)))

    def customer(self):
        first = self.r.choice(["wm", "wo", "Wm", "Wo"])
        return f"{first}CUSTOMER{self.r.randrange(40):022d}"

    def staff(self):
        return self.r.choice(["zhangsan", "lisi", "0000726", "12345678901", "wangwu", "wm-short", "wrong"])

    def blob(self):
        return {"sdkfileid": self.words(), "md5sum": "0" * 32, "filesize": self.r.randrange(10**6)}

    def item(self, prefix, depth):
        kind = self.r.choice(["text", "image", "link", "file", "emotion", "location", "video", "strange"]
                             + (["chatrecord", "mixed"] if depth < 4 else []))
        body = self.body(kind, depth + 1)
        content = body if self.r.random() < 0.1 else json.dumps(body, ensure_ascii=self.r.random() < 0.3)
        if self.r.random() < 0.05:
            content = self.words()
        name = prefix + kind.capitalize() if prefix and kind != "chatrecord" else kind
        item = {"type": name, "content": content}
        if prefix:
            item.update(msgtime=self.r.choice([1699999999, 1699999999000]), from_chatroom=True)
        return self.shuffled(item)

    def shuffled(self, obj):
        if self.r.random() < 0.5:
            return obj
        keys = list(obj)
        self.r.shuffle(keys)
        return {k: obj[k] for k in keys}

    def body(self, kind, depth=0):
        w, r = self.words, self.r
        make = {
            "text": lambda: {"content": w()},
            "image": self.blob,
            "voice": lambda: {**self.blob(), "voice_size": 1, "play_length": 9},
            "video": lambda: {**self.blob(), "play_length": 9},
            "emotion": lambda: {**self.blob(), "type": 1, "width": 1, "height": 1, "imagesize": 1},
            "file": lambda: {**self.blob(), "filename": w() + ".Xlsx", "fileext": r.choice(["xlsx", "PDF", ""])},
            "link": lambda: {"title": w(), "description": w(), "link_url": "https://e.example/" + w(),
                             "image_url": w()},
            "weapp": lambda: {"title": w(), "description": w(), "username": "x@app", "displayname": w()},
            "card": lambda: {"corpname": w(), "userid": w()},
            "location": lambda: {"longitude": 116.5, "latitude": -39.25e0, "address": w(), "title": w(), "zoom": 15},
            "todo": lambda: {"title": w(), "content": w()},
            "vote": lambda: {"votetitle": w(), "voteitem": [w() for _ in range(3)], "votetype": 101, "voteid": w()},
            "collect": lambda: {"room_name": w(), "creator": w(), "create_time": "2020-01-01 00:00:00", "title": w(),
                                "details": [{"id": i, "ques": w(), "type": "Text"} for i in range(2)]},
            "redpacket": lambda: {"type": 1, "wish": w(), "totalcnt": 1, "totalamount": r.randrange(10**6)},
            "meeting": lambda: {"topic": w(), "starttime": 1700003600, "endtime": 1700007200, "address": w(),
                                "remarks": w(), "meetingtype": 101, "meetingid": 2**63 + r.randrange(2**63),
                                "status": 1},
            "meeting_notification": lambda: {"content": w(), "meeting_id": 1, "notification_type": 1},
            "docmsg": lambda: {"title": w(), "link_url": w(), "doc_creator": w()},
            "markdown": lambda: {"content": w()},
            "news": lambda: {"item": [{"title": w(), "description": w(), "url": w(), "picurl": w()}
                                      for _ in range(r.randrange(3))]},
            "calendar": lambda: {"title": w(), "creatorname": w(), "attendeename": [w()], "starttime": 1,
                                 "endtime": 2, "place": w(), "remarks": w()},
            "mixed": lambda: {"item": [self.item("", depth) for _ in range(r.randrange(4))]},
            "chatrecord": lambda: {"title": w(), "item": [self.item("ChatRecord", depth)
                                                          for _ in range(r.randrange(4))]},
            "meeting_voice_call": lambda: {"endtime": 1, "sdkfileid": w(), "demofiledata":
                                           [{"filename": w(), "demooperator": w(), "starttime": 1, "endtime": 2}],
                                           "sharescreendata": [{"share": w(), "starttime": 1, "endtime": 2}]},
            "voip_doc_share": lambda: {**self.blob(), "filename": w() + ".PPT"},
            "sphfeed": lambda: {"feed_type": r.choice([2, "4"]), "sph_name": w(), "feed_desc": w()},
            "voiptext": lambda: {"callduration": 9, "invitetype": 2},
            "qydiskfile": lambda: {"filename": w() + ".doc"},
            "revoke": lambda: {"pre_msgid": f"p{r.randrange(1000)}"},
            "agree": lambda: {"userid": self.customer(), "agree_time": 1700000000000},
            "disagree": lambda: {"userid": self.customer(), "disagree_time": 1700000000000},
            "solitaire": lambda: {"theme": w(), "title": w(), "sheetid": w(), "content": [{"text": w(), "key": w()}]},
            "note": lambda: {"items": [{"type": "text", "content": json.dumps({"content": w()})},
                                       {"type": "strange", "content": w() or "x"}]},
            "strange": lambda: {"headline": w(), "fileId": w(), "deep": {"er": [w(), {"line": w(), "picurl": w()}]}},
        }
        return self.shuffled(make[kind]())

    # msgtype, body key, and further spellings of both
    TYPES = [
        *[(t, t, ()) for t in ("text image voice video emotion file link weapp card location todo vote collect "
                               "redpacket meeting calendar mixed chatrecord sphfeed solitaire agree disagree "
                               "revoke strange").split()],
        ("external_redpacket", "redpacket", (("external_redpacket", "external_redpacket"),)),
        ("meeting_notification", "info", (("meeting_control", "info"),)),
        ("docmsg", "doc", (("doc", "doc"),)),
        ("markdown", "info", (("markdown", "markdown"),)),
        ("news", "info", (("news", "news"),)),
        ("meeting_voice_call", "meeting_voice_call", (("meetingvoicecall", "meetingvoicecall"),)),
        ("voip_doc_share", "voip_doc_share", (("voipdocshare", "voipdocshare"),)),
        ("voiptext", "info", (("voiptext", "voiptext"),)),
        ("qydiskfile", "info", (("qy_disk_file", "info"),)),
        ("note", "info", (("note", "note"),)),
        ("disagree", "agree", ()),
    ]

    def message(self, row=None, alias=False):
        """One decrypted message; `alias` takes another spelling if there is one."""
        r = self.r
        self.n += 1
        msgid = f"m{self.n}" + r.choice(["", "_external", "_updown_stream"])
        if row is None and r.random() < 0.03:
            return {"msgid": msgid, "action": "switch", "time": 1700000000000 + self.n, "user": self.staff()}
        kind, key, spellings = row or r.choice(self.TYPES)
        body = self.body({"external_redpacket": "redpacket"}.get(kind, kind))
        if kind == "disagree" and key == "agree":
            body = self.body("agree")
        if alias and spellings:
            kind, key = r.choice(spellings)
        room = r.choice(["", "", f"wrROOM{r.randrange(9)}"])
        people = [r.choice([self.staff, self.customer])() for _ in range(r.randrange(1, 6) if room else 1)]
        message = {"msgid": msgid, "action": "recall" if kind == "revoke" else "send",
                   "from": r.choice([self.staff, self.customer])(), "tolist": people,
                   "roomid": room, "msgtime": r.choice([1700000000000, 1700000000]) + self.n,
                   "msgtype": kind, key: body}
        if kind == "vote" and r.random() < 0.3:
            message.update(message.pop("vote"))
        if kind == "meeting_voice_call":
            message["voiceid"] = self.words()
        if not room and r.random() < 0.5:
            del message["roomid"]
        return self.shuffled(message)

    ENVELOPES = ["canonical", "E1", "E2", "E3", "E4", "E5", "E6", "E7", "E8", "E8ok"]

    def record(self, envelope=None):
        """A record and what must come of it: a list of expectations."""
        r = self.r
        envelope = envelope or r.choice(self.ENVELOPES)
        m = self.message(alias=r.random() < 0.3)
        seq, recv = r.choice([81, 2**64 - 1, 7]), 1700000000456
        outer = {"seq": seq, "msgid": m["msgid"], "publickey_ver": 1}
        corp = r.choice(["corpid", "corp_id", "corpId"])
        encrypted = {"encrypt_random_key": "a" * 8, "encrypt_chat_msg": "b" * 8}
        if envelope == "canonical":
            record = {corp: "ww1", **outer, "recv_ts": recv, "message": m}
            return self.shuffled(record), [expect(m, "ww1", None, seq, recv)]
        if envelope == "E1":
            flat = self.shuffled({**m, "seq": seq, corp: "ww1"})
            return flat, [expect(flat, "ww1", None, seq, None)]
        if envelope == "E2":
            return m, [expect(m, "wwDEFAULT", None, 0, None)]
        if envelope == "E3":
            if r.random() < 0.3:
                return {**outer, "decrypted_data": "", "decrypt_failed_reason": "no key",
                        "encrypted_data": "x"}, [{"error": "decrypt_failed"}]
            text = json.dumps(m, ensure_ascii=r.random() < 0.5)
            record = {**outer, corp: "ww3", "decrypted_data": text, "decrypt_failed_reason": "",
                      "encrypted_data": "x"}
            return self.shuffled(record), [expect(m, "ww3", None, seq, None)]
        if envelope == "E4":
            record = {**outer, r.choice(["message", "msg"]): m}
            return self.shuffled(record), [expect(m, "wwDEFAULT", None, seq, None)]
        if envelope == "E5":
            many = [self.message() for _ in range(r.randrange(4))]
            items = [{"seq": seq, "msgid": x["msgid"], "publickey_ver": 1, "msg": x} for x in many]
            record = {"errcode": 0, "errmsg": "ok", "corpid": "ww5", "chatdata": items}
            return self.shuffled(record), [expect(x, "ww5", None, seq, None) for x in many]
        if envelope == "E6":
            pushed = dict(m)
            for key in ("msgtime", "time"):
                if key in pushed:
                    pushed[key] = str(pushed[key])
            if len(pushed.get("tolist", [])) == 1:
                pushed["tolist"] = pushed["tolist"][0]
            for key in ("image", "file", "mixed"):
                pushed.setdefault(key, None)
            pushed.update(is_grp="0", is_rb="0")
            record = {"message_id": "push1", "type": 101, "content": json.dumps(pushed, ensure_ascii=False)}
            return record, [expect(pushed, "wwDEFAULT", "push1", 0, None)]
        if envelope == "E7":
            return {**outer, **encrypted}, [{"error": "encrypted"}]
        if envelope == "E8":
            return {**outer, **encrypted, "decrypt_error": "10007"}, [{"error": "decrypt_failed"}]
        return ({**outer, **encrypted, "decrypted": m, "decrypt_error": ""},
                [expect(m, "wwDEFAULT", None, seq, None)])


def dump(record, style):
    """The same JSON in several spellings: as UTF-8, escaped, with escaped slashes and blanks."""
    text = json.dumps(record, ensure_ascii=style != "plain", separators=(",", ":"))
    if style == "blanks":
        text = json.dumps(record, ensure_ascii=False, separators=(" , ", " :\t"))
    return text.replace("/", "\\/") if style == "escaped" else text


def all_types(seed):
    maker = Maker(seed)
    for row in Maker.TYPES:
        for variant in ("plain", "escaped", "alias"):
            if variant == "alias" and not row[2]:
                continue
            m = maker.message(row, alias=variant == "alias")
            record = {"corpid": "ww1", "seq": maker.n, "recv_ts": 1700000000456, "message": m}
            yield dump(record, variant), [expect(m, "ww1", None, maker.n, 1700000000456)]
    for envelope in Maker.ENVELOPES:
        record, expected = maker.record(envelope)
        yield dump(record, "plain"), expected


def main():
    p = argparse.ArgumentParser(description="archive records of every type and envelope")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=1000)
    p.add_argument("--types", action="store_true", help="each type plain, escaped and as an alias")
    p.add_argument("--expected", help="file for what decode must say")
    args = p.parse_args()
    maker = Maker(args.seed)
    pairs = all_types(args.seed) if args.types else (
        (dump(record, maker.r.choice(["plain", "escaped", "blanks"])), expected)
        for record, expected in (maker.record() for _ in range(args.count)))
    with open(args.expected or "/dev/null", "w", encoding="utf-8") as out:
        for line, expected in pairs:
            sys.stdout.write(line + "\n")
            for e in expected:
                out.write(json.dumps(e, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
