# load.py - what the tests of `chatmill run` share: rules, messages that hit them, and how they come in.
# SPDX-License-Identifier: Apache-2.0
import os
import random
import threading

from support import audit, make_sample

LAST = 100  # records that a feeder holds back, to give one a second
RULES = """\
pack: audit
title: audit
tags:
  intent: {values: [high, low], exclusive: true}
  topic: {values: [price, delivery, money]}
ladders:
  life:
    stages: [asked, looked, bought, again]
    lost: gone
rules:
  - id: price
    match: [多少钱, 报价]
    then: [{tag: high}, {tag: price}, {stage: asked}]
  - id: dear
    match: [太贵了]
    then: [{tag: low}, {stage: looked}]
  - id: bought
    match: [付款]
    then: [{tag: high}, {stage: bought}]
  - id: again
    match: [续费]
    then: [{stage: again}]
  - id: back
    match: [退货]
    then: [{stage: asked, back: true}, {untag: price}]
  - id: gone
    match: [别再发]
    then: [{stage: gone}, {untag: high}]
  - id: delivery
    match: [发货]
    then: [{tag: delivery}]
  - id: kickback
    from: staff
    match: [回扣]
    then: [{tag: money}, {alert: {severity: high, category: kickback}}]
"""
WORDS = ["多少钱", "报价", "太贵了", "付款", "续费", "退货", "别再发", "发货", "回扣"]


def seed_of_today():
    return int(os.environ.get("CHATMILL_SEED") or random.SystemRandom().randrange(1 << 30))


def write_input(folder, count, seed):
    """The rows: some hit, some are sent twice, some recalled, some dead."""
    stream = make_sample.Stream(seed=seed, customers=max(200, count // 100), hit_rate=0.4, words=WORDS,
                                duplicates=0.02, recalls=0.02, mean_bytes=240)
    rows = list(stream.rows(count))
    rng = random.Random(seed)
    dead = [r for e, r in make_sample.dead_records(stream.customers[0]) if e not in ("no_corp", "too_big")]
    for raw in dead:
        rows.insert(rng.randrange(len(rows)), raw)
    path = folder / "input.jsonl"
    path.write_bytes(b"".join(r + b"\n" for r in rows))
    return rows, path


def records(rows):
    return [dict(key=audit.key(r), value=r, timestamp=make_sample.START_MS) for r in rows]


class Feeder(threading.Thread):
    """Puts records on the archive, `rate` a second at first and ever fewer, so that some are left until
    `fast` is set: then the rest at full speed."""

    def __init__(self, setup, records, rate):
        super().__init__(daemon=True)
        self.setup, self.records, self.rate = setup, records, rate
        self.fast = threading.Event()
        self.failure = None

    def run(self):
        topic = self.setup.topic["archive"]
        try:
            i, count = 0, len(self.records)
            while i < count and not self.fast.is_set():
                chunk = max(1, int(self.rate / 20 * (count - i) / count))
                self.setup.kafka.produce(topic, self.records[i:i + chunk], **{"linger.ms": 0})
                i += chunk
                self.fast.wait(0.05 if count - i > LAST else 1)
            self.setup.kafka.produce(topic, self.records[i:])
        except Exception as e:  # seen by the test, which joins
            self.failure = e


def write_rules(setup, text=RULES, name="rules"):
    folder = setup.folder / name
    folder.mkdir()
    (folder / "rules.yaml").write_text(text)
    return folder


def publish(setup, folder):
    done = setup.publish(folder)
    return done.stdout.decode().strip()


def check(setup, rules, path):
    differences = audit.compare(setup, rules, path, setup.folder)
    assert differences[0].total > 100, "too few events to prove anything"
    assert not any(differences), "\n".join(map(str, differences))
