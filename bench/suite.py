#!/usr/bin/python3
# suite.py - runs the scenarios that are asked for and writes their results; the body of run.sh.
# SPDX-License-Identifier: Apache-2.0
import argparse
import datetime
import importlib
import json
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]
import measure  # noqa: E402
import render  # noqa: E402
from context import Bench  # noqa: E402
from support import proc  # noqa: E402

ALL = [f"B{i}" for i in range(1, 10)]
QUICK = ["B3", "B4"]
# What matters most first: with --table nothing new begins when the time is nearly used up.
TABLE = ["B4", "B3", "B6", "B8", "B9", "B1", "B2", "B5", "B7"]
TABLE_S = 33 * 60


def parse(argv):
    parser = argparse.ArgumentParser(prog="bench/run.sh", description="the benchmarks; see bench/README.md")
    parser.add_argument("scenarios", nargs="*", metavar="B1 … B9", help="all when none is named")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="B3 and B4 without peers, small: three minutes")
    size.add_argument("--table", action="store_true", help="all of them in 35 minutes: for the table")
    parser.add_argument("--build", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, help="repetitions of each measurement (default: 5)")
    parser.add_argument("--count", type=int, help="messages of each measurement")
    parser.add_argument("--peers", default="rust,streams,python", help="which take part; none: \"\"")
    parser.add_argument("--results", type=Path, help="folder for the results (default: bench/results; with "
                        "--quick they are only printed)")
    args = parser.parse_args(argv)
    args.scenarios = [s.upper() for s in args.scenarios] or (QUICK if args.quick else TABLE if args.table else ALL)
    unknown = [s for s in args.scenarios if s not in ALL]
    if unknown:
        parser.error(f"no scenario is called {unknown[0]}; there are {', '.join(ALL)}")
    args.mode = "quick" if args.quick else "table" if args.table else "full"
    return args


def command(args, scenario):
    """What measures the same again."""
    words = ["bench/run.sh", scenario] + {"full": [], "table": ["--table"], "quick": ["--quick"]}[args.mode]
    if args.rounds:
        words += ["--rounds", str(args.rounds)]
    if args.count:
        words += ["--count", str(args.count)]
    return " ".join(words)


def main(argv):
    args = parse(argv)
    os.environ["CHATMILL"] = str(args.build / "chatmill")
    proc.exit_on_signals()
    bench = Bench(args.build, args.mode, args.count, args.rounds, [p for p in args.peers.split(",") if p])
    machine, start = measure.machine(), time.monotonic()
    print(f"machine: {machine['cpu']}, {machine['cores']} cores, load {machine['load']} at start; "
          f"Linux {machine['kernel']}\nversions: {machine['versions']}")
    folder = args.results or (bench.folder / "results" if args.quick else HERE / "results")
    folder.mkdir(parents=True, exist_ok=True)
    for scenario in args.scenarios:
        if args.table and time.monotonic() - start > TABLE_S:
            print(f"\n{scenario}: left out, {TABLE_S // 60} minutes are over")
            continue
        if bench.million and scenario not in ("B8", "B9"):  # would disturb what is measured next
            bench.million.stop()
            bench.million = None
        module = importlib.import_module(scenario.lower())
        began = time.monotonic()
        result = {"id": scenario, "title": module.TITLE, "command": command(args, scenario),
                  "at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
                  "machine": measure.machine()}
        result.update(module.scenario(bench))
        result["seconds"] = round(time.monotonic() - began)
        print(f"\n{render.text_of(result)}", flush=True)
        (folder / f"{scenario}.json").write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
        if folder == HERE / "results":
            render.write(HERE)
    if bench.million:
        bench.million.stop()
    print(f"\n{', '.join(args.scenarios)}: {time.monotonic() - start:.0f} s in all")


if __name__ == "__main__":
    main(sys.argv[1:])
