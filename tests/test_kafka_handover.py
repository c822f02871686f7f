"""The way out to a cluster: a real Kafka broker serves a partition folder that was copied from ours."""

from __future__ import annotations

import shutil
import subprocess

from harness import free_port, wait_for
from kafka_clients import CODECS, PEER, TOPIC_TOOL, broker, consume, create_topic, java, produce


def peer(*args: str) -> str:
    return subprocess.run([str(PEER), *args], capture_output=True, text=True, check=True, timeout=200).stdout.strip()


def test_a_real_broker_serves_our_folder(stage):
    up = broker(stage)
    create_topic(up.kafka, "moved", 1)
    places = {}
    for codec in CODECS:
        places |= produce(up.kafka, "moved", [f"{codec}-{n}".encode() for n in range(1_000)], **{"compression.type": codec})
    up.stop()
    kafka = stage.work_dir / "kafka"
    try:
        bootstrap = peer("start", str(kafka), "--port", str(free_port()))
        java(TOPIC_TOOL, "--bootstrap-server", bootstrap, "--create", "--topic", "moved", "--partitions", "1")
        folder = kafka / "broker-1" / "data" / "moved-0"
        wait_for(folder.exists, "Kafka to make the folder")
        peer("stop", str(kafka))
        # Kafka's own metadata of the partition stays; its indexes are made again from the segments
        for path in folder.iterdir():
            if path.name != "partition.metadata":
                path.unlink()
        for path in (up.log_dir / "moved-0").glob("*.log"):
            shutil.copy(path, folder)
        peer("restart", str(kafka), "1")
        wait_for(lambda: "moved" in java(TOPIC_TOOL, "--bootstrap-server", bootstrap, "--list", check=False), "Kafka to be back")
        messages = consume(bootstrap, "moved", len(places))
        assert {m.value(): (m.partition(), m.offset()) for m in messages} == places
        assert produce(bootstrap, "moved", [b"after"])[b"after"] == (0, len(places)), "offsets go on"
    finally:
        peer("stop", str(kafka))
