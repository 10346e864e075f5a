# words.py - lists of words for the benchmarks: from the dictionaries when they are there.
# SPDX-License-Identifier: Apache-2.0
#
# Dictionaries (README.md names them) are in the folder dictionaries/ of BENCH_DATA, else of ../shared/data
# beside the repository.
# Only Chinese words of 2 to 8 characters that folding leaves alone, so that peers, who do not fold,
# look for the same.
import functools
import os
import random
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
DICTIONARIES = Path(os.environ.get("BENCH_DATA") or REPO.parent / "shared/data") / "dictionaries"


def _is_plain(word):
    return 2 <= len(word) <= 8 and all("一" <= c <= "鿿" for c in word)


def _dictionary():
    for path in sorted(DICTIONARIES.iterdir()):
        text = (subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
                if path.suffix == ".zst" else path.read_bytes()).decode()
        yield from (line.split()[0].strip() for line in text.split("\n") if line.strip())


def _simplified(words):
    """Those that traditional -> simplified leaves as they are, by OpenCC."""
    text = "\n".join(words)
    done = subprocess.run(["opencc", "-c", "t2s"], input=text.encode(), check=True, capture_output=True)
    return [w for w, s in zip(words, done.stdout.decode().split("\n")) if w == s]


def _grams(texts):
    """Without dictionaries: pieces of the sample's own text, frequent and rare as they come."""
    found = set()
    for text in texts:
        for n in (2, 3, 4):
            for i in range(len(text) - n + 1):
                gram = text[i:i + n]
                if _is_plain(gram):
                    found.add(gram)
    return sorted(found)


@functools.lru_cache(maxsize=1)
def _all(texts):
    if DICTIONARIES.is_dir():
        words, source = sorted(set(filter(_is_plain, _dictionary()))), "THUOCL and jieba"
    else:
        words, source = _grams(texts), "pieces of the sample (no ../shared/data here)"
    return _simplified(words), source


def pick(count, texts, seed=1):
    """(words, where they come from); the same for the same arguments."""
    words, source = _all(tuple(texts))
    if len(words) < count:
        raise SystemExit(f"only {len(words)} words to be had, {count} wanted")
    return sorted(random.Random(seed).sample(words, count)), source
