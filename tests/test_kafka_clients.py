"""kcat, librdkafka and Kafka's own Java tools against the Kafka listener: every codec, topics and their settings, offsets by time, deletion."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, OffsetSpec, ResourceType
from harness import librdkafka, wait_for
from kafka_batches import read_partition
from kafka_clients import CODECS, TOPIC_TOOL, admin, broker, consume, create_topic, java, kcat, metric, produce, values_of

GROUP_TOOL = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def test_every_codec_between_clients(stage):
    """What one client writes in each codec, each other one reads; kcat and Java are readers of all."""
    up = broker(stage)
    create_topic(up.kafka, "codecs")
    want = []
    for codec in CODECS:
        librdkafka = [f"librdkafka-{codec}-{n}-{'x' * 100}".encode() for n in range(500)]
        produce(up.kafka, "codecs", librdkafka, **{"compression.type": codec})
        from_kcat = [f"kcat-{codec}-{n}" for n in range(500)]
        kcat(up.kafka, "-P", "-t", "codecs", "-z", codec, "-p", "-1", stdin="\n".join(from_kcat) + "\n")
        from_java = [f"java-{codec}-{n}" for n in range(200)]
        java(
            "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", up.kafka, "--topic", "codecs",
            "--compression-codec", codec, stdin="\n".join(from_java) + "\n",
        )  # fmt: skip
        want += librdkafka + [value.encode() for value in from_kcat + from_java]
    assert values_of(consume(up.kafka, "codecs", len(want))) == Counter(want)
    assert sorted(kcat(up.kafka, "-C", "-t", "codecs", "-e", "-q").splitlines()) == sorted(value.decode() for value in want)
    by_java = java(
        "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", up.kafka, "--topic", "codecs",
        "--from-beginning", "--max-messages", str(len(want)), "--timeout-ms", "60000",
    )  # fmt: skip
    assert sorted(by_java.splitlines()) == sorted(value.decode() for value in want)
    # Kafka reads the files themselves, every record of them
    used, read = set(), 0
    for partition in range(3):
        segments = sorted((up.log_dir / f"codecs-{partition}").glob("*.log"))
        dump = java("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--files", ",".join(map(str, segments)))
        used |= {codec for codec in CODECS if f"compresscodec: {codec}" in dump.lower()}
        assert dump.count("| offset:") == len(read_offsets(up, "codecs", partition)), dump[:1000]
        read += dump.count("| offset:")
    assert used >= {"gzip", "snappy", "lz4", "zstd"}
    assert read == len(want)


def test_kafkas_performance_tools(stage):
    """What users measure with: every record is counted by both, and is there."""
    up = broker(stage)
    at = ["--bootstrap-server", up.kafka]
    create_topic(up.kafka, "perf")
    told = java(
        "org.apache.kafka.tools.ProducerPerformance", "--topic", "perf", "--num-records", "20000", "--record-size", "300", "--throughput", "-1",
        "--command-property", f"bootstrap.servers={up.kafka}", "acks=all", "compression.type=lz4",
    )  # fmt: skip
    assert "20000 records sent" in told, told
    assert sum(len(read_offsets(up, "perf", partition)) for partition in range(3)) == 20_000
    told = java("org.apache.kafka.tools.ConsumerPerformance", *at, "--topic", "perf", "--num-records", "20000", "--timeout", "60000")
    columns, values = [[each.strip() for each in line.split(",")] for line in told.splitlines() if "," in line][-2:]
    assert int(dict(zip(columns, values))["data.consumed.in.nMsg"]) >= 20_000, told
    told = java(
        "org.apache.kafka.tools.EndToEndLatency", *at, "--topic", "perf-latency", "--num-records", "500", "--producer-acks", "all", "--record-size", "300",
    )  # fmt: skip
    assert "99th = " in told, told


def read_offsets(up, topic, partition) -> range:
    consumer = Consumer({**librdkafka(up.kafka), "group.id": "look"})
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
    consumer.close()
    return range(low, high)


def test_topics_by_kafkas_own_tools(stage):
    up = broker(stage)
    at = ["--bootstrap-server", up.kafka]
    java(TOPIC_TOOL, *at, "--create", "--topic", "made", "--partitions", "4", "--config", "retention.ms=3600000")
    described = java(TOPIC_TOOL, *at, "--describe", "--topic", "made")
    assert "PartitionCount: 4" in described and "retention.ms=3600000" in described, described
    assert {"made", "upbit-trade"} <= set(java(TOPIC_TOOL, *at, "--list").split())
    config_tool = ["kafka.admin.ConfigCommand", *at, "--entity-type", "topics", "--entity-name", "made"]
    java(*config_tool, "--alter", "--add-config", "retention.bytes=1048576")
    assert "retention.bytes=1048576" in java(*config_tool, "--describe")
    refused = java(*config_tool, "--alter", "--add-config", "cleanup.policy=compact", check=False)
    assert "cleanup.policy is delete here" in refused or "retention.ms=3600000" in java(*config_tool, "--describe")
    java(TOPIC_TOOL, *at, "--delete", "--topic", "made")
    assert "made" not in java(TOPIC_TOOL, *at, "--list").split()
    assert not list(up.log_dir.glob("made-*")), "its files are gone"
    with pytest.raises(KafkaException) as kept:
        admin(up.kafka).delete_topics(["upbit-trade"])["upbit-trade"].result(20)
    assert kept.value.args[0].code() == KafkaError.POLICY_VIOLATION


def test_groups_by_kafkas_own_tools(stage):
    up = broker(stage)
    create_topic(up.kafka, "t", 2)
    produce(up.kafka, "t", [b"%d" % n for n in range(100)])
    consumer = Consumer({**librdkafka(up.kafka), "group.id": "g", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(["t"])
    read = 0
    while read < 100:
        read += len([m for m in consumer.consume(100, 5) if m.error() is None])
    consumer.commit(asynchronous=False)
    at = ["--bootstrap-server", up.kafka]
    assert "g" in java(GROUP_TOOL, *at, "--list").split()
    described = java(GROUP_TOOL, *at, "--describe", "--group", "g")
    rows = [line.split() for line in described.splitlines() if line.startswith("g ")]
    assert sum(int(row[3]) for row in rows) == 100 and all(row[5] == "0" for row in rows), described
    consumer.close()
    java(GROUP_TOOL, *at, "--group", "g", "--topic", "t", "--reset-offsets", "--to-earliest", "--execute")
    rows = [line.split() for line in java(GROUP_TOOL, *at, "--describe", "--group", "g").splitlines() if line.startswith("g ")]
    assert sum(int(row[5]) for row in rows) == 100, "all of it is to be read again"
    java(GROUP_TOOL, *at, "--delete", "--group", "g")
    assert "g" not in java(GROUP_TOOL, *at, "--list").split()


def test_offsets_by_time(stage):
    up = broker(stage)
    create_topic(up.kafka, "timed", 1)
    now_ms = int(time.time() * 1_000)


    for codec in CODECS:
        producer = Producer({**librdkafka(up.kafka), "compression.type": codec, "linger.ms": 100})
        base = now_ms - 1_000_000 + CODECS.index(codec) * 10_000
        for n in range(100):
            producer.produce("timed", b"v" * 50, timestamp=base + n * 10)
        producer.flush()
    consumer = Consumer({**librdkafka(up.kafka), "group.id": "x"})
    base = now_ms - 1_000_000
    for ask, want in [(0, 0), (base, 0), (base + 5, 1), (base + 10_250, 125), (base + 40_990, 499), (base + 50_000, -1)]:
        found = consumer.offsets_for_times([TopicPartition("timed", 0, ask)], timeout=20)[0]
        # librdkafka says "the end" where there is none
        assert found.offset == want or (want == -1 and found.offset < 0), (ask, found)
    consumer.close()
    newest = admin(up.kafka).list_offsets({TopicPartition("timed", 0): OffsetSpec.max_timestamp()})
    assert next(iter(newest.values())).result(20).offset == 499


def test_records_and_old_segments_go(stage):
    """DeleteRecords hides what is before an offset, also after a restart; retention takes whole segments."""
    up = broker(stage)
    create_topic(up.kafka, "t", 1)
    produce(up.kafka, "t", [b"%d" % n for n in range(1_000)])
    deleted = admin(up.kafka).delete_records([TopicPartition("t", 0, 250)])
    assert next(iter(deleted.values())).result(20).low_watermark == 250
    up.kill()
    up = broker(stage, name="again")
    assert read_offsets(up, "t", 0) == range(250, 1_000)
    messages = consume(up.kafka, "t", 750)
    assert [m.offset() for m in messages] == list(range(250, 1_000))
    resource = ConfigResource(
        ResourceType.TOPIC, "t",
        incremental_configs=[ConfigEntry("retention.ms", "1", source=ConfigSource.DYNAMIC_TOPIC_CONFIG, incremental_operation=AlterConfigOpType.SET)],
    )  # fmt: skip
    next(iter(admin(up.kafka).incremental_alter_configs([resource]).values())).result(20)
    wait_for(lambda: read_offsets(up, "t", 0).start == 1_000, "retention to take the records", 130, every_s=2)
    places = produce(up.kafka, "t", [b"after"])
    assert places[b"after"] == (0, 1_000), "offsets go on"


def test_hogas_own_topics_are_read_and_counted(stage):
    up = stage.up("--source", "sim", "--sim-rate", "500").wait_ready()
    read = kcat(up.kafka, "-C", "-t", "upbit-trade", "-o", "beginning", "-c", "100", "-f", "%k %s\n").splitlines()
    assert len(read) == 100
    for line in read:
        key, value = line.split(" ", 1)
        assert json.loads(value)["code"] == key
    assert metric(up, "hoga_kafka_requests_total") > 3
    assert metric(up, "hoga_kafka_bytes_out_total") > 10_000
    # what a client wrote is in the same files, and the judge reads them
    produce(up.kafka, "upbit-dead-letter", [b"{}"])
    assert read_partition(up.log_dir / "upbit-dead-letter-0")[-1].value == b"{}"
