"""Fields that the exchange adds: counted, told, and taken by what `hoga status` says to write into the pipeline file; old rows have NULL, as pypaimon reads them too."""

from __future__ import annotations

import json
import re
from pathlib import Path

import requests
from harness import Stage, Up, wait_for
from kafka_clients import produce

FIELD = "sim_new_field"  # what `hoga sim --fault unknown` adds: {"list":[1,2.5E-3,"ᅋ"],"none":null}
UPBIT_SQL = Path(__file__).parents[1] / "pipeline" / "upbit.sql"
TICKS = """
CREATE TEMPORARY TABLE ticks (`code` STRING, `n` BIGINT)
  WITH ('connector' = 'kafka', 'topic' = 'ticks', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.tick (`code` STRING, `n` BIGINT);
INSERT INTO lake.upbit.tick SELECT `code`, `n` FROM ticks;
"""


def new_fields(up: Up) -> dict[tuple[str, str], dict]:
    return {(field["topic"], field["field"]): field for field in up.status()["new_fields"]}


def with_line(sql: str, statement: str, line: str) -> str:
    """The file with the line put behind the first column of the statement."""
    words = statement.removesuffix(" SELECT").split()
    head = re.escape(words[-1]) + (r" \(" if words[0] == "CREATE" else r"\nSELECT") + r"\n.*\n"
    changed, count = re.subn(rf"({words[0]} .*{head})", lambda found: f"{found[1]}  {line}\n", sql)
    assert count == 1, statement
    return changed


def test_a_new_field_is_told_and_taken(stage: Stage):
    sim = stage.sim("--markets", "6", "--rate", "200", "--fault", "unknown=0.5").wait_ready()
    options = ("--source", "upbit", "--markets", "KRW", "--checkpoint-interval", "1s")
    up = stage.up(*options, env=sim.env).wait_ready()
    topics = ("upbit-ticker", "upbit-trade", "upbit-orderbook")
    found = wait_for(lambda: (f := new_fields(up)) and all((topic, FIELD) in f for topic in topics) and f, "the new field in every topic")
    assert set(found) == {(topic, FIELD) for topic in topics}, "and no other"
    ticker = found["upbit-ticker", FIELD]
    assert ticker["column"] == f"`{FIELD}` STRING" and ticker["example"].startswith('{"list":[1,2.5E-3')
    assert ticker["alter"] == [f"ALTER TABLE lake.upbit.ticker ADD `{FIELD}` STRING;"]
    words = stage.run("status", "--http", f"127.0.0.1:{up.http_port}").stdout
    assert re.search(rf"^new field +upbit-trade\.{FIELD} +\d+ values  such as .*\n +CREATE TABLE trade_topic +`{FIELD}` STRING,$", words, re.M), words
    metrics = requests.get(f"{up.url}/metrics", timeout=5).text
    assert re.search(rf'^hoga_new_field_values_total{{topic="upbit-orderbook",field="{FIELD}"}} [1-9]', metrics, re.M)
    assert len(re.findall(rf"WARN .*topic=\"?upbit-trade\"? field=\"?{FIELD}", re.sub(r"\x1b\[[0-9;]*m", "", up.stderr))) == 1, up.stderr[-3000:]
    wait_for(lambda: up.query("SELECT count(*) FROM candle_1m")[0][0] > 0, "a minute to close", 120)
    assert up.stop()[0] == 0
    before = {name: count_of(stage, up, name) for name in ("ticker", "trade")}

    # what it says, written into the file
    sql = UPBIT_SQL.read_text()
    for topic in ("upbit-ticker", "upbit-trade"):
        for line in found[topic, FIELD]["pipeline"]:
            sql = with_line(sql, **line)
    path = stage.work_dir / "pipeline.sql"
    path.write_text(sql)
    up = stage.up(*options, "--pipeline", str(path), env=sim.env, name="wider").wait_ready()
    for name in before:
        wait_for(lambda name=name: up.query(f"SELECT count({FIELD}) FROM {name}")[0][0] > 20, f"values in {name}")
        assert up.query(f"SELECT DISTINCT {FIELD} FROM {name} WHERE {FIELD} IS NOT NULL") == [('{"list":[1,0.0025,"ᅋ"],"none":null}',)]
    assert set(new_fields(up)) <= {("upbit-orderbook", FIELD)}, "what is declared is no news"
    assert up.stop()[0] == 0
    for name, rows in before.items():
        values = pypaimon_values(up, name)
        assert len(values) > rows and sum(value is None for value in values) >= rows, name
        assert any(value is not None for value in values), name
    assert not stage.panics()


def count_of(stage: Stage, up: Up, name: str) -> int:
    answer = stage.run("sql", "--data", up.data_dir, "--format", "csv", "-c", f"SELECT count(*) FROM {name}")
    return int(answer.stdout.split()[1])


def pypaimon_values(up: Up, name: str) -> list:
    from pypaimon import CatalogFactory

    builder = CatalogFactory.create({"warehouse": str(up.warehouse)}).get_table(f"upbit.{name}").new_read_builder().with_projection([FIELD])
    return builder.new_read().to_arrow(builder.new_scan().plan().splits())[FIELD].to_pylist()


def test_whoever_sends_cannot_make_the_list_long(stage: Stage):
    path, quiet = stage.work_dir / "pipeline.sql", stage.work_dir / "empty.jsonl"
    path.write_text(TICKS)
    quiet.write_text("")
    up = stage.up("--source", f"replay:{quiet}", "--pipeline", str(path)).wait_ready()
    names = [f"x{number}" for number in range(500)] + ["`", "<img src=x>", "\x1b[31m", "y" * 100]
    produce(up.kafka, "ticks", [json.dumps({"code": "a", "n": number, name: "v"}).encode() for number, name in enumerate(names)])
    wait_for(lambda: up.query("SELECT count(*) FROM tick") == [(len(names),)], "every row, whatever else it holds")
    status = up.status()
    assert len(status["new_fields"]) == 32
    assert sum(field["values_total"] for field in status["new_fields"]) + status["new_fields_unlisted_total"] == len(names)
    assert "\x1b" not in stage.run("status", "--http", f"127.0.0.1:{up.http_port}").stdout
    assert len(re.findall("WARN .*do not declare|WARN .*does not declare", up.stderr)) == 33, "each once, and once that there are more"
    metrics = requests.get(f"{up.url}/metrics", timeout=5).text
    assert metrics.count("hoga_new_field_values_total{") == 32
