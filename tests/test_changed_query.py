"""A pipeline file is edited between two starts: queries that mean what they meant go on, a changed one is refused by name or begins anew."""

import json
from pathlib import Path

from harness import Stage, Up, wait_for
from kafka_clients import produce

USER_MISTAKE = 2
PIPELINE = """
CREATE TEMPORARY TABLE ticks (`code` STRING, `n` BIGINT)
  WITH ('connector' = 'kafka', 'topic' = 'ticks', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.counted (`code` STRING, `n` BIGINT, PRIMARY KEY (`code`) NOT ENFORCED) WITH ('bucket' = '1');
CREATE TABLE IF NOT EXISTS lake.upbit.summed (`code` STRING, `n` BIGINT, PRIMARY KEY (`code`) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO lake.upbit.counted SELECT `code`, COUNT(*) FROM ticks GROUP BY `code`;
INSERT INTO lake.upbit.summed SELECT `code`, SUM(`n`) FROM ticks GROUP BY `code`;
"""


def start(stage: Stage, path: Path, name: str, *more: str) -> Up:
    quiet = stage.work_dir / "empty.jsonl"
    quiet.write_text("")
    return stage.up("--source", f"replay:{quiet}", "--pipeline", str(path), *more, name=name)


def send(up: Up, *ticks: tuple[str, int]) -> None:
    produce(up.kafka, "ticks", [json.dumps({"code": code, "n": n}).encode() for code, n in ticks])


def see(up: Up, table: str, expected: dict[str, int]) -> None:
    rows = lambda: dict(up.query(f"SELECT code, n FROM upbit.{table}"))
    wait_for(lambda: rows() == expected, f"{table} to be {expected}")


def test_a_changed_query_is_refused_by_name_and_begins_anew_when_told(stage: Stage):
    path = stage.work_dir / "pipeline.sql"
    path.write_text(PIPELINE)
    up = start(stage, path, "first").wait_ready()
    send(up, ("a", 5), ("a", 7), ("b", 1))
    see(up, "counted", {"a": 2, "b": 1})
    see(up, "summed", {"a": 12, "b": 1})
    assert up.stop()[0] == 0

    path.write_text(PIPELINE.replace("SUM(`n`)", "MAX(`n`)"))
    refused = start(stage, path, "refused")
    assert refused.wait() == USER_MISTAKE, refused.output
    assert "summed" in refused.stderr and "counted" not in refused.stderr, refused.stderr
    assert "--reset-changed-queries" in refused.stderr

    up = start(stage, path, "reset", "--reset-changed-queries").wait_ready()
    see(up, "summed", {"a": 12, "b": 1})  # rows that are in the table stay until their key comes again
    send(up, ("a", 3))
    see(up, "summed", {"a": 3, "b": 1})  # MAX of what came since
    see(up, "counted", {"a": 3, "b": 1})  # not changed: it went on
    assert up.stop()[0] == 0

    # once is enough: the checkpoint is of the new query now
    up = start(stage, path, "after").wait_ready()
    send(up, ("a", 2))
    see(up, "counted", {"a": 4, "b": 1})
    see(up, "summed", {"a": 3, "b": 1})
