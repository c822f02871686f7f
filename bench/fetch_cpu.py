#!/usr/bin/env python3
"""What one produce and two reads of the same messages by librdkafka cost the server: its CPU seconds and memory, not the clock, so that a busy
machine changes them little. Two builds are compared by two runs with HOGA_BIN. Prints; nothing passes or fails.
    bench/fetch_cpu.py [--messages 400000]     needs confluent-kafka
"""

from __future__ import annotations

import argparse

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from rig import cpu_seconds, heading, memory_mb, result, stage

VALUE = b"x" * 347  # as long as a trade of Upbit's
PARTITIONS = 3
TOPIC = "bench"


def write(bootstrap: str, messages: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, "batch.size": 16_384, "acks": "all"})
    for number in range(messages):
        while True:
            try:
                producer.produce(TOPIC, VALUE, partition=number % PARTITIONS)
                break
            except BufferError:
                producer.poll(0.05)
    producer.flush()


def read(bootstrap: str, messages: int) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    found = 0
    while found < messages:
        found += len(consumer.consume(10_000, 1))
    consumer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400_000)
    messages = parser.parse_args().messages
    heading(f"the server's share of {messages:,} messages of {len(VALUE)} bytes")
    with stage() as place:
        recording = place.work_dir / "empty.jsonl"
        recording.write_text("")
        up = place.up("--source", f"replay:{recording}").wait_ready()
        pid, bootstrap = up.process.pid, up.kafka
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result()
        for name, step in (("produce", write), ("first read", read), ("second read", read)):
            before = cpu_seconds(pid)
            step(bootstrap, messages)
            result(f"{name}, CPU", f"{cpu_seconds(pid) - before:.2f} s")
        memory = memory_mb(pid)
        result("memory, all", f"{memory['VmRSS']:.0f} MB")
        result("memory, RssAnon", f"{memory['RssAnon']:.0f} MB")


if __name__ == "__main__":
    main()
