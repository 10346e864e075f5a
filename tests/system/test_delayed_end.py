# test_delayed_end.py - the end of a transaction that comes late must not end the next one.
# SPDX-License-Identifier: Apache-2.0
#
# KAFKA-17754: the answer to EndTxn is lost, the client asks again and is answered, and goes on; then the
# first EndTxn, which a network held back, ends the transaction that is open now, if the producer has kept
# its epoch. What it wrote so far is visible, and is written again by whoever starts next.
import pytest

from support import audit, chatmill, kafka_proxy, make_sample, proc
from support.load import publish, write_rules


@pytest.fixture
def behind_proxy(tmp_path):
    cluster, proxy = kafka_proxy.start()
    yield cluster, proxy
    proxy.close()
    cluster.stop()


def rows(count):
    return list(make_sample.Stream(seed=3, customers=50, hit_rate=1.0).rows(count))


def once(values):
    assert len(values) == len(set(values)), f"{len(values) - len(set(values))} doubled"


def test_run_renews_its_producer(behind_proxy, tmp_path, processes):
    cluster, proxy = behind_proxy
    setup = chatmill.Setup(tmp_path, cluster, partitions=1).apply()
    publish(setup, write_rules(setup))
    # Long transactions whose records set out at once: they stand on the topics before the commit.
    file = setup.write("slow.yaml", commit_interval_ms=2000, workers=1,
                       kafka={"bootstrap.servers": cluster.bootstrap, "linger.ms": "5"})
    run = setup.start("run", file=file)
    processes.append(run)
    setup.wait_run(run)
    some = rows(200)

    def feed(part):
        cluster.produce(setup.topic["archive"], [dict(key=audit.key(r), value=r) for r in part])

    def written():
        return sum(cluster.high_watermarks(setup.topic["tags"]).values())

    held, go = proxy.hold(kafka_proxy.END_TXN, setup.name, cut=True)
    feed(some[:100])
    assert held.wait(60)
    proc.wait_for(lambda: setup.events(["tags"]), 60, "the commit that is asked for again")
    before = written()
    feed(some[100:])
    proc.wait_for(lambda: written() > before, 60, "events of the transaction that is open", 0.02)
    go.set()
    assert proxy.answered.wait(60)
    run.kill()
    again = setup.start("run", file=file)
    processes.append(again)
    setup.wait_run(again)
    cluster.settle([setup.topic["tags"]])
    once([e["id"] for e in setup.events(["tags"])])
    assert again.terminate() == 0, again.log()
    chatmill.run("verify", "-c", setup.file, "--no-database", check=0)


def test_rekey_renews_its_producer(behind_proxy, tmp_path, processes):
    cluster, proxy = behind_proxy
    setup = chatmill.Setup(tmp_path, cluster).apply()
    raw, archive, some = f"{setup.name}.raw", setup.topic["archive"], rows(2000)
    cluster.create_topic(raw, 1)

    def feed(part):
        cluster.produce(raw, [dict(key=b"x", value=r) for r in part])

    held, go = proxy.hold(kafka_proxy.END_TXN, f"{setup.name}-rekey", cut=True)
    feed(some[:1000])
    rekey = setup.start("rekey", "--from", raw, "--follow")
    processes.append(rekey)
    assert held.wait(60)
    proc.wait_for(lambda: len(cluster.read(archive)) >= 1000, 60, "the commit that is asked for again")
    held, next_go = proxy.hold(kafka_proxy.ADD_OFFSETS_TO_TXN, f"{setup.name}-rekey")
    feed(some[1000:])
    assert held.wait(60), rekey.log()
    go.set()
    assert proxy.answered.wait(60)
    rekey.kill()
    next_go.set()
    chatmill.run("rekey", "-c", setup.file, "--from", raw, check=0)
    cluster.settle([archive])
    copied = [r.value for r in cluster.read(archive)]
    once(copied)
    assert sorted(copied) == sorted(some)
