"""A hot copy beside a table for years: what is older than `partition.expiration-time` leaves the one by itself and stays in the other, for hoga and for pypaimon."""

from __future__ import annotations

import json
import time

import pytest
from harness import Stage, Up, wait_for
from kafka_clients import produce

PIPELINE = """
CREATE TEMPORARY TABLE ticks (`code` STRING, `n` BIGINT, `day` STRING)
  WITH ('connector' = 'kafka', 'topic' = 'ticks', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.tick (`code` STRING, `n` BIGINT, `dt` STRING) PARTITIONED BY (`dt`);
CREATE TABLE IF NOT EXISTS lake.upbit.tick_hot (`code` STRING, `n` BIGINT, `dt` STRING) PARTITIONED BY (`dt`) WITH ('partition.expiration-time' = '7 d');
INSERT INTO lake.upbit.tick SELECT `code`, `n`, `day` FROM ticks;
INSERT INTO lake.upbit.tick_hot SELECT `code`, `n`, `day` FROM ticks;
"""
AGES_DAYS = [0, 1, 5, 8, 9, 400]
ROUND_S = 60  # between two looks at the tables


def day(age: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - age * 86_400))


def days_of(up: Up, table: str) -> set[str]:
    return {name for (name,) in up.query(f"SELECT DISTINCT dt FROM upbit.{table}")}


def pypaimon_days(up: Up, table: str) -> set[str]:
    from pypaimon import CatalogFactory

    builder = CatalogFactory.create({"warehouse": str(up.warehouse)}).get_table(f"upbit.{table}").new_read_builder()
    return set(builder.new_read().to_arrow(builder.new_scan().plan().splits())["dt"].to_pylist())


@pytest.mark.timeout(600)
def test_the_hot_copy_loses_its_old_partitions(stage: Stage):
    path, quiet = stage.work_dir / "pipeline.sql", stage.work_dir / "empty.jsonl"
    path.write_text(PIPELINE)
    quiet.write_text("")
    up = stage.up("--source", f"replay:{quiet}", "--pipeline", str(path), "--checkpoint-interval", "1s").wait_ready()
    produce(up.kafka, "ticks", [json.dumps({"code": "a", "n": age, "day": day(age)}).encode() for age in AGES_DAYS])
    every, young = {day(age) for age in AGES_DAYS}, {day(age) for age in AGES_DAYS if age < 7}
    wait_for(lambda: all(table["committed_rows"] == len(AGES_DAYS) for table in up.status()["tables"]), "the rows to be committed", 60)
    assert days_of(up, "tick") == days_of(up, "tick_hot") == every
    wait_for(lambda: days_of(up, "tick_hot") == young, "the old partitions to go by themselves", 2.5 * ROUND_S, every_s=1)
    assert days_of(up, "tick") == every, "those of the table for years stay"
    assert up.status()["care"]["partitions_expired_total"] == len(every - young)
    assert up.stop()[0] == 0
    assert (pypaimon_days(up, "tick_hot"), pypaimon_days(up, "tick")) == (young, every)
