#!/usr/bin/python3
# check.py - the oracle: what words stand where in an archive, by pyahocorasick; and who agrees.
# SPDX-License-Identifier: Apache-2.0
#
#   check.py oracle ARCHIVE WORDS ORACLE            writes what must be found
#   check.py topic BROKERS TOPIC ORACLE [--ours]    compares events on a topic
#   check.py file EVENTS ORACLE [--ours]            compares events in a file, one a line
#
# Runs in the virtual environment of the Python peer. An event tells where words stand in a message:
# the multiset of (msgid, start, end, word) must be the oracle's. Multisets of millions are compared
# by sums: each hit is hashed to 64 bits and added to one of 4,096 sums, chosen by its message. Two
# multisets that differ have equal sums with a chance of 2^-64. --ours: chatmill folds the text too,
# so that it finds more; hits that folding made are named as such and left out of the comparison.
import hashlib
import json
import sys

BUCKETS = 4096
MASK = (1 << 64) - 1


class Sums:
    def __init__(self):
        self.sums, self.hits, self.messages = [0] * BUCKETS, 0, 0

    def add(self, msgid, places):
        """places: (start, end, word) of one message."""
        if not places:
            return
        total = 0
        for start, end, word in places:
            told = f"{msgid}\0{start}\0{end}\0{word}".encode()
            total += int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little")
        at = int.from_bytes(hashlib.blake2b(msgid.encode(), digest_size=2).digest(), "little") % BUCKETS
        self.sums[at] = (self.sums[at] + total) & MASK
        self.hits += len(places)
        self.messages += 1


def oracle(archive, words_file, out):
    import ahocorasick
    import orjson
    with open(words_file, encoding="utf-8") as f:
        words = [w for w in f.read().split("\n") if w and w[0] != "#"]
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, (len(word), len(word.encode()), word))
    automaton.make_automaton()
    sums, count = Sums(), 0
    with open(archive, "rb") as f:
        for line in f:
            count += 1
            m = orjson.loads(line)["message"]
            text = m["text"]["content"]
            places = []
            for end, (chars, size, word) in automaton.iter(text):
                start = len(text[:end - chars + 1].encode())
                places.append((start, start + size, word))
            sums.add(m["msgid"], places)
    with open(out, "w") as f:
        json.dump({"sums": sums.sums, "hits": sums.hits, "messages": sums.messages, "count": count}, f)


def take(sums, data, ours):
    if data.get("truncated"):
        sys.exit(f"{data['msgid']}: more hits than an event lists: choose shorter messages")
    sums.add(data["msgid"], [(e["start"], e["end"], e["word"]) for e in data["evidence"]
                             if not (ours and e["folds"])])


def values_of_topic(brokers, topic):
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "check", "enable.auto.commit": False,
                         "isolation.level": "read_committed", "enable.partition.eof": True,
                         "fetch.wait.max.ms": 20})
    waiting = set(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, p, 0) for p in waiting])
    while waiting:
        for m in consumer.consume(5000, 1.0):
            if m.error() is None:
                yield m.value()
            elif m.error().code() == KafkaError._PARTITION_EOF:
                waiting.discard(m.partition())
            else:
                sys.exit(f"{topic}: {m.error()}")
    consumer.close()


def values_of_file(path):
    with open(path, "rb") as f:
        yield from f


def compare(values, oracle_file, ours):
    import orjson
    with open(oracle_file) as f:
        want = json.load(f)
    sums = Sums()
    for value in values:
        event = orjson.loads(value)
        take(sums, event.get("data", event), ours)
    different = sum(a != b for a, b in zip(sums.sums, want["sums"]))
    if different:
        sys.exit(f"differs from the oracle in {different} of {BUCKETS} parts: {sums.hits} hits in "
                 f"{sums.messages} messages, {want['hits']} in {want['messages']} are right")


def main(argv):
    ours = "--ours" in argv
    argv = [a for a in argv if a != "--ours"]
    if argv[:1] == ["oracle"] and len(argv) == 4:
        oracle(*argv[1:])
    elif argv[:1] == ["topic"] and len(argv) == 4:
        compare(values_of_topic(argv[1], argv[2]), argv[3], ours)
    elif argv[:1] == ["file"] and len(argv) == 3:
        compare(values_of_file(argv[1]), argv[2], ours)
    else:
        sys.exit("usage: check.py oracle ARCHIVE WORDS OUT | topic BROKERS TOPIC ORACLE [--ours] | "
                 "file EVENTS ORACLE [--ours]")


if __name__ == "__main__":
    main(sys.argv[1:])
