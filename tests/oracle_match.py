#!/usr/bin/python3
# oracle_match.py - folding and matching against a plain matcher that shares no code with chatmill.
# SPDX-License-Identifier: Apache-2.0
#
#   oracle_match.py --probe build/tests/match_probe [--texts 3000] [--words 2000] [--sample 4000]
#                   [--data FOLDER --all-words 100000 --all-texts 100000]
#
# What is written here a second time: folding with Python's unicodedata and the `opencc` program,
# searching with str.find and with backtracking regexes, edges, gaps, symbols, homophones, allow
# words, regexes by Python's re. What it shares with the program are the two tables that people
# write (lookalikes.txt, homophones.txt). Texts: every code point; a sample of real conversations
# (deploy/sample, CrossWOZ); all corpora of FOLDER if it is there; random texts of look-alikes.
import argparse
import itertools
import json
import random
import re
import subprocess
import sys
import tempfile
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_table(name):
    table = {}
    for line in (ROOT / "src/rules" / name).read_text().splitlines():
        if line and not line.startswith("#"):
            key, _, items = line.partition(":")
            table[key] = items.split()
    return table


LOOKALIKES = read_table("lookalikes.txt")
HOMOPHONES = read_table("homophones.txt")


def read_simplified():
    chars = [chr(c) for c in range(0x80, 0x110000)
             if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c))[0] in "LNS"]
    done = subprocess.run(["opencc", "-c", "t2s.json"], input="\n".join(chars), text=True,
                          capture_output=True, check=True)
    out = done.stdout.rstrip("\n").split("\n")
    assert len(out) == len(chars), "opencc changed the number of lines"
    return {a: b for a, b in zip(chars, out) if a != b}


SIMPLIFIED = read_simplified()


def invisible(c):
    n = ord(c)
    return (unicodedata.category(c) == "Cf" or n == 0x34F or 0xFE00 <= n <= 0xFE0F
            or 0xE0100 <= n <= 0xE01EF or 0x180B <= n <= 0x180D or n == 0x180F)


def separator(c):
    return unicodedata.category(c)[0] in "ZPS" or unicodedata.category(c) == "Cc" or c == "\u20e3"


_standard = {}


def standard_char(c):
    """The code points that one code point folds to."""
    if c not in _standard:
        out = ""
        if not invisible(c):
            for f in unicodedata.normalize("NFKC", c).casefold():
                if not invisible(f):
                    out += SIMPLIFIED.get(f, f)
        _standard[c] = out
    return _standard[c]


LETTERS = {item: key for key, items in LOOKALIKES.items() if key.isalpha() for item in items}
DIGITS = {item: key for key, items in LOOKALIKES.items() if key.isdigit() for item in items}


def letter(c):
    if c in LETTERS:
        return LETTERS[c]
    parts = unicodedata.normalize("NFD", c)
    if (len(parts) > 1 and "a" <= parts[0] <= "z" and standard_char(c) == c
            and all(unicodedata.category(p) == "Mn" for p in parts[1:])):
        return parts[0]
    return None


def digit(c):
    if c in DIGITS:
        return DIGITS[c]
    if c > "\x7f" and unicodedata.category(c) == "Nd" and standard_char(c) == c:
        return str(unicodedata.digit(c))
    return None


_elements = {}


def elements_of_char(c, form):
    """[(character, is a separator)] of one code point."""
    key = (c, form)
    if key in _elements:
        return _elements[key]
    out = []
    for f in standard_char(c) if form != "none" else c:
        if form in ("none", "standard"):
            out.append((f, False))
        elif form == "digits" and digit(f):
            out.append((digit(f), False))
        elif letter(f):
            l = letter(f)
            out.append((digit(l) or l if form == "digits" else l, False))
        else:
            out.append((f, separator(f)))
    _elements[key] = out
    return out


class Folded:
    """A text in a form: kept characters, where each came from, separators before each."""

    def __init__(self, text, form):
        self.original, self.form = text, form
        self.chars, self.source, self.gaps = [], [], []
        self.standard = []  # what each was before look-alikes were read
        self.all = []  # every element, for spellings with symbols: (char, separator, source)
        gap = 0
        for i, c in enumerate(text):
            counted = False
            plain = c if form == "none" else standard_char(c)
            for before, (f, is_separator) in zip(plain, elements_of_char(c, form), strict=True):
                self.all.append((f, is_separator, i))
                if is_separator:
                    gap += not counted
                    counted = True
                else:
                    self.chars.append(f)
                    self.source.append(i)
                    self.standard.append(before)
                    self.gaps.append(gap)
                    gap, counted = 0, False
        self.end_gap = gap
        self.text = "".join(self.chars)


def kind(c):
    return "letter" if c.isascii() and c.isalpha() else "digit" if c.isascii() and c.isdigit() else None


def look(folded, at):
    """What a letter or digit is in the original: itself, or what looks like it."""
    c = folded.standard[at]
    if kind(c) == kind(folded.chars[at]):
        return "real"
    return "letter" if kind(letter(c) or c) == "letter" else "other"


def touches(folded, inside, outside, written):
    """`written`: what the word has at that edge in the standard form."""
    own, beside = kind(folded.chars[inside]), kind(folded.chars[outside])
    if own is None or beside is None or folded.gaps[max(inside, outside)]:
        return False
    if folded.form == "digits" and look(folded, inside) == "letter" and beside == "letter":
        return True
    if folded.form == "loose" and look(folded, inside) != "real" and folded.standard[inside] == written:
        return False
    return own == beside and look(folded, outside) in ("real", look(folded, inside))


def spellings(word, aliases):
    """The word's own spelling and all others, standard folded."""
    def fold(text):
        return "".join(standard_char(c) for c in text)
    table = [(fold(k), [fold(s) for s in v]) for k, v in itertools.chain(HOMOPHONES.items(), aliases.items())]

    def walk(rest):
        if not rest:
            yield ""
            return
        for tail in walk(rest[1:]):
            yield rest[0] + tail
        for key, items in table:
            if key and rest.startswith(key):
                for tail in walk(rest[len(key):]):
                    for item in items:
                        yield item + tail
    own = fold(word)
    return {s: s != own for s in walk(own) if s}  # spelling -> is another


def find_plain(folded, needle, spelled, gap, contains):
    at = folded.text.find(needle)
    while at >= 0:
        last = at + len(needle) - 1
        good = contains or not (
            (at > 0 and touches(folded, at, at - 1, spelled[0]))
            or (last + 1 < len(folded.chars) and touches(folded, last, last + 1, spelled[-1])))
        good = good and all(g <= gap for g in folded.gaps[at + 1:last + 1])
        if good:
            yield folded.source[at], folded.source[last] + 1
        at = folded.text.find(needle, at + 1)


def find_symbols(folded, spelled, gap, contains):
    """Spellings with symbols: a walk over all elements, separators included."""
    wanted = [(f, s) for c in spelled for f, s in elements_of_char(c, folded.form)]
    every = folded.all
    kept_places = [i for i, e in enumerate(every) if not e[1]]
    first_kept = next(i for i, w in enumerate(wanted) if not w[1])
    last_kept = max(i for i, w in enumerate(wanted) if not w[1])

    def ways(w, at):
        """Ends of matches of wanted[w:] whose element w - 1 stood at `at`."""
        if w == len(wanted):
            yield at
            return
        skipped = 0
        for k in range(at + 1, len(every)):
            if every[k][0] == wanted[w][0] and every[k][1] == wanted[w][1]:
                yield from ways(w + 1, k)
            if not every[k][1]:
                return
            skipped += 1
            if skipped > gap:
                return

    def ways_back(w, at):
        if w < 0:
            yield at
            return
        skipped = 0
        for k in range(at - 1, -1, -1):
            if every[k][0] == wanted[w][0] and every[k][1] == wanted[w][1]:
                yield from ways_back(w - 1, k)
            if not every[k][1]:
                return
            skipped += 1
            if skipped > gap:
                return

    for number, place in enumerate(kept_places):
        if every[place][0] != wanted[first_kept][0]:
            continue
        end = min(ways(first_kept + 1, place), default=None)
        start = max(ways_back(first_kept - 1, place), default=None)
        if end is None or start is None:
            continue
        kept = number + sum(not w[1] for w in wanted) - 1
        if not contains:
            if first_kept == 0 and number > 0 and touches(folded, number, number - 1, spelled[0]):
                continue
            if last_kept == len(wanted) - 1 and kept + 1 < len(folded.chars) and touches(folded, kept, kept + 1, spelled[-1]):
                continue
        yield every[start][2], every[end][2] + 1


class Word:
    def __init__(self, text, fold, gap=3, contains=False, aliases=None):
        self.text, self.gap, self.contains = text, gap, contains
        self.ways = []  # (form, needle or None, spelled)
        if fold != "loose":
            self.add(fold, text)
            return
        for spelled in spellings(text, aliases or {}):
            elements = [e for c in spelled for e in elements_of_char(c, "loose")]
            others = sum(not s for _, s in elements)
            if any(s for _, s in elements) and others < 2:
                self.add("standard", spelled)
                continue
            plain = [f for f in spelled if not separator(f)]
            form = "digits" if plain and all(c in "0123456789" for c in plain) else "loose"
            if any(s for _, s in elements):
                self.ways.append((form, None, spelled))
            else:
                self.add(form, spelled)

    def add(self, form, text):
        self.ways.append((form, "".join(f for c in text for f, _ in elements_of_char(c, form)), text))

    def find(self, text, folded):
        hits = set()
        for form, needle, spelled in self.ways:
            if form not in folded:
                folded[form] = Folded(text, form)
            f = folded[form]
            if needle is None:
                hits.update(find_symbols(f, spelled, self.gap, self.contains))
            elif needle in f.text:
                hits.update(find_plain(f, needle, spelled, self.gap, self.contains))
        return hits


class Index:
    """Words by their first two folded characters, so that 100,000 words do not take all day."""

    def __init__(self, words):
        self.by_pair = {}
        for number, word in enumerate(words):
            for form, needle, spelled in word.ways:
                kept = needle if needle is not None else "".join(
                    f for c in spelled for f, s in elements_of_char(c, form) if not s)
                self.by_pair.setdefault((form, kept[:2]), set()).add(number)
        self.forms = {form for form, _ in self.by_pair}
        self.words = words

    def find(self, text):
        folded = {form: Folded(text, form) for form in self.forms}
        numbers = set()
        for form, f in folded.items():
            for i in range(len(f.text)):
                numbers |= self.by_pair.get((form, f.text[i]), set())
                numbers |= self.by_pair.get((form, f.text[i:i + 2]), set())
        return {(s, e, self.words[n].text) for n in numbers for s, e in self.words[n].find(text, folded)}


# ---- the program ----

def yaml_quoted(text):
    return json.dumps(text, ensure_ascii=False)


class Probe:
    def __init__(self, program):
        self.program = program

    def run(self, args, values):
        lines = "\n".join(json.dumps(v) for v in values) + "\n"
        done = subprocess.run([self.program, *args], input=lines, text=True, capture_output=True)
        if done.returncode:
            sys.exit(f"match_probe {args}: exit {done.returncode}\n{done.stderr}")
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    def fold(self, form, texts):
        return self.run(["fold", form], texts)

    def match(self, rules, texts, files=None):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.yaml").write_text(rules)
            for name, content in (files or {}).items():
                (Path(folder) / name).write_text(content)
            return self.run(["match", folder], texts)


def byte_offsets(text):
    return [0, *itertools.accumulate(len(c.encode()) for c in text)]


failures = 0


def check(name, got, want, show):
    global failures
    if got == want:
        return
    failures += 1
    if failures <= 10:
        print(f"{name}: {show!r}\n  chatmill only {sorted(got - want)}\n  oracle only   {sorted(want - got)}",
              file=sys.stderr)


# ---- folding ----

def check_folding(probe):
    assigned = [chr(c) for c in range(1, 0x110000)
                if not 0xD800 <= c <= 0xDFFF and unicodedata.category(chr(c)) != "Cn"]
    wrong = 0
    for form in ("standard", "loose", "digits"):
        for c, (text, source) in zip(assigned, probe.fold(form, [f"ж{c}ж" for c in assigned])):
            want = "".join(Folded(f"ж{c}ж", form).chars)
            if text != want:
                wrong += 1
                if wrong <= 10:
                    print(f"{form} U+{ord(c):04X}: chatmill {text!r} oracle {want!r}", file=sys.stderr)
    print(f"folding: {len(assigned)} code points in 3 forms, {wrong} different")
    return wrong


# ---- texts ----

def sample_texts():
    done = subprocess.run(["zstd", "-dcq", str(ROOT / "deploy/sample/archive.jsonl.zst")],
                          capture_output=True, check=True)
    for line in done.stdout.split(b"\n"):
        try:  # the sample holds broken records on purpose
            message = json.loads(line.decode())["message"]
            content = message["text"]["content"].encode().decode()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue
        yield content


def corpus_texts(folder):
    for path in sorted(Path(folder, "corpora").glob("*.jsonl.zst")):
        done = subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True)
        for line in done.stdout.decode().splitlines():
            yield json.loads(line)["text"]


def random_texts(rng, words, count):
    same = {}
    for c in itertools.chain.from_iterable(words):
        same.setdefault(c, [c])
    for c in [chr(n) for n in range(0x80, 0x20000) if not 0xD800 <= n <= 0xDFFF]:
        f = "".join(x for x, s in elements_of_char(c, "digits") if not s)
        g = "".join(x for x, s in elements_of_char(c, "loose") if not s)
        for key in {f, g}:
            if len(key) == 1 and key in same:
                same[key].append(c)
    for c, s in SIMPLIFIED.items():
        if s in same:
            same[s].append(c)
    spelled = [s for v in HOMOPHONES.values() for s in v] + list(HOMOPHONES)
    noise = list(" \t\n，。-_*+·❤😀\u200b\ufe0f\u0301()…~") + ["⑴", "㏂", "½", "ﬁ", "İ", "ß", "㎏", "1️⃣"]
    for _ in range(count):
        out = ""
        for _ in range(rng.randint(1, 12)):
            what = rng.random()
            if what < 0.55:
                for c in rng.choice(words):
                    if rng.random() < 0.4:
                        c = rng.choice(same[c])
                    out += c.upper() if rng.random() < 0.1 else c
                    if rng.random() < 0.25:
                        out += "".join(rng.choice(noise) for _ in range(rng.randint(1, 5)))
            elif what < 0.7:
                out += rng.choice(spelled)
            elif what < 0.9:
                out += rng.choice(noise)
            else:
                out += rng.choice("abvxVX0123456789一三八好的信微")
        yield out


# ---- the comparisons ----

def compare(probe, name, words, fold, texts, contains=False, gap=3):
    texts = [t for t in texts if "\0" not in t and t]
    cond = f"fold: {fold}" + (", mode: contains" if contains else "") + (
        f", gap: {gap}" if fold == "loose" and gap != 3 else "")
    rules = f"pack: p\ntitle: t\nfold: {fold}\nrules:\n  - id: a\n    title: a\n    match:\n"
    if contains or gap != 3:
        rules += "".join(f"      - {{word: {yaml_quoted(w)}, {cond}}}\n" for w in words)
        got = probe.match(rules, texts)
    else:
        rules = rules.replace("rules:", "lists: {w: {file: w.txt}}\nrules:").replace(
            "    match:\n", "    match: {list: w}\n")
        got = probe.match(rules, texts, {"w.txt": "\n".join(words) + "\n"})
    # Words that fold alike are one word, as first written.
    seen, first = set(), []
    for w in words:
        elements = [e for c in w for e in elements_of_char(c, fold)]
        key = tuple(elements) if any(s for _, s in elements) else "".join(f for f, _ in elements)
        if key not in seen:
            seen.add(key)
            first.append(Word(w, fold, gap, contains))
    index = Index(first)
    hits = 0
    for text, lines in zip(texts, got, strict=True):
        at = byte_offsets(text)
        want = {(at[s], at[e], w) for s, e, w in index.find(text)}
        listed = [tuple(line[1:4]) for line in lines]
        if len(listed) != len(set(listed)) or listed != sorted(listed, key=lambda h: (h[0], h[1], h[2].encode())):
            check(f"{name}: order", set(listed), set(), text)
        check(name, set(listed), want, text)
        hits += len(want)
    print(f"{name}: {len(texts)} texts, {len(words)} words, {hits} hits, {failures} different so far")
    if hits == 0:
        sys.exit(f"{name}: no hits at all: this compares nothing")


def check_superset(probe, words, texts):
    """Under loose a word is found wherever standard finds it."""
    found = {}
    for fold in ("standard", "loose"):
        rules = f"pack: p\nfold: {fold}\nlists: {{w: {{file: w.txt}}}}\nrules: [{{id: a, match: {{list: w}}}}]\n"
        found[fold] = probe.match(rules, texts, {"w.txt": "\n".join(words) + "\n"})
    for text, standard, loose in zip(texts, found["standard"], found["loose"], strict=True):
        lost = {tuple(h[1:4]) for h in standard} - {tuple(h[1:4]) for h in loose}
        check("standard hits that loose loses", set(), lost, text)
    print(f"loose finds what standard finds: {len(texts)} texts, {sum(map(len, found['standard']))} hits, "
          f"{failures} different so far")


def ends_from(pattern, flags, text, start):
    """All ends that a match from `start` can have: each asked for by the exact rest behind it."""
    for end in range(len(text), start, -1):
        rest = "[\\s\\S]{%d}\\Z" % (len(text) - end)
        m = re.compile(f"(?:{pattern})(?={rest})", flags).match(text, start)
        if m and m.end() == end:
            yield end


def leftmost_longest(pattern, text, flags):
    """All hits; after each the rest is a text of its own."""
    base = 0
    while base < len(text):
        rest = text[base:]
        hit = next(((s, e) for s in range(len(rest)) for e in ends_from(pattern, flags, rest, s)), None)
        if hit is None:
            return
        yield base + hit[0], base + hit[1]
        base += hit[1]


REGEXES = [r"\d{2,3}", r"\d+\s*(块|元)", r"^[a-z]+", r"\b\w{2}\b", r"a(b|bc)?c*", r"[一-龥]{2,3}号",
           r"(退|还)(款|钱)", r"1[3-9]\d{2}", r"[a-c]+b", r"好.{0,3}的",
           r"\b\d+\b", r"\b\s+", r"\d+?", r"\b[a-z]+", r"\B\d+", r"1\b.*", r"[a-c]+|\d+b?"]


def compare_regexes(probe, rng, count):
    rules = "pack: p\ntitle: t\nfold: standard\nrules:\n" + "".join(
        f"  - {{id: r{i}, title: r, match: {{regex: {yaml_quoted(r)}}}}}\n" for i, r in enumerate(REGEXES))
    alphabet = "123 abcABC块元退款还钱好的号一二\n，9"
    texts = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 16))) for _ in range(count)]
    got = probe.match(rules, texts)
    hits = 0
    for text, lines in zip(texts, got, strict=True):
        folded = Folded(text, "standard")
        at = byte_offsets(text)
        want = set()
        for i, pattern in enumerate(REGEXES):
            for s, e in leftmost_longest(pattern, folded.text, re.ASCII | re.IGNORECASE):
                want.add((f"r{i}", at[folded.source[s]], at[folded.source[e - 1] + 1], pattern))
        check("regexes", {tuple(line[:4]) for line in lines}, want, text)
        hits += len(want)
    print(f"regexes: {len(texts)} texts, {len(REGEXES)} regexes, {hits} hits, {failures} different so far")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--probe", required=True)
    args.add_argument("--texts", type=int, default=3000, help="random texts")
    args.add_argument("--words", type=int, default=2000, help="words of the sample's own text")
    args.add_argument("--regex-texts", type=int, default=400)
    args.add_argument("--sample", type=int, default=4000, help="texts of the sample")
    args.add_argument("--data", default=str(ROOT.parent / "shared/data"), help="more corpora, word lists")
    args.add_argument("--all-words", type=int, default=0, help="words of the word lists of --data")
    args.add_argument("--all-texts", type=int, default=0, help="texts of the corpora of --data")
    args.add_argument("--seed", type=int, default=1)
    a = args.parse_args()
    probe, rng = Probe(a.probe), random.Random(a.seed)

    wrong = check_folding(probe)
    texts = list(dict.fromkeys(sample_texts()))
    rng.shuffle(texts)
    pieces = set()
    while len(pieces) < a.words:
        t = rng.choice(texts)
        at, length = rng.randrange(len(t)), rng.randint(1, 5)
        piece = t[at:at + length].strip()
        if piece and "," not in piece and "，" not in piece and "、" not in piece and "#" not in piece and "\n" not in piece:
            pieces.add(piece)
    words = sorted(w for w in pieces if any(not separator(f) for c in w for f in standard_char(c)))
    for fold in ("none", "standard", "loose"):
        compare(probe, f"sample, {fold}", words, fold, texts[:a.sample])
    evil = ["加微信", "微信", "vx", "加v", "+v", "微❤", "C++", "a.b", "SM", "110", "12-34", "QQ", "支付宝",
            "返点", "账号", "狗东西", "VIP客户", "ß", "ﬁx", "號碼", "一起", "三八", "k歌", "x", "v信", "A+B套餐",
            "13800", "ok", "oil", "信", "-v-x-", "(ab)", "❤"]
    evil_texts = list(random_texts(rng, evil, a.texts))
    for fold in ("none", "standard", "loose"):
        compare(probe, f"look-alikes, {fold}", evil, fold, evil_texts)
    compare(probe, "look-alikes, contains", evil, "loose", evil_texts[:1000], contains=True)
    for gap in (0, 1, 8):
        compare(probe, f"look-alikes, gap {gap}", evil, "loose", evil_texts[:1000], gap=gap)
    edges = ["110", "12315", "100", "10", "12-34", "VIP", "oil"]
    check_superset(probe, edges, list(random_texts(rng, [*edges, "一〇", "lo", "5"], a.texts)))
    foreign = ["café", "ν", "να", "о", "слово", "ς", "ος", "ǆ", "ǆa", "été", "aé", "éa", "ⓥx", "ß", "ﬁé", "1é", "Ⅷé"]
    # Words that fold alike are reported as the first of them.
    foreign = list({"".join(f for c in w for f, _ in elements_of_char(c, "loose")): w for w in foreign}.values())
    beside = [*foreign, "s", "a", "ѕ", "ι", "1", "一", "é", " ", "-", "VIP"]
    texts = ["".join(rng.choice(beside) for _ in range(rng.randint(1, 4))) for _ in range(4 * a.texts)]
    compare(probe, "foreign letters, loose", foreign, "loose", texts)
    check_superset(probe, foreign, texts)
    compare_regexes(probe, rng, a.regex_texts)

    if a.all_words and Path(a.data).is_dir():
        lists = [p for p in Path(a.data, "dictionaries").glob("*.txt")]
        every = [w for p in sorted(lists) for w in p.read_text().split("\n")]
        jieba = Path(a.data, "dictionaries/words_jieba.txt.zst")
        every += subprocess.run(["zstd", "-dcq", str(jieba)], capture_output=True, check=True).stdout.decode().split("\n")
        every = list(dict.fromkeys(w.strip() for w in every if len(w.strip()) > 1 and not w.startswith("#")))
        every = [w for w in every if not re.search(r"[,，、\s]", w) and len(w.encode()) <= 256]
        rng.shuffle(every)
        corpus = list(corpus_texts(a.data))
        rng.shuffle(corpus)
        for fold in ("standard", "loose"):
            compare(probe, f"{a.data}, {fold}", every[:a.all_words], fold, corpus[:a.all_texts or None])
    elif a.all_words:
        print(f"{a.data} is not there: its corpora and word lists are left out")
    print(f"{failures + wrong} different")
    return 1 if failures or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
