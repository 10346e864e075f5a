#!/usr/bin/python3
# peer.py - the Python peer: confluent-kafka, orjson and pyahocorasick; exactly once.
# SPDX-License-Identifier: Apache-2.0
#
# Usage: peer.py BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS
#        peer.py file ARCHIVE WORDS          events of a file on standard output (B3)
#        peer.py match TEXTS WORDS ROUNDS    matching alone: {"hits": …, "us": [… a round]} (B1)
# One process a worker, because of the interpreter's lock. Does the least that answers the question
# (bench/peers/README.md): no folding, no state, no headers.
import multiprocessing
import signal
import sys
import time

import ahocorasick
import orjson
from confluent_kafka import Consumer, Producer, TopicPartition


def event(value, automaton):
    try:
        envelope = orjson.loads(value)
        message = envelope["message"]
        content = message["text"]["content"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    found = [(end - len(word) + 1, end + 1, word) for end, word in automaton.iter(content)]
    if not found:
        return None
    sender = message["from"]
    customer = sender if sender.startswith(("wm", "wo")) else message["tolist"][0]
    evidence = [{"field": "text.content", "start": len(content[:start].encode()),
                 "end": len(content[:end].encode()), "word": word} for start, end, word in found]
    key = f"{envelope['corpid']}/{customer}"
    return key, orjson.dumps({"corpid": envelope["corpid"], "external_userid": customer,
                              "msgid": message["msgid"], "msgtime": message["msgtime"],
                              "evidence": evidence})


def automaton_of(words):
    automaton = ahocorasick.Automaton()
    for word in words:
        automaton.add_word(word, word)
    automaton.make_automaton()
    return automaton


def read_file(archive, words):
    automaton, write = automaton_of(words), sys.stdout.buffer.write
    with open(archive, "rb") as f:
        for line in f:
            made = event(line, automaton)
            if made:
                write(made[1] + b"\n")


def match(texts, words, rounds):
    automaton = automaton_of(words)
    with open(texts, encoding="utf-8") as f:
        lines = [line for line in f.read().split("\n") if line]
    took = []
    for _ in range(rounds):
        start, hits = time.process_time(), 0
        for line in lines:
            for _ in automaton.iter(line):
                hits += 1
        took.append((time.process_time() - start) * 1e6)
    print(orjson.dumps({"texts": len(lines), "hits": hits, "us": took}).decode())


def work(brokers, topic, out, group, number, commit_s, words):
    automaton = automaton_of(words)
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False,
                         "isolation.level": "read_committed", "auto.offset.reset": "earliest"})
    producer = Producer({"bootstrap.servers": brokers, "transactional.id": f"{group}-{number}",
                         "linger.ms": 1000, "compression.type": "zstd", "compression.level": 1,
                         "queue.buffering.max.messages": 1000000})
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    consumer.subscribe([topic])
    producer.init_transactions()
    while not stop:
        deadline = time.monotonic() + commit_s
        records, offsets = [], {}
        while not stop and time.monotonic() < deadline:
            for record in consumer.consume(500, 0.02):
                if not records:
                    producer.begin_transaction()
                    records.append(1)
                offsets[record.partition()] = record.offset() + 1
                made = event(record.value(), automaton)
                if made:
                    producer.produce(out, made[1], made[0])
            producer.poll(0)
        if records:
            producer.send_offsets_to_transaction(
                [TopicPartition(topic, p, o) for p, o in offsets.items()], consumer.consumer_group_metadata())
            producer.commit_transaction()
    consumer.close()


def read_words(path):
    with open(path, encoding="utf-8") as f:
        return [w for w in f.read().split("\n") if w and w[0] != "#"]


def main(argv):
    if argv[:1] == ["file"] and len(argv) == 3:
        return read_file(argv[1], read_words(argv[2]))
    if argv[:1] == ["match"] and len(argv) == 4:
        return match(argv[1], read_words(argv[2]), int(argv[3]))
    if len(argv) != 7:
        sys.exit("usage: peer.py BROKERS TOPIC OUT GROUP WORKERS COMMIT_MS WORDS | file ARCHIVE WORDS | "
                 "match TEXTS WORDS ROUNDS")
    brokers, topic, out, group, workers, commit_ms, path = argv
    words = read_words(path)
    children = [multiprocessing.Process(
        target=work, args=(brokers, topic, out, group, i, int(commit_ms) / 1000, words), daemon=True)
        for i in range(int(workers))]
    for c in children:
        c.start()
    signal.signal(signal.SIGTERM, lambda *_: [c.terminate() for c in children])
    for c in children:
        c.join()
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
