#!/usr/bin/python3
# make_sample.py - writes archives of WeCom messages: the shipped sample, and any number for tests.
# SPDX-License-Identifier: Apache-2.0
#
#   make_sample.py sample --corpus zh_crosswoz.jsonl.zst -o deploy/sample/archive.jsonl.zst
#   make_sample.py stream --count 200000 --seed 7 --customers 2000 --bytes 300 -o big.jsonl
#
# Both are deterministic: the same arguments give the same bytes.
#
# `sample` wraps the dialogues of CrossWOZ, one JSON object a line with conversation_id, turn, role
# (customer, agent) and text, as messages in the canonical envelope, and adds what the corpus does
# not have: groups, other message types, recalls, sales talk, dead records. What is not from the
# corpus has a msgid that begins with `syn`; a msgid `cw-…` names its dialogue and turn.
#
# `stream` draws its texts from the shipped sample and needs nothing else. Each message stands by
# itself; `--hit-rate` of them hold one of `--words`.
import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
SAMPLE = REPO / "deploy/sample/archive.jsonl.zst"

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
STAFF = ["zhangsan", "lisi", "wangwu", "zhaoliu", "chenjing", "0000726", "liuyang", "sunli"]
CORP = "ww1"
START_MS = 1772413200000  # Monday, 2 March 2026, 09:00 in Shanghai
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

# A customer's way from the first question to the second order: (role, text) by step. Ours.
JOURNEY = [
    [("customer", "这个套餐多少钱？"), ("customer", "你们这个怎么卖"), ("customer", "请问什么价，有优惠吗"),
     ("customer", "多少钱一年啊"), ("customer", "报个价吧")],
    [("customer", "有资料吗，发我看看"), ("customer", "发一份产品介绍给我"), ("customer", "可以发个报价单吗")],
    [("customer", "太贵了"), ("customer", "价格有点高，能便宜点吗"), ("customer", "我再对比一下别家"),
     ("customer", "这个太贵了，我考虑一下")],
    [("customer", "可以先试用吗"), ("customer", "给我开个试用账号吧"), ("customer", "想先体验一下")],
    [("customer", "我下单了，怎么付款"), ("customer", "已付款，请查收"), ("customer", "合同发我，今天就签")],
    [("customer", "发货没"), ("customer", "什么时候发货"), ("customer", "物流到哪里了")],
    [("customer", "还要再买一套"), ("customer", "我们要续费"), ("customer", "上次那个再来两份")],
]
ANSWERS = ["您好，马上为您查询", "好的，稍等", "收到，我这边帮您确认一下", "标准版 9800 元一年，专业版 19800 元",
           "给您申请了九折", "已经安排了，明天发出", "感谢您的支持", "有问题随时联系我"]
LOST = ["不需要了，谢谢", "我们已经买了别家的", "别再发了"]
COMPLAINTS = ["我要投诉你们", "再不处理我就投诉了", "东西坏了，我要退款", "差评，退钱"]
BREACHES = ["这个优惠不走公司，加我微信 vx13800138000", "您加我微信吧，私下给您便宜", "这单给您回扣，不要跟别人说",
            "钱直接转我个人账户就行", "保证收益，绝对不亏", "回扣的事我们见面聊", "把客户名单发我一份"]
TRADITIONAL = ["請問這個多少錢？", "太貴了", "發貨沒"]
DISGUISED = ["多 少 钱", "多少钱都不要，别发了", "ＶＸ 多少"]


class Ids:
    def __init__(self, rng):
        self.rng = rng

    def text(self, prefix, length):
        return prefix + "".join(self.rng.choice(BASE62) for _ in range(length - len(prefix)))

    def customer(self):
        return self.text("wm" if self.rng.random() < 0.93 else "wo", 32)

    def room(self):
        return self.text("wr", 32)


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def body(kind, **fields):
    return {"msgtype": kind, kind: fields}


def text_body(text):
    return body("text", content=text)


def mixed_body(text):
    return body("mixed", item=[{"type": "text", "content": dump({"content": text})},
                               {"type": "image", "content": dump({"md5sum": "0" * 32, "filesize": 2048,
                                                                  "sdkfileid": "x"})}])


def wordless_body(rng):
    return rng.choice([
        body("image", md5sum="0" * 32, filesize=4096, sdkfileid="x"),
        body("voice", md5sum="0" * 32, voice_size=900, play_length=4, sdkfileid="x"),
        body("emotion", type=1, width=240, height=240, imagesize=900, md5sum="0" * 32, sdkfileid="x"),
        body("location", longitude=116.397, latitude=39.908, address="北京市东城区", title="天安门", zoom=15),
    ])


class Archive:
    """Collects messages and puts them in the order in which an archive would have received them."""

    def __init__(self, rng):
        self.rng, self.lines = rng, []

    def add(self, at_ms, message, delay_ms=None, raw=None):
        received = at_ms + (delay_ms or self.rng.randrange(200, 3000))
        self.lines.append((received, len(self.lines), message, raw))

    def say(self, msgid, at_ms, sender, tolist, room, content, delay_ms=None):
        self.add(at_ms, {"msgid": msgid, "action": "send", "from": sender, "tolist": tolist,
                         "roomid": room, "msgtime": at_ms, **content}, delay_ms)

    def recall(self, msgid, at_ms, sender, tolist, room, what):
        self.add(at_ms, {"msgid": msgid, "action": "recall", "from": sender, "tolist": tolist,
                         "roomid": room, "msgtime": at_ms, **body("revoke", pre_msgid=what)})

    def rows(self):
        seq = 0
        for received, _, message, raw in sorted(self.lines, key=lambda row: row[:2]):
            if raw is not None:
                yield raw
                continue
            seq += 1
            yield dump({"corpid": CORP, "seq": seq, "msgid": message["msgid"], "publickey_ver": 1,
                        "recv_ts": received, "message": message}).encode()


def believable_time(rng):
    """Some moment in six weeks, mostly working hours."""
    day = rng.randrange(42)
    if day % 7 >= 5 and rng.random() < 0.6:
        day = day // 7 * 7 + rng.randrange(5)
    hour = rng.triangular(0, 10, 3) if rng.random() < 0.95 else rng.uniform(10, 14)
    return START_MS + day * DAY + int(hour * HOUR)


class People:
    def __init__(self, rng, ids):
        self.rng = rng
        self.customers = [ids.customer() for _ in range(640)]
        self.keeper = {c: rng.choice(STAFF) for c in self.customers}
        # A room: two customers and one or two staff, so that subjects differ inside a room.
        self.rooms = [(ids.room(), rng.sample(self.customers, 2), rng.sample(STAFF, rng.randint(1, 2)))
                      for _ in range(30)]

    def chat(self, in_room):
        """(room, customer, staff, everybody)"""
        if in_room:
            room, customers, staff = self.rng.choice(self.rooms)
            return room, self.rng.choice(customers), self.rng.choice(staff), customers + staff
        customer = self.rng.choice(self.customers)
        return "", customer, self.keeper[customer], [customer, self.keeper[customer]]


def real_dialogues(archive, rng, people, dialogues):
    for name, turns in dialogues.items():
        room, customer, staff, everybody = people.chat(rng.random() < 0.08)
        at = believable_time(rng)
        for turn, role, text in turns:
            at += rng.randrange(4_000, 90_000)
            sender = customer if role == "customer" else staff
            others = [x for x in everybody if x != sender]
            msgid = f"cw-{name}-{turn}_{at}_external"
            late = 2 * HOUR + rng.randrange(HOUR) if rng.random() < 0.001 else None
            content = mixed_body(text) if rng.random() < 0.02 else text_body(text)
            archive.say(msgid, at, sender, others, room, content, late)
            if rng.random() < 0.004:
                archive.recall(f"syn-recall-{name}-{turn}", at + rng.randrange(3_000, 100_000), sender,
                               others, room, msgid)
            if rng.random() < 0.015:
                at += 5_000
                archive.say(f"syn-w-{name}-{turn}_{at}_external", at, sender, others, room,
                            wordless_body(rng))
            if role == "agent" and rng.random() < 0.01:
                at += 7_000
                archive.say(f"syn-l-{name}-{turn}_{at}_external", at, sender, others, room,
                            body("link", title="春季新品目录", description="点击查看全部产品和价格",
                                 link_url="https://example.com/catalogue", image_url=""))


def sales_talk(archive, rng, people):
    number = 0

    def say(at, sender, others, room, content):
        nonlocal number
        number += 1
        msgid = f"syn{number}_{at}_external"
        archive.say(msgid, at, sender, others, room, content)
        return msgid

    for i in range(160):
        room, customer, staff, everybody = people.chat(i % 16 == 15)
        at = believable_time(rng)
        others = [x for x in everybody if x != customer]
        staff_others = [x for x in everybody if x != staff]
        # Few come far: about three in four take each next step.
        steps = 1
        while steps < len(JOURNEY) and rng.random() < 0.75:
            steps += 1
        for step in range(steps):
            at += rng.randrange(2 * MINUTE, 30 * HOUR)
            role, text = rng.choice(JOURNEY[step])
            content = mixed_body(text) if rng.random() < 0.1 else text_body(text)
            said = say(at, customer, others, room, content)
            if rng.random() < 0.06:
                archive.recall(f"syn-recall-{said}", at + 20_000, customer, others, room, said)
            at += rng.randrange(20_000, 10 * MINUTE)
            if step == 1:
                say(at, staff, staff_others, room,
                    body("file", md5sum="0" * 32, filename="报价单.xlsx", fileext="xlsx", filesize=10240,
                         sdkfileid="x"))
            say(at + 9_000, staff, staff_others, room, text_body(rng.choice(ANSWERS)))
        if steps < 4 and rng.random() < 0.3:
            say(at + DAY, customer, others, room, text_body(rng.choice(LOST)))

    singles = [(COMPLAINTS, 14, False), (BREACHES, 20, True), (TRADITIONAL, 9, False),
               (DISGUISED, 6, False)]
    for texts, count, by_staff in singles:
        for i in range(count):
            room, customer, staff, everybody = people.chat(i % 7 == 6)
            sender = staff if by_staff else customer
            say(believable_time(rng), sender, [x for x in everybody if x != sender], room,
                text_body(texts[i % len(texts)]))
    for i in range(12):  # among colleagues: no customer, no tag
        a, b = rng.sample(STAFF, 2)
        say(believable_time(rng), a, [b], "", text_body("这个客户问多少钱，你跟一下"))
    for i in range(6):
        at = believable_time(rng)
        archive.add(at, {"msgid": f"syn-switch-{i}", "action": "switch", "time": at,
                         "user": rng.choice(STAFF)})
        customer = rng.choice(people.customers)
        archive.say(f"syn-agree-{i}", at + HOUR, customer, [people.keeper[customer]], "",
                    body("agree", userid=customer, agree_time=at + HOUR))


def dead_records(customer):
    """One of every kind that an archive can hold; (reason as chatmill names it, bytes)."""
    def message(msgid, **changes):
        m = {"msgid": msgid, "action": "send", "from": customer, "tolist": ["zhangsan"], "roomid": "",
             "msgtime": START_MS + DAY, **text_body("这条记录坏了，多少钱")}
        m.update(changes)
        return {k: v for k, v in m.items() if v is not None}

    def envelope(m, **changes):
        e = {"corpid": CORP, "msgid": m.get("msgid"), "publickey_ver": 1, "recv_ts": START_MS + DAY,
             "message": m, **changes}
        return dump({k: v for k, v in e.items() if v is not None}).encode()

    whole = envelope(message("syn-dead-cut"))
    nested = '{"a":' * 1000 + "1" + "}" * 1000
    return [
        ("bad_json", whole[:len(whole) // 2]),
        ("bad_json", whole[:-1]),
        ("bad_json", b"not a record"),
        ("bad_utf8", whole.replace("坏".encode(), b"\xe5\x9d\xff")),
        ("bad_utf8", whole.replace("坏".encode(), b"\xed\xa0\x80")),
        ("too_big", envelope(message("syn-dead-big", text={"content": "哈" * 360_000}))),
        ("too_deep", envelope(message("syn-dead-deep"))[:-1] + b',"x":' + nested.encode() + b"}"),
        ("no_msgid", envelope(message(None))),
        ("no_msgid", envelope(message(""), msgid="")),
        ("no_sender", envelope(message("syn-dead-sender", **{"from": None}))),
        ("no_sender", envelope(message("syn-dead-sender2", **{"from": ""}))),
        ("bad_field", envelope(message("syn-dead-field", text={"content": 12345}))),
        ("bad_field", envelope(message("syn-dead-field2", **{"from": 77}))),
        ("bad_field", envelope(message("syn-dead-field3", msgtime="gestern"))),
        ("no_corp", envelope(message("syn-dead-corp"), corpid=None)),
        ("encrypted", dump({"corpid": CORP, "seq": 1, "msgid": "syn-dead-enc", "publickey_ver": 1,
                            "encrypt_random_key": "eA==", "encrypt_chat_msg": "eA=="}).encode()),
        ("decrypt_failed", dump({"corpid": CORP, "seq": 2, "msgid": "syn-dead-dec", "publickey_ver": 1,
                                 "encrypt_random_key": "eA==", "encrypt_chat_msg": "eA==",
                                 "decrypt_error": "key version"}).encode()),
    ]


def read_lines(path):
    """Lines of a plain or zstd file. The zstd program, so that building the demo needs no module."""
    if str(path).endswith(".zst"):
        done = subprocess.run(["zstd", "-dcq", str(path)], check=True, stdout=subprocess.PIPE)
        return done.stdout.split(b"\n")
    return Path(path).read_bytes().split(b"\n")


def make_sample(corpus, seed):
    rng = random.Random(seed)
    dialogues = {}
    for line in read_lines(corpus):
        if line:
            row = json.loads(line)
            dialogues.setdefault(row["conversation_id"], []).append(
                (row["turn"], row["role"], row["text"]))
    people = People(rng, Ids(rng))
    archive = Archive(rng)
    real_dialogues(archive, rng, people, dialogues)
    sales_talk(archive, rng, people)
    for _, raw in dead_records(people.customers[0]):
        archive.add(believable_time(rng), None, raw=raw)
    for raw in (b"null", b"null"):
        archive.add(believable_time(rng), None, raw=raw)
    yield from archive.rows()


def real_texts():
    """The texts of the shipped sample's real messages, in order."""
    texts = []
    for line in read_lines(SAMPLE):
        if b'"cw-' in line:
            message = json.loads(line)["message"]
            if message["msgtype"] == "text":
                texts.append(message["text"]["content"])
    return texts


class Stream:
    """Any number of messages with a given shape."""

    def __init__(self, seed=1, customers=2000, mean_bytes=300, hit_rate=0.1, words=("多少钱",),
                 duplicates=0.0, recalls=0.0, rooms=0.05, zipf=False, step_ms=40, corp=CORP):
        self.rng = random.Random(seed)
        ids = Ids(self.rng)
        self.customers = [ids.customer() for _ in range(customers)]
        self.rooms = [ids.room() for _ in range(max(1, customers // 50))]
        self.texts = real_texts()
        self.mean_bytes, self.hit_rate, self.words = mean_bytes, hit_rate, list(words)
        self.duplicates, self.recalls, self.room_rate = duplicates, recalls, rooms
        self.weights = [1 / (i + 1) for i in range(customers)] if zipf else None
        self.step_ms, self.corp, self.now, self.seq = step_ms, corp, START_MS, 0

    def _text(self, room_bytes):
        """Real text of about `room_bytes` bytes of UTF-8, with a word now and then."""
        rng = self.rng
        # Half to one and a half times the mean, so that lengths differ and the mean holds.
        want = max(6, int(room_bytes * rng.uniform(0.5, 1.5)) // 3)
        text = rng.choice(self.texts)
        while len(text) < want:
            text += rng.choice(self.texts)
        text = text[:want]
        if rng.random() < self.hit_rate:
            at = rng.randrange(len(text) + 1)
            text = text[:at] + rng.choice(self.words) + text[at:]
        return text

    def _message(self, number):
        rng = self.rng
        customer = (rng.choices(self.customers, self.weights)[0] if self.weights
                    else rng.choice(self.customers))
        index = hash_of(customer)
        staff = STAFF[index % len(STAFF)]
        room, others = "", []
        if rng.random() < self.room_rate:
            room = self.rooms[index % len(self.rooms)]
            others = [self.customers[(index + 1) % len(self.customers)]]
        sender, peer = (customer, staff) if rng.random() < 0.6 else (staff, customer)
        return {"msgid": f"s{number}_{self.now}_external", "action": "send", "from": sender,
                "tolist": [peer] + [x for x in others if x not in (sender, peer)], "roomid": room,
                "msgtime": self.now}

    def rows(self, count):
        # 190 bytes is what a message takes here without its text (measured over 20,000).
        room_bytes = max(18, self.mean_bytes - 190)
        rng, recent = self.rng, []
        for number in range(count):
            self.now += rng.randrange(1, 2 * self.step_ms)
            chance = rng.random()
            if recent and chance < self.duplicates:
                yield rng.choice(recent)[1]
                continue
            message = self._message(number)
            if recent and chance < self.duplicates + self.recalls:
                old = rng.choice(recent)[0]
                message.update({k: old[k] for k in ("from", "tolist", "roomid")}, action="recall",
                               **body("revoke", pre_msgid=old["msgid"]))
            else:
                message.update(text_body(self._text(room_bytes)))
            self.seq += 1
            row = dump({"corpid": self.corp, "seq": self.seq, "msgid": message["msgid"],
                        "publickey_ver": 1, "recv_ts": self.now + 500, "message": message}).encode()
            yield row
            if self.duplicates or self.recalls:
                recent.append((message, row))
                if len(recent) > 500:
                    recent.pop(0)


def hash_of(text):
    """Python's own hash changes with each process."""
    value = 0
    for c in text[-6:]:
        value = value * 31 + ord(c)
    return value


def main(argv):
    parser = argparse.ArgumentParser(description="archives of WeCom messages")
    parser.add_argument("what", choices=["sample", "stream"])
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", help="sample: the dialogues, one JSON object a line")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--bytes", type=int, default=300, help="stream: mean size of a message; its envelope adds about 110")
    parser.add_argument("--hit-rate", type=float, default=0.1)
    parser.add_argument("--words", help="stream: file with one word a line")
    parser.add_argument("--duplicates", type=float, default=0.0)
    parser.add_argument("--recalls", type=float, default=0.0)
    parser.add_argument("--zipf", action="store_true")
    args = parser.parse_args(argv)
    if args.what == "sample":
        rows = make_sample(args.corpus, args.seed)
    else:
        words = ["多少钱"]
        if args.words:
            words = [w for w in Path(args.words).read_text().split("\n") if w and w[0] != "#"]
        rows = Stream(args.seed, args.customers, args.bytes, args.hit_rate, words, args.duplicates,
                      args.recalls, zipf=args.zipf).rows(args.count)
    data = b"".join(row + b"\n" for row in rows)
    if args.output.endswith(".zst"):
        subprocess.run(["zstd", "-19", "-q", "-f", "-o", args.output], input=data, check=True)
    else:
        Path(args.output).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
