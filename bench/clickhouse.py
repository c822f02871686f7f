"""Dashboard queries over many ticks, hoga beside ClickHouse's MergeTree in the same run, and the bytes a tick takes in both, for the same columns.

The rows are a function of their numbers (200 markets, some much busier; 8.64 ms apart): ClickHouse makes them for itself and for hoga, in the order of their times. MergeTree has the codecs and
the order (code, ts) of a table made for these queries, and bars in a materialized view; then it is optimised to one part a day. hoga's table is written in commits of 30 s as its
pipeline writes it, DECIMALs where ClickHouse has Float64, and its small files are merged. Both are asked over HTTP, each alone, by a client that reads Arrow and decodes none of it; answers are compared.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import requests
from rig import ROOT, heading, quantile, result, stage
from small_commits import example

from programs import ClickHouse  # of tests, found by rig

HERE = Path(__file__).parent
PIPELINE = HERE / "clickhouse.sql"
END_MS = 1_793_491_200_000  # 2026-11-01 00:00:00 UTC
STEP = 1_000_000
ROWS_A_COMMIT = 60_000  # 30 s at 2,000 a second

ROW = """
WITH number AS n, (cityHash64(n, 1) % 1000003) / 1000003 AS u1, (cityHash64(n, 2) % 1000003) / 1000003 AS u2, (cityHash64(n, 3) % 1000003) / 1000003 AS u3,
  toUInt16(floor(200 * u1 * u1)) AS m, toInt64({end}) - toInt64(round(({total} - 1 - n) * 8.64)) AS ms, pow(10, 1 + (m % 7)) * (1 + (m % 13) / 10) AS base,
  (ms % 86400000) / 86400000 AS day, round(base * (1 + 0.03 * sin(6.283185307179586 * (day * 4 + m / 200)) + 0.002 * (u2 - 0.5)), 4) AS price
SELECT fromUnixTimestamp64Milli(ms, 'UTC') AS ts, concat('KRW-C', leftPad(toString(m), 3, '0')) AS code, price AS trade_price, round(base, 4) AS opening_price,
  round(base * 1.031, 4) AS high_price, round(base * 0.969, 4) AS low_price, round(base, 4) AS prev_closing_price,
  round((price - round(base, 4)) / round(base, 4), 10) AS signed_change_rate, multiIf(price > round(base, 4), 'RISE', price < round(base, 4), 'FALL', 'EVEN') AS change,
  if(cityHash64(n, 4) % 2, 'ASK', 'BID') AS ask_bid, round(-log(1 - u3) * 0.5, 8) AS trade_volume, round(1e10 * (1 + m / 200) + n * 0.5, 4) AS acc_trade_price_24h,
  round(1e6 * (1 + m / 200) + n * 0.001, 4) AS acc_trade_volume_24h, fromUnixTimestamp64Milli(ms - toInt64(cityHash64(n, 5) % 50), 'UTC') AS trade_ts
FROM numbers({first}, {rows})
"""
SCHEMA = [
    """CREATE TABLE ticker (ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1)), code LowCardinality(String), trade_price Float64 CODEC(Gorilla, ZSTD(1)),
      opening_price Float64 CODEC(Gorilla, ZSTD(1)), high_price Float64 CODEC(Gorilla, ZSTD(1)), low_price Float64 CODEC(Gorilla, ZSTD(1)),
      prev_closing_price Float64 CODEC(Gorilla, ZSTD(1)), signed_change_rate Float64 CODEC(ZSTD(1)), change LowCardinality(String), ask_bid LowCardinality(String),
      trade_volume Float64 CODEC(ZSTD(1)), acc_trade_price_24h Float64 CODEC(Gorilla, ZSTD(1)), acc_trade_volume_24h Float64 CODEC(Gorilla, ZSTD(1)),
      trade_ts DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))) ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (code, ts)""",
    """CREATE TABLE bar (code LowCardinality(String), minute DateTime('UTC'), open AggregateFunction(argMin, Float64, DateTime64(3, 'UTC')), high SimpleAggregateFunction(max, Float64),
      low SimpleAggregateFunction(min, Float64), close AggregateFunction(argMax, Float64, DateTime64(3, 'UTC')), volume SimpleAggregateFunction(sum, Float64),
      turnover SimpleAggregateFunction(sum, Float64), n SimpleAggregateFunction(sum, UInt64)) ENGINE = AggregatingMergeTree PARTITION BY toYYYYMMDD(minute) ORDER BY (code, minute)""",
    """CREATE MATERIALIZED VIEW bar_mv TO bar AS SELECT code, toStartOfMinute(ts) AS minute, argMinState(trade_price, ts) AS open, max(trade_price) AS high, min(trade_price) AS low,
      argMaxState(trade_price, ts) AS close, sum(trade_volume) AS volume, sum(trade_price * trade_volume) AS turnover, count() AS n FROM ticker GROUP BY code, minute""",
]
DAY, TEN, FIVE = "'2026-10-31 00:00:00'", "'2026-10-31 23:50:00'", "'2026-10-31 23:55:00'"


def since(text: str) -> str:
    return f"ts >= toDateTime64({text}, 3, 'UTC')"


# (what, ClickHouse's words, hoga's): the same columns in the same order
FIRST, LAST = 'first_value(trade_price ORDER BY "timestamp")', 'last_value(trade_price ORDER BY "timestamp")'
MINUTE = "date_trunc('minute', \"timestamp\")"
OHLCV = f'{FIRST} AS open, max(trade_price) AS high, min(trade_price) AS low, {LAST} AS close, sum(trade_volume) AS volume'
CH_OHLCV = "argMin(trade_price, ts) AS open, max(trade_price) AS high, min(trade_price) AS low, argMax(trade_price, ts) AS close, sum(trade_volume) AS volume"
CHANGE = f"(CAST({LAST} AS DOUBLE) / CAST({FIRST} AS DOUBLE) - 1) * 100 AS pct"
CH_CHANGE = "(argMax(trade_price, ts) / argMin(trade_price, ts) - 1) * 100 AS pct"
CH_BARS = "argMinMerge(open) AS open, max(high) AS high, min(low) AS low, argMaxMerge(close) AS close, sum(volume) AS volume"
QUERIES = [
    ("last price of every market, all rows", "SELECT code, argMax(trade_price, ts) AS last, max(ts) AS at FROM ticker GROUP BY code ORDER BY code",
     f'SELECT market, {LAST} AS last, max("timestamp") AS at FROM ticker GROUP BY market ORDER BY market'),
    ("last price, last 10 minutes", f"SELECT code, argMax(trade_price, ts) AS last, max(ts) AS at FROM ticker WHERE {since(TEN)} GROUP BY code ORDER BY code",
     f'SELECT market, {LAST} AS last, max("timestamp") AS at FROM ticker WHERE "timestamp" >= {TEN} GROUP BY market ORDER BY market'),
    ("change over 24 h", f"SELECT code, {CH_CHANGE} FROM ticker WHERE {since(DAY)} GROUP BY code ORDER BY code",
     f'SELECT market, {CHANGE} FROM ticker WHERE "timestamp" >= {DAY} GROUP BY market ORDER BY market'),
    ("1-minute bars, one market, 24 h", f"SELECT toStartOfMinute(ts) AS time, {CH_OHLCV} FROM ticker WHERE code = 'KRW-C000' AND {since(DAY)} GROUP BY time ORDER BY time",
     f"SELECT {MINUTE} AS time, {OHLCV} FROM ticker WHERE market = 'KRW-C000' AND \"timestamp\" >= {DAY} GROUP BY 1 ORDER BY 1"),
    ("1-minute bars, 200 markets, 24 h", f"SELECT code, toStartOfMinute(ts) AS time, {CH_OHLCV} FROM ticker WHERE {since(DAY)} GROUP BY code, time ORDER BY code, time",
     f'SELECT market, {MINUTE} AS time, {OHLCV} FROM ticker WHERE "timestamp" >= {DAY} GROUP BY 1, 2 ORDER BY 1, 2'),
    ("top movers, 5 minutes", f"SELECT code, {CH_CHANGE} FROM ticker WHERE {since(FIVE)} GROUP BY code ORDER BY abs(pct) DESC, code LIMIT 10",
     f'SELECT market, {CHANGE} FROM ticker WHERE "timestamp" >= {FIVE} GROUP BY market ORDER BY abs(pct) DESC, market LIMIT 10'),
    ("surge alert, 5 minutes", f"SELECT code, {CH_CHANGE} FROM ticker WHERE {since(FIVE)} GROUP BY code HAVING abs(pct) >= 0.3 ORDER BY code",
     f'SELECT * FROM (SELECT market, {CHANGE} FROM ticker WHERE "timestamp" >= {FIVE} GROUP BY market) WHERE abs(pct) >= 0.3 ORDER BY market'),
    ("turnover by minute, 24 h", f"SELECT toStartOfMinute(ts) AS time, sum(trade_price * trade_volume) AS turnover, count() AS n FROM ticker WHERE {since(DAY)} GROUP BY time ORDER BY time",
     f'SELECT {MINUTE} AS time, sum(CAST(trade_price AS DOUBLE) * CAST(trade_volume AS DOUBLE)) AS turnover, count(*) AS n FROM ticker WHERE "timestamp" >= {DAY} GROUP BY 1 ORDER BY 1'),
    ("Grafana price, 1 h at 15 s, one market",
     "SELECT toStartOfInterval(toDateTime(ts), INTERVAL 15 second) AS time, avg(trade_price) AS price FROM ticker WHERE ts >= toDateTime(1793487600) AND ts <= toDateTime(1793491200) "
     "AND code = 'KRW-C000' GROUP BY time ORDER BY time",
     "SELECT floor(extract(epoch from \"timestamp\") / 15) * 15 AS time, avg(CAST(trade_price AS DOUBLE)) AS price FROM ticker WHERE \"timestamp\" BETWEEN '2026-10-31T23:00:00Z' AND "
     "'2026-11-01T00:00:00Z' AND market = 'KRW-C000' GROUP BY 1 ORDER BY 1"),
    ("from 1-minute bars: one market", f"SELECT minute AS time, {CH_BARS} FROM bar WHERE code = 'KRW-C000' AND minute >= toDateTime({DAY}, 'UTC') GROUP BY time ORDER BY time",
     f"SELECT window_start, open, high, low, close, volume FROM candle_1m WHERE market = 'KRW-C000' AND window_start >= {DAY} ORDER BY 1"),
    ("from 1-minute bars: 200 markets", f"SELECT code, minute AS time, {CH_BARS} FROM bar WHERE minute >= toDateTime({DAY}, 'UTC') GROUP BY code, time ORDER BY code, time",
     f"SELECT market, window_start, open, high, low, close, volume FROM candle_1m WHERE window_start >= {DAY} ORDER BY 1, 2"),
    ("from 1-minute bars: by minute", f"SELECT minute AS time, sum(turnover) AS turnover, sum(n) AS n FROM bar WHERE minute >= toDateTime({DAY}, 'UTC') GROUP BY time ORDER BY time",
     f"SELECT window_start, sum(turnover) AS turnover, sum(trade_count) AS n FROM candle_1m WHERE window_start >= {DAY} GROUP BY 1 ORDER BY 1"),
]  # fmt: skip


class House(ClickHouse):
    """Told what to do, and asked for Arrow."""

    def bytes(self, statement: str, **settings: object) -> bytes:
        answer = requests.post(self.url, data=statement.encode(), params={"default_format": "ArrowStream", "output_format_arrow_string_as_string": 1, **settings}, timeout=3_600)
        assert answer.ok, answer.text[:2_000]
        return answer.content

    def arrow(self, statement: str) -> pa.Table:
        return pa.ipc.open_stream(self.bytes(statement)).read_all()


class Loader:
    """A table of hoga's, filled by Arrow streams."""

    def __init__(self, folder: Path, table: str):
        self.program = subprocess.Popen(
            [example(), "load", folder, PIPELINE, table, str(ROWS_A_COMMIT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def add(self, stream: bytes) -> None:
        self.program.stdin.write(struct.pack("<Q", len(stream)))
        self.program.stdin.write(stream)

    def finish(self) -> dict:
        told, _ = self.program.communicate()
        assert self.program.returncode == 0, "lake_bench failed"
        return json.loads(told)


def fill_clickhouse(house: House, total: int) -> float:
    for statement in SCHEMA:
        house.bytes(statement)
    began = time.monotonic()
    for first in range(0, total, STEP):
        house.bytes("INSERT INTO ticker " + ROW.format(end=END_MS, total=total, first=first, rows=min(STEP, total - first)))
    for table in ("ticker", "bar"):
        house.bytes(f"OPTIMIZE TABLE {table} FINAL")
    return time.monotonic() - began


def fill_hoga(house: House, folder: Path, total: int) -> tuple[dict, dict]:
    """What the loader says of the ticks, and of the bars."""
    ticks = Loader(folder, "ticker")
    names = "code AS market, ts AS timestamp, trade_price, opening_price, high_price, low_price, prev_closing_price, signed_change_rate, change, ask_bid, trade_volume"
    # with the digits it was made with: a Float64 of ten figures before the point has none to spare for sixteen behind it
    exact = "toDecimal128(toString(acc_trade_price_24h), 4) AS acc_trade_price_24h, toDecimal128(toString(acc_trade_volume_24h), 4) AS acc_trade_volume_24h"
    for first in range(0, total, STEP):
        row = ROW.format(end=END_MS, total=total, first=first, rows=min(STEP, total - first))
        ticks.add(house.bytes(f"SELECT {names}, {exact}, trade_ts AS trade_timestamp, formatDateTime(ts, '%Y-%m-%d') AS dt FROM ({row})"))
    of_ticks = ticks.finish()
    bars = Loader(folder, "candle_1m")
    bars.add(house.bytes(
        "SELECT code AS market, toDateTime64(minute, 3, 'UTC') AS window_start, argMinMerge(open) AS open, max(high) AS high, min(low) AS low, argMaxMerge(close) AS close, "
        "sum(volume) AS volume, sum(turnover) AS turnover, toInt64(sum(n)) AS trade_count, formatDateTime(minute, '%Y-%m-%d') AS dt FROM bar GROUP BY code, minute ORDER BY minute, code"
    ))  # fmt: skip
    return of_ticks, bars.finish()


def timed(ask, runs: int) -> list[float]:
    """Milliseconds, after two that warm up; no more than a minute."""
    took, began = [], time.monotonic()
    for number in range(runs + 2):
        start = time.perf_counter()
        ask()
        took.append((time.perf_counter() - start) * 1e3)
        if number > 4 and time.monotonic() - began > 60:
            break
    return took[2:]


def numbers(table: pa.Table) -> list[tuple]:
    """Rows with floats for all numbers and nothing of what only one of them has: a minute's type."""
    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_unsigned_integer(kind) and kind.bit_width == 32:
            columns.append([None] * len(column))
        elif pa.types.is_decimal(kind) or pa.types.is_floating(kind) or pa.types.is_integer(kind):
            columns.append([float(value) for value in column.to_pylist()])
        else:
            columns.append([str(value) for value in column.to_pylist()])
    return list(zip(*columns)) if columns else []


def same(ours: pa.Table, theirs: pa.Table) -> bool:
    def close(left, right) -> bool:
        return left == right or left is None or right is None or isinstance(left, float) and isinstance(right, float) and math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-6)

    rows = list(zip(numbers(ours), numbers(theirs), strict=False))
    return ours.num_rows == theirs.num_rows and all(close(left, right) for one, other in rows for left, right in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticks", type=int, default=50_000_000)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--query-memory", default="512MiB")
    parser.add_argument("--keep", type=Path, help="a folder to fill once and ask again")
    options = parser.parse_args()
    heading(f"{options.ticks:,} ticks of 14 columns, 200 markets, {options.ticks / 1e7:.1f} days; both over HTTP, Arrow, two warm-ups, {options.runs} runs")
    with stage() as place:
        folder = place.work_dir if options.keep is None else options.keep.absolute()
        folder.mkdir(exist_ok=True)
        is_filled = (folder / "filled.json").exists()
        house = House(folder / "clickhouse")
        try:
            if not is_filled:
                theirs_s = fill_clickhouse(house, options.ticks)
                ticks, bars = fill_hoga(house, folder / "hoga", options.ticks)
                (folder / "filled.json").write_text(json.dumps([theirs_s, ticks, bars]))
            theirs_s, ticks, bars = json.loads((folder / "filled.json").read_text())
            compare(place, house, folder, options, theirs_s, ticks, bars)
        finally:
            house.stop()


def compare(place, house: House, folder: Path, options, theirs_s: float, ticks: dict, bars: dict) -> None:
    [[rows, size]] = house.ask("SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'ticker'")
    rows, size = int(rows), int(size)
    assert rows == ticks["rows"] == options.ticks, (rows, ticks)
    result("rows written a second, one process, with merges", f"{rows / ticks['seconds_with_merges']:,.0f}", f"ClickHouse with its view and OPTIMIZE, rows made by itself: {rows / theirs_s:,.0f}")
    ours, theirs = ticks["bytes"] / rows, size / rows
    print(f"  {'bytes a tick, 14 columns':<58} {theirs / ours:>15.2f}x   hoga {ours:.1f} in {ticks['files']} files, ClickHouse {theirs:.1f}   target >= 1")
    quiet = folder / "empty.jsonl"
    quiet.write_text("")
    up = place.up("--source", f"replay:{quiet}", "--pipeline", str(PIPELINE), "--query-memory", options.query_memory, data_dir=folder / "hoga").wait_ready(timeout_s=120)

    def hoga(sql: str) -> bytes:
        answer = requests.post(f"{up.url}/api/sql?format=arrow", json={"sql": sql}, timeout=600)
        assert answer.ok, answer.text[:2_000]
        return answer.content

    wrong, slow = [], []
    for name, clickhouse_sql, hoga_sql in QUERIES:
        if not same(pa.ipc.open_stream(hoga(hoga_sql)).read_all(), house.arrow(clickhouse_sql)):
            wrong.append(name)
        mine, other = timed(lambda sql=hoga_sql: hoga(sql), options.runs), timed(lambda sql=clickhouse_sql: house.bytes(sql), options.runs)
        ratio = quantile(other, 0.5) / quantile(mine, 0.5)
        if ratio < 0.5:
            slow.append(name)
        print(
            f"  {name:<58} {ratio:>15.2f}x   hoga p50 {quantile(mine, 0.5):,.1f} p95 {quantile(mine, 0.95):,.1f} ms, "
            f"ClickHouse p50 {quantile(other, 0.5):,.1f} p95 {quantile(other, 0.95):,.1f} ms{'   ANSWERS DIFFER' if name in wrong else ''}", flush=True,
        )  # fmt: skip
    result("queries within twice ClickHouse's time", f"{len(QUERIES) - len(slow)} of {len(QUERIES)}", "target: all; slower: " + ", ".join(slow) if slow else "target: all")
    result("answers that differ", f"{len(wrong)}", ", ".join(wrong))


if __name__ == "__main__":
    sys.exit(main())
