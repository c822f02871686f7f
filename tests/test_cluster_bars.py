"""Bars in a cluster: trades that come after their bars had closed are in the bars of every `hoga up --brokers`, whoever leads, and they do not quarrel.

The trades are written into the topics by hand, with times of two hours ago, so that hours close in seconds.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from confluent_kafka import Producer
from harness import Stage, Up, librdkafka, wait_for
from kafka_cluster import KafkaCluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

CONTROL_FRAMES = Path(__file__).parent / "fixtures" / "recorded" / "ws_control_frames_2026-09-23.jsonl"
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP", "KRW-SOL", "KRW-ADA", "KRW-DOGE")
MINUTE, HOUR = 60_000, 3_600_000
SIZES = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": HOUR}


@pytest.fixture
def cluster(tmp_path_factory):
    cluster = KafkaCluster(tmp_path_factory.mktemp("kafka"), brokers=1)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


class Trades:
    """What is in the topic, and the bars that it gives."""

    def __init__(self, cluster: KafkaCluster):
        self.producer = Producer(librdkafka(cluster.bootstrap))
        self.all: list[tuple[str, int, int, Decimal, Decimal]] = []
        self.begin = int(time.time() * 1000) // HOUR * HOUR - 3 * HOUR + HOUR // 2
        self.next_id = self.begin * 10_000

    def put(self, market: str, at_ms: int, price: int) -> None:
        self.next_id += 1
        value = {
            "type": "trade", "code": market, "timestamp": at_ms + 20, "trade_timestamp": at_ms, "trade_price": price, "trade_volume": 0.25, "ask_bid": "BID",
            "sequential_id": self.next_id, "stream_type": "REALTIME",
        }  # fmt: skip
        self.producer.produce("upbit-trade", key=market.encode(), value=json.dumps(value).encode(), timestamp=at_ms + 50)
        self.all.append((market, at_ms, self.next_id, Decimal(price), Decimal("0.25")))

    def flush(self) -> None:
        assert self.producer.flush(30) == 0

    def bars(self, size: str) -> dict[tuple[str, int], tuple]:
        groups = defaultdict(list)
        for market, at_ms, sequential_id, price, volume in self.all:
            groups[market, at_ms // SIZES[size] * SIZES[size]].append((at_ms, sequential_id, price, volume))
        bars = {}
        for key, rows in groups.items():
            prices = [price for _, _, price, _ in sorted(rows)]
            bars[key] = prices[0], max(prices), min(prices), prices[-1], sum(volume for *_, volume in rows), len(rows)
        return bars


def bars_of(up: Up, size: str) -> dict[tuple[str, int], tuple[tuple, str]]:
    rows = up.query(f"SELECT market, CAST(window_start AS BIGINT), open, high, low, close, volume, trade_count, state FROM upbit.candle_{size}")
    return {(market, start): (tuple(values), state) for market, start, *values, state in rows}


def wrong(up: Up, trades: Trades) -> list[str]:
    """Bars of every size that are not what the trades give."""
    return [
        f"{up.name} {size} {key}: {found} / {expected[key]}"
        for size in SIZES
        for expected in [trades.bars(size)]
        for key, (found, _) in bars_of(up, size).items()
        if found != expected[key]
    ]


def leads(up: Up) -> bool:
    return bool(re.search(r"^hoga_collector_leading 1$", requests.get(f"{up.url}/metrics", timeout=5).text, re.M))


def test_late_trades_are_in_the_bars_of_all_and_nobody_quarrels(stage: Stage, cluster: KafkaCluster):
    trades = Trades(cluster)

    def start(name: str) -> Up:
        args = ("--source", f"replay:{CONTROL_FRAMES}", "--brokers", cluster.bootstrap)
        env = {"HOGA_CHECKPOINT_INTERVAL": "2s"}
        return stage.up(*args, env=env, data_dir=stage.work_dir / f"data-{name}", name=name).wait_ready(120)

    ups = [start("one"), start("two")]
    # 95 minutes: the hour in the middle is whole and closes
    for at_ms in range(trades.begin, trades.begin + 95 * MINUTE, 20_000):
        for number, market in enumerate(MARKETS):
            trades.put(market, at_ms + number, 1_000 + at_ms // 1_000 % 97)
    trades.flush()
    hour = trades.begin + HOUR // 2
    for up in ups:
        wait_for(lambda up=up: len([1 for _, start in bars_of(up, "1h") if start == hour]) == len(MARKETS), f"{up.name}: the hour to close", 90, every_s=1)
        assert not wrong(up, trades)

    written = lambda: len(cluster.read("upbit-bar"))
    assert written() == 0, "nothing was late"
    late = hour + 20 * MINUTE + 7_000
    trades.put("KRW-BTC", late, 5_000)
    trades.put("KRW-ETH", late, 1)
    # this one's hour begins before the topic does
    early = trades.begin + 10 * MINUTE + 7_000
    trades.put("KRW-XRP", early, 5_000)
    trades.flush()
    for up in ups:
        wait_for(lambda up=up: not wrong(up, trades), f"{up.name}: the bars to be those of all trades", 60, every_s=1)
        for size in SIZES:
            assert bars_of(up, size)["KRW-BTC", late // SIZES[size] * SIZES[size]][1] == "repaired", size
        assert bars_of(up, "1h")["KRW-XRP", early // HOUR * HOUR][1] == "repaired"
    time.sleep(12)
    count = written()
    assert 12 <= count <= 24, f"{count} corrections of twelve bars: one process writes, or at worst both"
    time.sleep(10)
    assert written() == count, "they agree"

    [leader] = [up for up in ups if leads(up)]
    [other] = [up for up in ups if up is not leader]
    leader.kill()
    trades.put("KRW-SOL", late + MINUTE, 9_000)
    trades.flush()
    wait_for(lambda: not wrong(other, trades), "the other one to correct", 60, every_s=1)

    # a third one that begins with nothing has the same bars, and changes none
    wait_for(lambda: leads(other), "the other one to lead", 60)
    time.sleep(6)
    count = written()
    third = start("three")
    wait_for(lambda: len(bars_of(third, "1h")) >= len(MARKETS), "the third one's bars", 90, every_s=1)
    wait_for(lambda: not wrong(third, trades), "the third one's bars to be right", 60, every_s=1)
    time.sleep(12)
    # what was late for the others is late for it too, and closes after it has read the corrections: it writes the same again
    count, before = written(), count
    assert count - before <= 20
    time.sleep(10)
    assert written() == count, "they agree"
    for up in (other, third):
        assert not wrong(up, trades)
        assert up.stop(60)[0] == 0
