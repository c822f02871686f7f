"""Programs that read and write topics, against the Kafka listener: franz-go (a client that is not librdkafka and not Java), a Flink job with the
Kafka connector, ClickHouse's Kafka tables."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import NewPartitions
from harness import Stage, wait_for
from kafka_clients import CODECS, TOPIC_TOOL, admin, broker, consume, create_topic, franz, java, produce, values_of
from parity.flink import FlinkError
from programs import ClickHouse, Flink


def committed(bootstrap: str, group: str, topic: str, partitions: int) -> int:
    """How far a group has come in a topic, over all its partitions."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition) for partition in range(partitions)])
    answered = next(iter(admin(bootstrap).list_consumer_group_offsets([asked]).values())).result(20)
    return sum(max(part.offset, 0) for part in answered.topic_partitions)


def test_franz_go_writes_and_reads_every_codec(stage: Stage):
    up = broker(stage)
    create_topic(up.kafka, "franz")
    want = []
    for codec in CODECS:
        acknowledged = franz("produce", up.kafka, "franz", codec, 3_000)
        assert sum(acknowledged.values()) == 3_000 and len(acknowledged) == 3, acknowledged
        want += [f"franz-{codec}-{n}" for n in range(3_000)]
    librdkafka = [f"librdkafka-{codec}-{n}" for codec in CODECS for n in range(300)]
    for codec in CODECS:
        mine = [value.encode() for value in librdkafka if f"-{codec}-" in value]
        produce(up.kafka, "franz", mine, **{"compression.type": codec})
    messages = consume(up.kafka, "franz", len(want) + len(librdkafka))
    assert values_of(messages) == Counter(value.encode() for value in want + librdkafka)
    headers = [message.headers() for message in messages if message.value().startswith(b"franz-zstd")]
    assert headers == [[("codec", b"zstd")]] * 3_000
    assert Counter(franz("consume", up.kafka, "franz", "g", len(messages))) == Counter(want + librdkafka)
    assert committed(up.kafka, "g", "franz", 3) == len(messages)


def test_franz_go_administers(stage: Stage):
    """Topics, more partitions, settings, offsets by time, lag, single offsets forgotten, records and topics deleted."""
    up = broker(stage)
    assert franz("admin", up.kafka, "administered") == {
        "partitions": 5, "retention.ms": "3600000", "at_time": 40, "lag": 70, "committed_partitions": 1, "start": 60, "end": 100, "deleted": True,
    }  # fmt: skip


@pytest.fixture(scope="module")
def flink(tmp_path_factory):
    flink = Flink(tmp_path_factory.mktemp("peers") / "flink")
    yield flink
    flink.stop()


def flink_table(name: str, topic: str, bootstrap: str, options: str) -> str:
    return f"""CREATE TEMPORARY TABLE {name} (n BIGINT, word STRING) WITH (
        'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{bootstrap}', 'format' = 'json', {options})"""


@pytest.mark.timeout(600)
def test_a_flink_job_reads_and_writes_topics(stage: Stage, flink: Flink):
    """A streaming job with checkpoints: from one topic into another, with a group whose offsets are committed; then a bounded one. What Flink
    writes exactly once is written in transactions, which are refused by name."""
    up = broker(stage)
    for topic in ("words", "loud"):
        create_topic(up.kafka, topic)

    def words(numbers: range) -> None:
        produce(up.kafka, "words", [json.dumps({"n": n, "word": f"w{n}"}).encode() for n in numbers], **{"compression.type": "zstd"})

    words(range(5_000))
    with flink.session() as session:
        session.execute(flink_table(
            "words", "words", up.kafka,
            "'properties.group.id' = 'flink', 'scan.startup.mode' = 'group-offsets', 'properties.auto.offset.reset' = 'earliest'",
        ))  # fmt: skip
        session.execute(flink_table("loud", "loud", up.kafka, "'sink.delivery-guarantee' = 'at-least-once'"))
        job = session.execute("INSERT INTO loud SELECT n, UPPER(word) FROM words").job_id
        try:
            # as they come: the second half while the job runs
            wait_for(lambda: committed(up.kafka, "flink", "words", 3) == 5_000, "Flink to commit the first half", 120, every_s=0.5)
            words(range(5_000, 10_000))
            wait_for(lambda: committed(up.kafka, "flink", "words", 3) == 10_000, "Flink to commit the second half", 120, every_s=0.5)
        finally:
            flink.cancel(job)
        written = [json.loads(message.value()) for message in consume(up.kafka, "loud", 10_000)]
        assert sorted((row["n"], row["word"]) for row in written) == [(n, f"W{n}") for n in range(10_000)]

        session.execute("SET 'execution.runtime-mode' = 'batch'")
        session.execute(flink_table(
            "loud_to_its_end", "loud", up.kafka, "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'"
        ))  # fmt: skip
        counted = session.execute("SELECT COUNT(*), COUNT(DISTINCT word), SUM(n) FROM loud_to_its_end")
        assert counted.rows == [("INSERT", "10000", "10000", str(sum(range(10_000))))]

        session.execute("SET 'execution.runtime-mode' = 'streaming'")
        session.execute(flink_table("once", "loud", up.kafka, "'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'x'"))
        with pytest.raises(FlinkError, match="(?i)transactional"):
            session.wait_for_job(session.execute("INSERT INTO once VALUES (1, 'a')").job_id, 60)
    assert len(consume(up.kafka, "loud", 10_000)) == 10_000, "nothing of it was written"


KAFKA_ENGINE = """ENGINE = Kafka SETTINGS kafka_broker_list = '{bootstrap}', kafka_topic_list = '{topic}', kafka_group_name = 'ch',
    kafka_format = 'JSONEachRow', kafka_num_consumers = 1, kafka_handle_error_mode = 'stream', kafka_flush_interval_ms = 200, kafka_poll_timeout_ms = 50"""


@pytest.mark.timeout(600)
def test_clickhouse_reads_and_writes_topics(stage: Stage, tmp_path: Path):
    """hoga's own trades into a table through a materialized view, across restarts of both sides, and rows from ClickHouse into a topic. A ClickHouse
    that stops reads again what it has not committed: each place of the log is there, some of them twice."""
    up = stage.up("--source", "sim", "--sim-rate", "500").wait_ready()
    create_topic(up.kafka, "back")
    table = """CREATE TABLE trade (code String, sequential_id UInt64, trade_price Float64, k_partition UInt64, k_offset UInt64)
        ENGINE = MergeTree ORDER BY (code, sequential_id)"""
    queue = "CREATE TABLE trade_kafka (code String, sequential_id UInt64, trade_price Float64) " + KAFKA_ENGINE.format(bootstrap=up.kafka, topic="upbit-trade")
    view = """CREATE MATERIALIZED VIEW trade_view TO trade AS
        SELECT code, sequential_id, trade_price, _partition AS k_partition, _offset AS k_offset FROM trade_kafka WHERE length(_error) = 0"""
    house = ClickHouse(tmp_path / "clickhouse")
    try:
        for statement in (table, queue, view):
            house.ask(statement)
        wait_for(lambda: house.ask("SELECT count() > 500 FROM trade") == [[1]], "ClickHouse to read trades", 60, every_s=0.5)
        # rows out: one batch of ClickHouse's producer
        house.ask("CREATE TABLE back (n UInt64, word String) " + KAFKA_ENGINE.format(bootstrap=up.kafka, topic="back"))
        house.ask("INSERT INTO back SELECT number, concat('w', toString(number)) FROM numbers(2000)")
        rows = [json.loads(message.value()) for message in consume(up.kafka, "back", 2_000)]
        assert sorted((int(row["n"]), row["word"]) for row in rows) == [(n, f"w{n}") for n in range(2_000)]
        house.stop()
        house = ClickHouse(tmp_path / "clickhouse")
        wait_for(lambda: house.ask("SELECT count() > 1500 FROM trade") == [[1]], "ClickHouse to go on", 120, every_s=0.5)
        replay = stage.work_dir / "empty.jsonl"
        replay.write_text("")
        kafka = up.kafka
        assert up.stop()[0] == 0
        up = stage.up("--source", f"replay:{replay}", "--kafka", kafka, name="again").wait_ready()
        want = {(message.partition(), message.offset()): json.loads(message.value()) for message in consume(kafka, "upbit-trade", 1_000)}
        places = "SELECT uniqExact(k_partition, k_offset) FROM trade"
        wait_for(lambda: int(house.ask(places)[0][0]) == len(want), "all trades in ClickHouse", 60, every_s=0.5)
        found = house.ask("SELECT k_partition, k_offset, code, sequential_id FROM trade")
        assert {(int(p), int(o)): (code, int(number)) for p, o, code, number in found} == {
            place: (value["code"], value["sequential_id"]) for place, value in want.items()
        }
    finally:
        house.stop()


def test_single_offsets_and_more_partitions(stage: Stage):
    """What Kafka's own tools ask for beside the rest: `--delete-offsets` and `--alter --partitions`; of a topic that is the program's own neither."""
    up = broker(stage)
    create_topic(up.kafka, "grows", 1)
    produce(up.kafka, "grows", [b"%d" % n for n in range(100)])
    at = ["--bootstrap-server", up.kafka]
    java(TOPIC_TOOL, *at, "--alter", "--topic", "grows", "--partitions", "3")
    assert "PartitionCount: 3" in java(TOPIC_TOOL, *at, "--describe", "--topic", "grows")
    places = produce(up.kafka, "grows", [b"more-%d" % n for n in range(300)])
    assert {partition for partition, _ in places.values()} == {0, 1, 2}
    assert len(consume(up.kafka, "grows", 400)) == 400
    kept = admin(up.kafka).create_partitions([NewPartitions("upbit-trade", 5)])["upbit-trade"]
    with pytest.raises(KafkaException, match="needed by the program itself"):
        kept.result(20)
    group_tool = ["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand", *at, "--group", "left"]
    java(*group_tool, "--topic", "grows", "--reset-offsets", "--to-latest", "--execute")
    assert committed(up.kafka, "left", "grows", 3) == 400
    said = java(*group_tool, "--delete-offsets", "--topic", "grows:0")
    assert "Successful" in said, said
    assert 0 < committed(up.kafka, "left", "grows", 3) < 400
    up.kill()
    up = broker(stage, name="again")
    assert len(consume(up.kafka, "grows", 400)) == 400, "more partitions outlive a kill"
    assert 0 < committed(up.kafka, "left", "grows", 3) < 400, "and so does what was forgotten"
