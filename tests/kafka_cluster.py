"""Real Kafka brokers (scripts/peers/kafka) and what is in their topics, read by an independent client.

State: a folder with the brokers' data, removed by pytest. Not here: what should be in the topics.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from harness import librdkafka, slack, wait_for

SCRIPT = Path(__file__).parent.parent / "scripts" / "peers" / "kafka"
HEAP = "-Xms512m -Xmx512m"
START_TIMEOUT_S = 400  # the first time the jars are downloaded


class Message(NamedTuple):
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp_ms: int


def free_port_range(spread: int = 3) -> int:
    """A port that is free with the next ones, and those of the controllers a hundred above. Below the ports that the system gives to
    outgoing connections: one of those is easily taken before a broker has started."""
    for _ in range(100):
        port = random.randrange(20_000, 32_000)
        if all(_is_free(port + i) and _is_free(port + 100 + i) for i in range(spread)):
            return port
    raise AssertionError("no free range of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class KafkaCluster:
    def __init__(self, folder: Path, brokers: int, port: int | None = None, properties: Path | None = None):
        self.folder, self.brokers = folder, brokers
        self._admin: AdminClient | None = None
        self.port = port or free_port_range(brokers)
        self.env = os.environ | {"KAFKA_HEAP": HEAP} | ({"KAFKA_PROPERTIES": str(properties)} if properties else {})

    def start(self) -> "KafkaCluster":
        out = self._script("start", str(self.folder), "--brokers", str(self.brokers), "--port", str(self.port), timeout=START_TIMEOUT_S * slack())
        self.bootstrap = out.strip().splitlines()[-1]
        return self

    def stop(self) -> None:
        self._script("stop", str(self.folder), timeout=120)

    def kill_broker(self, number: int) -> None:
        """kill -9 of broker `number`, from 1."""
        os.kill(int((self.folder / f"broker-{number}" / "pid").read_text()), signal.SIGKILL)

    def restart_broker(self, number: int) -> None:
        self._script("restart", str(self.folder), str(number), timeout=180 * slack())

    def admin(self) -> AdminClient:
        """One for the whole life: its futures die with it."""
        if self._admin is None:
            self._admin = AdminClient(librdkafka(self.bootstrap))
        return self._admin

    def topics(self) -> set[str]:
        return {name for name in self.admin().list_topics(timeout=30).topics if not name.startswith("__")}

    def delete_topics(self) -> None:
        """All but Kafka's own."""
        if names := self.topics():
            for future in self.admin().delete_topics(sorted(names), operation_timeout=30).values():
                future.result(60)
            wait_for(lambda: not self.topics() & names, "the topics to be gone")

    def read(self, topic: str, isolation: str = "read_committed") -> list[Message]:
        """Everything in the topic that is committed, by partition and offset."""
        consumer = Consumer({
            **librdkafka(self.bootstrap), "group.id": f"test-{time.monotonic_ns()}", "enable.auto.commit": False,
            "isolation.level": isolation, "enable.partition.eof": True, "auto.offset.reset": "earliest",
        })  # fmt: skip
        try:
            partitions = list(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
            consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
            messages, ended = [], set()
            deadline = time.monotonic() + 120 * slack()
            while len(ended) < len(partitions):
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
                message = consumer.poll(1.0)
                if message is None:
                    continue
                if message.error():
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        ended.add(message.partition())
                        continue
                    if message.error().retriable() or message.error().code() == KafkaError._ALL_BROKERS_DOWN:
                        continue
                    raise AssertionError(message.error())
                messages.append(
                    Message(message.partition(), message.offset(), message.key(), message.value() or b"", message.timestamp()[1])
                )
            return sorted(messages)
        finally:
            consumer.close()

    def _script(self, *args: str, timeout: float) -> str:
        done = subprocess.run([str(SCRIPT), *args], capture_output=True, text=True, timeout=timeout, env=self.env)
        assert done.returncode == 0, f"{SCRIPT.name} {' '.join(args)}: {done.stderr[-3000:]}"
        return done.stdout
