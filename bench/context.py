# context.py - what the scenarios share: sizes, inputs made once, oracles, servers, peers.
# SPDX-License-Identifier: Apache-2.0
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import words as words_of  # noqa: E402
from support import make_sample, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402
from support.postgres import Postgres  # noqa: E402

ALERTS = """\
pack: bench
lists: {words: {file: words.txt}}
rules:
  - {id: words, match: {list: words}, from: any, chat: any, quoted: include, emoticons: include,
     then: {alert: {severity: low, category: bench}}}
"""
TAGS = """\
pack: bench
lists: {words: {file: words.txt}}
tags: {talk: {values: [heard]}}
rules:
  - {id: words, match: {list: words}, from: any, chat: any, quoted: include, emoticons: include,
     then: {tag: heard}}
"""


class Bench:
    """One run of the suite: how large and how often, and a folder that goes at the end."""

    def __init__(self, build, mode="full", count=None, rounds=None, peers=("rust", "streams", "python")):
        self.build, self.mode, self.count, self.fixed_rounds = Path(build), mode, count, rounds
        self.wanted_peers = [] if mode == "quick" else list(peers)
        self.folder = proc.private_folder("bench")
        self.numbers = itertools.count()
        self.million = None  # b8.Million, which B8 and B9 share
        self._peers = None
        self._inputs, self._oracles = {}, {}

    # ---- how large, how often

    def size(self, full, table=None, quick=None):
        """--count, or what fits the preset: table for --table (35 minutes in all), quick for --quick."""
        return self.count or {"full": full, "table": table or full, "quick": quick or table or full}[self.mode]

    def rounds(self, full=5, table=3, quick=3):
        return self.fixed_rounds or {"full": full, "table": table, "quick": quick}[self.mode]

    def turns(self, full=5, table=3, quick=3, seconds=60):
        """Counts the rounds. With --table it ends before one that would not fit into the seconds that
        this place may take, after one round at least: the preset must fit on a slower machine too."""
        start, limit = time.monotonic(), self.rounds(full, table, quick)
        for i in range(limit):
            yield i
            took = (time.monotonic() - start) / (i + 1)
            if self.mode == "table" and not self.fixed_rounds and took * (i + 2) > seconds:
                return

    def say(self, text):
        print(text, file=sys.stderr, flush=True)

    def new(self, name):
        """A name nobody has used in this run, and a folder of that name."""
        name = f"{name}{next(self.numbers)}"
        (self.folder / name).mkdir()
        return name, self.folder / name

    # ---- inputs

    def stream(self, **shape):
        return make_sample.Stream(**{"seed": 1, "hit_rate": 0.0, **shape})

    def archive(self, count, **shape):
        """A file of so many messages; the same for the same arguments, made once."""
        key = json.dumps([count, shape], sort_keys=True, default=list)
        if key not in self._inputs:
            path = self.folder / f"archive{next(self.numbers)}.jsonl"
            with open(path, "wb") as f:
                f.writelines(row + b"\n" for row in self.stream(**shape).rows(count))
            self._inputs[key] = path
        return self._inputs[key]

    def own_words(self):
        """The 100 words that come with the benchmark."""
        return [w for w in (HERE / "rules/words.txt").read_text().split("\n") if w and w[0] != "#"]

    def pick(self, count):
        """(words of the dictionaries, where they come from)"""
        return words_of.pick(count, self.stream().texts)

    def rules(self, words, text=ALERTS):
        """A folder with one rule over a list of these words."""
        _, folder = self.new("rules")
        (folder / "words.txt").write_text("\n".join(words) + "\n")
        (folder / "bench.yaml").write_text(text)
        return folder

    # ---- oracle

    def _check(self, *args):
        return subprocess.run([self.peers("python") / "python/bin/python", HERE / "check.py", *map(str, args)],
                              capture_output=True, text=True)

    def oracle(self, archive, words_file):
        """File with what must be found, and the mapping in it."""
        key = (archive, words_file)
        if key not in self._oracles:
            path = self.folder / f"oracle{next(self.numbers)}.json"
            done = self._check("oracle", archive, words_file, path)
            if done.returncode:
                raise SystemExit(f"oracle: {done.stderr}")
            self._oracles[key] = path
        path = self._oracles[key]
        return path, json.loads(path.read_text())

    def agree(self, name, oracle, kafka=None, topic=None, file=None, ours=False):
        """Whether the events on the topic or in the file are the oracle's; says so if not."""
        where = ["topic", kafka.bootstrap, topic] if topic else ["file", file]
        done = self._check(*where, oracle, *(["--ours"] if ours else []))
        if done.returncode:
            self.say(f"{name}: no figure: {done.stderr.strip()[-500:]}")
        return done.returncode == 0

    # ---- what runs

    def tool(self, name):
        return self.build / "bench" / name

    def peers(self, *names):
        """The folder of the peers, built; a peer that could not be built is not in it."""
        if self._peers is None:
            self._peers = {}
        for name in names:
            if name not in self._peers:
                done = subprocess.run([HERE / "peers/build.sh", name], check=True, stdout=subprocess.PIPE)
                self._peers[name] = Path(done.stdout.decode().split("\n")[-2])
        return self._peers[names[0]]

    def has(self, peer):
        """Whether this peer takes part: asked for, and built here."""
        if peer not in self.wanted_peers:
            return False
        place = {"rust": "rust", "streams": "streams/classes", "python": "python/bin/python"}[peer]
        return (self.peers(peer) / place).exists()

    def kafka(self, **properties):
        # All members of a group join at once: the peers, which do the least, would write twice what is
        # in flight while partitions move between them.
        return Cluster(heap="1g", **{"group.initial.rebalance.delay.ms": 1500, **properties}).start()

    def postgres(self):
        return Postgres(fsync="on", shared_buffers="256MB", max_wal_size="4GB").start()
