"""Consumer groups of librdkafka: members come, go and restart, and everything is read; once, where a group can promise that."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from harness import librdkafka, slack, wait_for
from kafka_clients import broker, create_topic, java

GROUP_TOOL = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


class Member(threading.Thread):
    """One consumer in a thread: reads, notes, commits what it has noted."""

    def __init__(self, bootstrap: str, strategy: str, seen: Counter, lock: threading.Lock, instance: str | None = None):
        super().__init__(daemon=True)
        config = {
            **librdkafka(bootstrap), "group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "partition.assignment.strategy": strategy, "session.timeout.ms": 10_000, "heartbeat.interval.ms": 500,
        }  # fmt: skip
        if instance:
            config["group.instance.id"] = instance
        self.consumer = Consumer(config)
        self.seen, self.lock, self.stopping = seen, lock, threading.Event()
        self.assigned: set[int] = set()
        self.assignments = 0
        self.committed = 0  # messages read whose commit the broker has acknowledged
        self.errors: list = []
        self.cooperative = strategy == "cooperative-sticky"
        self.consumer.subscribe(["t"], on_assign=self.on_assign, on_revoke=self.on_revoke)
        self.start()

    def on_assign(self, consumer, partitions):
        self.assignments += 1
        self.assigned |= {p.partition for p in partitions}
        (consumer.incremental_assign if self.cooperative else consumer.assign)(partitions)

    def on_revoke(self, consumer, partitions):
        self.assigned -= {p.partition for p in partitions}
        (consumer.incremental_unassign(partitions) if self.cooperative else consumer.unassign())

    def run(self):
        while not self.stopping.is_set():
            messages = [m for m in self.consumer.consume(200, 0.1) if m.error() is None]
            if not messages:
                continue
            with self.lock:
                self.seen.update(m.value() for m in messages)
            try:
                self.consumer.commit(asynchronous=False)
                self.committed += len(messages)
            except KafkaException as error:  # a rebalance is on: what it keeps is committed next time, what it loses is read again
                self.errors.append(error)
        self.consumer.close()

    def stop(self):
        self.stopping.set()
        self.join(30 * slack())
        assert not self.is_alive()


def feed(bootstrap: str, count: int, stop: threading.Event, sent: list) -> threading.Thread:
    def run():
        producer = Producer({**librdkafka(bootstrap), "linger.ms": 5})
        for n in range(count):
            value = b"%d" % n
            producer.produce("t", value, key=value)
            sent.append(value)
            if n % 50 == 0:
                producer.poll(0)
                time.sleep(0.02)
            if stop.is_set():
                break
        assert producer.flush(60) == 0

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_members_come_and_go_and_everything_is_read(stage, strategy):
    up = broker(stage)
    create_topic(up.kafka, "t", 6)
    seen, lock, stop, sent = Counter(), threading.Lock(), threading.Event(), []
    feeding = feed(up.kafka, 20_000, stop, sent)
    members = [Member(up.kafka, strategy, seen, lock)]
    wait_for(lambda: len(members[0].assigned) == 6, "the first member to have all")
    members += [Member(up.kafka, strategy, seen, lock) for _ in range(2)]
    wait_for(lambda: sorted(p for m in members for p in m.assigned) == list(range(6)) and all(m.assigned for m in members), "three to share")
    members.pop(0).stop()
    wait_for(lambda: sorted(p for m in members for p in m.assigned) == list(range(6)), "two to share")
    members.append(Member(up.kafka, strategy, seen, lock))
    wait_for(lambda: all(m.assigned for m in members), "the new one to have some")
    feeding.join(60 * slack())
    wait_for(lambda: len(seen) >= len(sent), "everything to be read", every_s=0.2)
    for member in members:
        member.stop()
    assert set(seen) == set(sent)
    # what a member had read when its partitions were taken away is read again: few, never many
    again = sum(count - 1 for count in seen.values())
    assert again <= 0.2 * len(sent), f"{again} of {len(sent)} were read again"
    left = java(GROUP_TOOL, "--bootstrap-server", up.kafka, "--describe", "--group", "g")
    rows = [line.split() for line in left.splitlines() if line.startswith("g ")]
    assert sum(int(row[3]) for row in rows) == len(sent) and {row[5] for row in rows} == {"0"}, left


def test_a_static_member_restarts_without_a_rebalance(stage):
    up = broker(stage)
    create_topic(up.kafka, "t", 4)
    seen, lock = Counter(), threading.Lock()
    members = [Member(up.kafka, "range", seen, lock, instance=f"i{n}") for n in range(2)]
    wait_for(lambda: sorted(p for m in members for p in m.assigned) == list(range(4)), "both to share")
    before, had = members[0].assignments, set(members[1].assigned)
    members[1].stop()  # a static member does not say that it leaves
    again = Member(up.kafka, "range", seen, lock, instance="i1")
    wait_for(lambda: again.assigned == had, "it to have what it had")
    assert members[0].assignments == before, "the other one was not disturbed"
    for member in (members[0], again):
        member.stop()


def test_a_member_that_dies_is_replaced_and_commits_outlive_the_broker(stage):
    up = broker(stage)
    create_topic(up.kafka, "t", 2)
    seen, lock, sent = Counter(), threading.Lock(), []
    member = Member(up.kafka, "range", seen, lock)
    feed(up.kafka, 2_000, threading.Event(), sent).join(60)
    wait_for(lambda: member.committed == 2_000, "all to be read and committed")
    # a rebalance in the beginning may have had it read some twice
    address, before, already = up.kafka, member.assignments, sum(seen.values())
    up.kill()
    broker(stage, "--kafka", address, name="again")
    wait_for(lambda: member.assignments > before, "the member to be back")  # before that, what it reads it cannot commit
    feed(address, 500, threading.Event(), []).join(60)
    wait_for(lambda: sum(seen.values()) >= already + 500, "the rest to be read")
    member.stop()
    assert sum(seen.values()) == already + 500, f"nothing that was committed is read again; {member.assignments} assignments, {member.errors}"
