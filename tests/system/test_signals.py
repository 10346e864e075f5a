# test_signals.py - SIGTERM at random moments under load: out in time, nothing lost, nothing doubled.
# SPDX-License-Identifier: Apache-2.0
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support import audit
from support.load import Feeder, records, seed_of_today, write_input, write_rules

PROMISE_S = 30  # `run` gives up before, and says stop_deadline
OPEN_MAX_S = 10  # transaction.timeout.ms of `run`


def terminate_often(setup, processes, count, times):
    """Starts `run`, ends it at a random moment (of the start too), `times` times, while records come;
    the last one works off the rest. What stands on the topics is then what `scan` says."""
    seed = seed_of_today()
    rng = random.Random(seed)
    rules = write_rules(setup)
    rows, path = write_input(setup.folder, count, seed)
    setup.publish(rules)
    feeder = Feeder(setup, records(rows), rate=count / (3.0 * times))
    feeder.start()
    topics = [setup.topic[k] for k in ("tags", "stages", "alerts", "deadletter")]

    def settled():
        """Nothing is left open, long before the broker would end it; the markers may take a moment."""
        with ThreadPoolExecutor(len(topics)) as pool:  # all at once: each waits for a broker most of the time
            list(pool.map(lambda t: setup.kafka.settle([t], timeout_s=OPEN_MAX_S / 2), topics))
    slowest, orderly = 0.0, 0
    for _ in range(times):
        run = setup.start("run")
        processes.append(run)
        time.sleep(rng.random() * 3)  # a random moment is what is tested
        start = time.monotonic()
        status = run.terminate(4 * PROMISE_S)
        slowest = max(slowest, time.monotonic() - start)
        assert status in (0, -15), f"seed {seed}: exit {status}\n{run.log()[-2000:]}"
        assert "stop_deadline" not in run.log(), f"seed {seed}\n{run.log()[-2000:]}"
        if status == 0:  # -15: the signal came before the program could take it.
            orderly += 1
            settled()
    feeder.fast.set()
    feeder.join(120)
    assert not feeder.failure, feeder.failure
    run = setup.start("run")
    processes.append(run)
    setup.wait_run(run, timeout_s=180)
    assert run.terminate() == 0, run.log()
    settled()
    assert orderly >= times / 2, f"seed {seed}: only {orderly} of {times} were taken"
    differences = audit.compare(setup, rules, path, setup.folder)
    report = f"seed {seed}: SIGTERM {times} times, {orderly} taken, slowest end {slowest:.1f} s\n" + "\n".join(map(str, differences))
    assert not any(differences), report
    return report


def test_sigterm_at_random_moments(pipeline, processes, capsys):
    report = terminate_often(pipeline, processes, 6000, 20)
    with capsys.disabled():
        print("\n" + report)


@pytest.mark.long
def test_sigterm_a_hundred_times(pipeline, processes, capsys):
    report = terminate_often(pipeline, processes, 60000, 100)
    with capsys.disabled():
        print("\n" + report)
