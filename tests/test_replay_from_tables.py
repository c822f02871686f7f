"""`hoga replay` from before the log's beginning: the records that the log has no more are made of the tables' rows, and with those of the log they are what was
received, each once; without tables it is said where the replay begins."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from harness import Stage, Up, librdkafka, wait_for
from kafka_batches import Record, read_partition
from test_log_replay import Replay

TOPICS = ("upbit-ticker", "upbit-trade", "upbit-orderbook")
TABLES = ("ticker", "trade", "orderbook")
FROM = "2026-01-01"


@pytest.fixture
def shortened(stage: Stage) -> tuple[Up, dict[str, list[list[Record]]]]:
    """A running hoga that has committed all it received, and whose log has lost the older half of two topics and all of the third; what its log had."""
    sim = stage.sim("--markets", "9", "--rate", "600", "--duration", "8s", "--fault", "unknown=0.2,spelling=0.2").wait_ready()
    up = stage.up("--checkpoint-interval", "1s", "--verify-interval", "off", env=sim.env).wait_ready()
    wait_for(lambda: not sim.running(), "the exchange to close", 60)
    wait_for(lambda: up.status()["event_time"] and all(job["lag_records"] == 0 for job in up.status()["jobs"]), "everything to be computed", 60)
    wait_for(lambda: all(table["live_rows"] == 0 for table in up.status()["tables"]), "everything to be committed", 60)
    had = {topic: [read_partition(up.log_dir / f"{topic}-{partition}") for partition in range(3)] for topic in TOPICS}
    assert all(len(records) > 100 for partitions in had.values() for records in partitions)
    cut = [
        TopicPartition(topic, partition, records[-1].offset + 1 if topic == "upbit-orderbook" else records[len(records) // 2].offset)
        for topic, partitions in had.items() for partition, records in enumerate(partitions)
    ]  # fmt: skip
    admin = AdminClient(librdkafka(up.kafka))
    for deleted in admin.delete_records(cut).values():
        deleted.result(30)
    return up, had


def plain(value):
    """Equal numbers as equal texts, and no NULLs."""
    match value:
        case dict():
            return {name: plain(field) for name, field in value.items() if field is not None}
        case list():
            return [plain(element) for element in value]
        case Decimal():
            return value.normalize() + 0
    return value


def fields(value: bytes) -> dict:
    """An event without what no table has."""
    event = plain(json.loads(value, parse_float=Decimal, parse_int=Decimal))
    rates = {name: float(event[name]) for name in ("change_rate", "signed_change_rate") if name in event}
    return {name: field for name, field in event.items() if name != "sim_new_field"} | rates


def summary(records: list[Record]) -> list:
    """In an order of their own: of records of one millisecond the log's is not known any more."""
    return sorted(((r.timestamp_ms, r.key, sorted(fields(r.value).items(), key=str)) for r in records), key=str)


def check(into: Path, had: dict[str, list[list[Record]]]) -> None:
    for topic, partitions in had.items():
        for partition, records in enumerate(partitions):
            made = read_partition(into / "log" / f"{topic}-{partition}")
            assert [r.timestamp_ms for r in made] == sorted(r.timestamp_ms for r in records), (topic, partition)
            assert summary(made) == summary(records), (topic, partition)


def rows(stage: Stage, data: Path, table: str) -> list[str]:
    answer = stage.run("sql", "--data", data, "--format", "csv", "-c", f"SELECT * FROM {table}")
    assert answer.returncode == 0, answer.stderr
    return sorted(answer.stdout.splitlines())


def test_the_log_and_the_tables_together_are_what_was_received(stage: Stage, shortened: tuple[Up, dict]):
    up, had = shortened
    # of one that runs: its log over Kafka, its tables from its page
    running = Replay(stage, stage.work_dir / "running", "--brokers", up.kafka, "--connect", up.url, "--from", FROM, "--exit", name="running")
    assert running.wait(120) == 0, running.output
    check(running.into, had)
    assert up.stop()[0] == 0
    stopped = Replay(stage, stage.work_dir / "stopped", "--data", str(up.data_dir), "--from", FROM, "--exit", name="stopped")
    assert stopped.wait(120) == 0, stopped.output
    check(stopped.into, had)
    for topic in TOPICS:
        assert re.search(rf'INFO .*records that the log has not any more are made of the table\'s rows topic="{topic}"', stopped.stderr), stopped.stderr
    for table in TABLES:
        assert rows(stage, up.data_dir, table) == rows(stage, stopped.into, table) == rows(stage, running.into, table), table

    # from the middle of what the log lacks
    middle = sorted(r.timestamp_ms for records in had["upbit-trade"] for r in records)
    middle = middle[len(middle) // 4]
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(middle // 1000))}.{middle % 1000:03}Z"
    part = Replay(stage, stage.work_dir / "part", "--data", str(up.data_dir), "--from", stamp, "--exit", name="part")
    assert part.wait(120) == 0, part.output
    check(part.into, {topic: [[r for r in records if r.timestamp_ms >= middle] for records in partitions] for topic, partitions in had.items()})


def test_without_tables_the_replay_begins_with_the_log_and_says_so(stage: Stage, shortened: tuple[Up, dict]):
    up, had = shortened
    replay = Replay(stage, stage.work_dir / "log-only", "--brokers", up.kafka, "--from", FROM, "--exit", name="log-only")
    assert replay.wait(120) == 0, replay.output
    assert replay.stderr.count("the log has not all since --from") == 3 and "--connect says whose tables" in replay.stderr, replay.stderr
    assert "nowhere: it is empty" in replay.stderr
    left = {topic: [records[len(records) // 2 :] if topic != "upbit-orderbook" else [] for records in had[topic]] for topic in TOPICS}
    check(replay.into, left)
