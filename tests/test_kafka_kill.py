"""An idempotent producer while the broker is killed: what was acknowledged is there, once, where the acknowledgement said."""

from __future__ import annotations

import threading
import time
from collections import Counter

from confluent_kafka import Producer
from kafka_clients import broker, consume, create_topic
from harness import librdkafka, slack

KILLS = 3
MESSAGES = 30_000


def test_acknowledged_is_there_once_under_kill_9(stage):
    up = broker(stage)
    create_topic(up.kafka, "t", 3)
    address = up.kafka
    acknowledged: dict[bytes, tuple[int, int]] = {}
    failures = []
    producer = Producer({
        **librdkafka(address), "enable.idempotence": True, "linger.ms": 2, "batch.num.messages": 200,
        "message.timeout.ms": 120_000, "retry.backoff.ms": 50, "reconnect.backoff.max.ms": 500, "compression.type": "lz4",
    })  # fmt: skip

    def delivered(error, message):
        if error is not None:
            failures.append(error)
        elif message.value() in acknowledged:
            failures.append(f"{message.value()} was acknowledged twice")
        else:
            acknowledged[message.value()] = (message.partition(), message.offset())

    sent = threading.Event()

    def send():
        for n in range(MESSAGES):
            value = b"%d" % n
            while True:
                try:
                    producer.produce("t", value, key=b"%d" % (n % 997), on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
            if n % 100 == 0:
                time.sleep(0.02)
        sent.set()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    for kill in range(KILLS):
        time.sleep(1.5)
        assert not sent.is_set(), "the kills come while it sends"
        up.kill()
        up = broker(stage, "--kafka", address, name=f"up{kill}")
    thread.join(120 * slack())
    assert producer.flush(120 * slack()) == 0 and not failures, failures[:5]
    assert len(acknowledged) == MESSAGES
    messages = consume(address, "t", MESSAGES)
    assert Counter(m.value() for m in messages) == Counter(acknowledged.keys()), "each once"
    assert {m.value(): (m.partition(), m.offset()) for m in messages} == acknowledged, "none moved"
    # and in the order in which they were sent, by key
    last: dict[bytes, int] = {}
    for message in sorted(messages, key=lambda m: (m.partition(), m.offset())):
        assert last.get(message.key(), -1) < int(message.value())
        last[message.key()] = int(message.value())
