"""`hoga replay`: recorded records of a log through the same pipeline again give the same bars and alerts, at any speed; and bars that another hand computes
from the same trades are those bars."""

from __future__ import annotations

import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from harness import Program, Stage, Up, free_port, wait_for
from kafka_batches import read_partition, read_topic

# bars of seconds and a rule that fires often, so that seconds of simulated trading are enough
PIPELINE = """
SET 'table.exec.source.idle-timeout' = '600 s';
CREATE TEMPORARY TABLE trades (
  `code` STRING, `trade_price` DECIMAL(20, 8), `trade_volume` DECIMAL(24, 8), `trade_timestamp` BIGINT, `sequential_id` BIGINT,
  `ts` AS TO_TIMESTAMP_LTZ(`trade_timestamp`, 3), WATERMARK FOR `ts` AS `ts` - INTERVAL '1' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'upbit-trade', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TEMPORARY TABLE alerts (`market` STRING, `sequential_id` BIGINT, `turnover` DECIMAL(38, 16))
  WITH ('connector' = 'kafka', 'topic' = 'upbit-alert', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'format' = 'json',
    'json.encode.decimal-as-plain-number' = 'true', 'key.format' = 'raw', 'key.fields' = 'market');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${WAREHOUSE}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.trade (`market` STRING, `trade_price` DECIMAL(20, 8), `trade_volume` DECIMAL(24, 8), `trade_timestamp` BIGINT, `sequential_id` BIGINT);
CREATE TABLE IF NOT EXISTS lake.upbit.bar (
  `market` STRING, `start` STRING, `high` DECIMAL(20, 8), `low` DECIMAL(20, 8), `volume` DECIMAL(38, 8), `trades` BIGINT, PRIMARY KEY (`market`, `start`) NOT ENFORCED
) WITH ('bucket' = '1');
INSERT INTO lake.upbit.trade SELECT `code`, `trade_price`, `trade_volume`, `trade_timestamp`, `sequential_id` FROM trades;
INSERT INTO lake.upbit.bar
SELECT `code`, DATE_FORMAT(`window_start`, 'yyyy-MM-dd HH:mm:ss'), MAX(`trade_price`), MIN(`trade_price`), SUM(`trade_volume`), COUNT(*)
FROM TABLE(TUMBLE(TABLE trades, DESCRIPTOR(`ts`), INTERVAL '1' SECOND)) GROUP BY `code`, `window_start`, `window_end`;
INSERT INTO alerts SELECT `code`, `sequential_id`, CAST(`trade_price` * `trade_volume` AS DECIMAL(38, 16)) FROM trades WHERE `trade_price` * `trade_volume` > 100000;
"""
BARS = 'SELECT market, "start", high, low, volume, trades FROM upbit.bar ORDER BY market, "start"'


@pytest.fixture
def recorded(stage: Stage) -> tuple[Up, Path]:
    """Some seconds of a simulated exchange that have been collected, computed and committed."""
    pipeline = stage.work_dir / "pipeline.sql"
    pipeline.write_text(PIPELINE)
    sim = stage.sim("--markets", "12", "--rate", "1500", "--seed", "11", "--duration", "12s").wait_ready()
    options = ("--pipeline", str(pipeline), "--checkpoint-interval", "1s", "--verify-interval", "off")
    up = stage.up(*options, env=sim.env).wait_ready()
    wait_for(lambda: not sim.running(), "the exchange to close", 60)
    wait_for(lambda: at_rest(up), "everything to be computed", 60)
    return up, pipeline


def at_rest(up: Up) -> bool:
    jobs = up.status()["jobs"]
    before = up.query("SELECT count(*) FROM upbit.trade")
    time.sleep(0.5)
    return all(job["lag_records"] == 0 for job in jobs) and up.query("SELECT count(*) FROM upbit.trade") == before != [(0,)]


def alerts_of(log_dir: Path) -> list[tuple[bytes | None, bytes]]:
    return sorted((record.key or b"", record.value) for record in read_topic(log_dir, "upbit-alert"))


def bars_by_hand(trades: list[tuple]) -> dict[tuple[str, str], tuple]:
    grouped = defaultdict(list)
    for market, price, volume, at_ms, _ in trades:
        grouped[market, time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at_ms // 1000))].append((price, volume))
    return {
        key: (max(p for p, _ in rows), min(p for p, _ in rows), sum((v for _, v in rows), Decimal(0)), len(rows)) for key, rows in grouped.items()
    }  # fmt: skip


class Replay(Program):
    def __init__(self, stage: Stage, into: Path, *args: str, name: str):
        self.http_port, self.postgres_port, self.into = free_port(), free_port(), into
        ports = ["--http", f"127.0.0.1:{self.http_port}", "--postgres", f"127.0.0.1:{self.postgres_port}", "--kafka", "off"]
        super().__init__(["replay", "--into", str(into), "--checkpoint-interval", "1s", *ports, *args], stage.work_dir, name)
        stage._keep(self)


def test_a_replay_gives_what_the_run_gave(stage: Stage, recorded: tuple[Up, Path]):
    up, pipeline = recorded
    bars, trades = up.query(BARS), up.query("SELECT * FROM upbit.trade")
    assert len(bars) > 50 and len(trades) > 1_500
    hand = bars_by_hand(trades)
    assert all(hand[market, start] == tuple(rest) for market, start, *rest in bars), "bars differ from their trades"
    assert sum(bar[-1] for bar in bars) > len(trades) / 2
    # by the running hoga's Kafka listener, ten seconds in a few
    began = time.monotonic()
    live = Replay(stage, stage.work_dir / "live", "--brokers", up.kafka, "--speed", "4", "--pipeline", str(pipeline), "--exit", name="live")
    assert live.wait(60) == 0, live.output
    assert time.monotonic() - began > 2.5, "it was paced"
    assert up.stop()[0] == 0
    alerts = alerts_of(up.log_dir)
    assert len(alerts) > 20

    for speed in ("100", "max"):
        replay = Replay(stage, stage.work_dir / f"replay-{speed}", "--data", str(up.data_dir), "--speed", speed, "--pipeline", str(pipeline), "--exit", name=speed)
        assert replay.wait(60) == 0, replay.output
    for into in ("live", "replay-100", "replay-max"):
        folder = stage.work_dir / into
        again = stage.run("sql", "--data", folder, "--format", "csv", "-c", BARS)
        assert again.stdout.splitlines()[1:] == [",".join(f"{v:f}" if isinstance(v, Decimal) else str(v) for v in bar) for bar in bars], into
        assert alerts_of(folder / "log") == alerts, into
        for partition in ("upbit-trade-0", "upbit-trade-1", "upbit-trade-2"):
            copied, original = (read_partition(log / partition) for log in (folder / "log", up.log_dir))
            assert [(r.key, r.value, r.timestamp_ms, r.headers) for r in copied] == [(r.key, r.value, r.timestamp_ms, r.headers) for r in original]


def test_a_replay_says_so_and_touches_nothing_else(stage: Stage, recorded: tuple[Up, Path]):
    up, pipeline = recorded
    assert up.stop()[0] == 0
    [(first, last)] = [(min(times), max(times)) for times in [[r.timestamp_ms for r in read_topic(up.log_dir, "upbit-trade")]]]
    middle = (first + last) // 2
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(middle // 1000))}.{middle % 1000:03}Z"
    args = ("--data", str(up.data_dir), "--pipeline", str(pipeline), "--from", stamp)
    replay = Replay(stage, stage.work_dir / "half", *args, name="half")
    url = f"http://127.0.0.1:{replay.http_port}"
    source = wait_for(lambda: (s := requests.get(f"{url}/api/status", timeout=5).json()["source"])["state"] == "ended" and s, "the replay's end")
    assert source["name"].startswith(f"replay:{up.data_dir} from {stamp} to now") and source["simulated"]
    assert "RECORDED: not the exchange" in replay.stdout
    assert replay.stop()[0] == 0
    expected = [r for r in read_topic(up.log_dir, "upbit-trade") if r.timestamp_ms >= middle]
    assert len(read_topic(replay.into / "log", "upbit-trade")) == len(expected) > 300

    for args, word in (
        (["--data", up.data_dir, "--into", replay.into], "--into"),
        (["--data", up.data_dir, "--into", "new", "--speed", "0"], "--speed"),
        (["--data", up.data_dir, "--into", "new", "--from", "noon"], "--from"),
        (["--data", up.data_dir, "--into", "new", "--pipeline", pipeline, "--topic", "upbit-alert"], "does not read it"),
        (["--data", stage.work_dir / "none", "--into", "new"], "has no log"),
    ):
        answer = stage.run("replay", *args)
        assert (answer.returncode, word in answer.stderr) == (2, True), answer
    assert not (stage.work_dir / "new").exists()
