"""Real Kafka clients for the tests of the Kafka listener: kcat, librdkafka, Kafka's own Java tools from `scripts/peers/kafka`, franz-go."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from harness import Stage, Up, librdkafka, slack

ROOT = Path(__file__).resolve().parent.parent
PEER = ROOT / "scripts" / "peers" / "kafka"
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
TIMEOUT_S = 60
TOPIC_TOOL = "org.apache.kafka.tools.TopicCommand"


def broker(stage: Stage, *args: str, name: str = "up", **options) -> Up:
    """`hoga up` with next to no events of its own."""
    up = stage.up("--source", "sim", "--sim-markets", "1", "--sim-rate", "0.1", *args, name=name, **options)
    return up.wait_ready()


def java(tool: str, *args: str, stdin: str | None = None, check: bool = True, timeout_s: float = 120) -> str:
    """One of Kafka's own tools; its standard output."""
    done = subprocess.run([str(PEER), "tool", tool, *args], input=stdin, capture_output=True, text=True, timeout=timeout_s * slack())
    if check:
        assert done.returncode == 0, f"{tool} {args}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def kcat(bootstrap: str, *args: str, stdin: str | bytes | None = None) -> str:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(["kcat", "-b", bootstrap, *args], input=data, capture_output=True, timeout=TIMEOUT_S * slack())
    assert done.returncode == 0, f"kcat {args}\n{done.stderr[-3000:]!r}"
    return done.stdout.decode()


@functools.cache
def _franz_binary() -> Path:
    """tests/peers/franz-go, built with everything that Go keeps outside the checkout."""
    cache = Path(os.environ.get("HOGA_CACHE") or Path.home() / ".cache" / "hoga")
    binary = cache / "peers" / "franz-go"
    env = os.environ | {"GOMODCACHE": str(cache / "go/mod"), "GOCACHE": str(cache / "go/build"), "GOFLAGS": "-mod=readonly -buildvcs=false"}
    source = ROOT / "tests" / "peers" / "franz-go"
    done = subprocess.run(["go", "build", "-o", binary, "."], cwd=source, env=env, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return binary


def franz(command: str, bootstrap: str, topic: str, *args: object):
    """What franz-go said, from JSON."""
    done = subprocess.run([_franz_binary(), command, bootstrap, topic, *map(str, args)], capture_output=True, text=True, timeout=TIMEOUT_S * 2 * slack())
    assert done.returncode == 0, f"franz-go {command} {args}: {done.stderr[-3000:]}"
    return json.loads(done.stdout)


@functools.cache
def admin(bootstrap: str) -> AdminClient:
    """Kept: what it was asked for ends with it."""
    return AdminClient(librdkafka(bootstrap))


def create_topic(bootstrap: str, topic: str, partitions: int = 3, config: dict | None = None) -> None:
    made = admin(bootstrap).create_topics([NewTopic(topic, partitions, 1, config=config or {})])
    made[topic].result(TIMEOUT_S * slack())


def produce(bootstrap: str, topic: str, values: list[bytes], **config) -> dict[bytes, tuple[int, int]]:
    """Sends all values and waits for them; where each one is: partition and offset."""
    producer = Producer({**librdkafka(bootstrap), "linger.ms": 5, **config})
    places: dict[bytes, tuple[int, int]] = {}
    failures: list[KafkaError] = []

    def delivered(error, message):
        if error is not None:
            failures.append(error)
        else:
            places[message.value()] = (message.partition(), message.offset())

    for value in values:
        producer.produce(topic, value, key=value, on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(TIMEOUT_S * slack()) == 0 and not failures, failures
    return places


def consume(bootstrap: str, topic: str, want: int, **config) -> list:
    """All messages of a topic from its beginning, at least `want` of them."""
    settings = {**librdkafka(bootstrap), "group.id": f"reader-{time.monotonic_ns()}", "auto.offset.reset": "earliest", **config}
    consumer = Consumer({"enable.partition.eof": True, **settings})
    metadata = consumer.list_topics(topic, timeout=TIMEOUT_S)
    partitions = list(metadata.topics[topic].partitions)
    starts = [consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=TIMEOUT_S)[0] for p in partitions]
    consumer.assign([TopicPartition(topic, p, start) for p, start in zip(partitions, starts)])
    messages, ended, deadline = [], set(), time.monotonic() + TIMEOUT_S * slack()
    while (len(ended) < len(partitions) or len(messages) < want) and time.monotonic() < deadline:
        for message in consumer.consume(1_000, timeout=1.0):
            if message.error() is None:
                messages.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise AssertionError(message.error())
    consumer.close()
    return messages


def values_of(messages) -> Counter:
    return Counter(message.value() for message in messages)


def metric(up: Up, name: str) -> float:
    """The sum of a metric over its labels."""
    import requests

    text = requests.get(f"{up.url}/metrics", timeout=5).text
    lines = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)
