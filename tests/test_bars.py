"""Bars converge: a trade that comes after its bar had closed is in every bar that it belongs to, of every size, also after kill -9.

The truth is computed here, from what the exchange says it made.
"""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from confluent_kafka import Producer
from fake_exchange import FakeExchange, trade
from faulty_exchange import settled_gaps
from harness import Stage, Up, librdkafka, wait_for
from truth import BAR_COLUMNS, BAR_SECONDS, Trade, Trades, bar_differences, bars_from_sql, bars_of, differences, from_sql, read_truth

SEEDS = [int(seed) for seed in os.environ.get("HOGA_FAULT_SEEDS", "1").split(",")]
MARKETS = ["KRW-BTC", "KRW-ETH", "BTC-XRP"]
DAYS, TRADES = 2.5, 6_000
CORRECTED_S = 60
pytestmark = pytest.mark.timeout(600)


class Story:
    """Trades of some days up to now; some of them are told last, long after their bars have closed."""

    def __init__(self, seed: int):
        dice = random.Random(seed)
        now_ms = int(time.time() * 1000)
        self.trades: Trades = {}
        frames = []
        for number in range(TRADES):
            market = dice.choice(MARKETS)
            ms = now_ms - int(DAYS * 86_400_000 * (1 - number / TRADES)) + dice.randrange(3_000)
            # ids do not follow the time within a moment
            sequential_id = ms * 10_000 + dice.randrange(10_000)
            if (market, sequential_id) in self.trades:
                continue
            price, volume, side = Decimal(dice.randrange(10**9)) / 10**3, Decimal(dice.randrange(1, 10**12)) / 10**8, dice.choice(["ASK", "BID"])
            frame = trade(market, sequential_id, f"{price}").replace('"trade_volume":0.01275549', f'"trade_volume":{volume:f}').replace('"ask_bid":"ASK"', f'"ask_bid":"{side}"')
            self.trades[market, sequential_id] = Trade(price, volume, side, datetime.fromtimestamp(ms / 1000, timezone.utc))
            frames.append(((market, sequential_id), frame))
        # the last ones may be in bars that are open
        old = [each for each in frames if each[0][1] < (now_ms - 600_000) * 10_000]
        self.late = dict(dice.sample(old, len(old) // 8))
        self.late_frames = list(self.late.values())
        dice.shuffle(self.late_frames)
        self.frames = [frame for key, frame in frames if key not in self.late]
        # the watermark of each partition is near the present
        for market in MARKETS:
            self.frames.append(self._present(market, now_ms))
        self.present_ms = now_ms

    def _present(self, market: str, ms: int) -> str:
        sequential_id = ms * 10_000 + 9_999
        self.trades[market, sequential_id] = Trade(Decimal("91361000"), Decimal("0.01275549"), "ASK", datetime.fromtimestamp(ms / 1000, timezone.utc))
        return trade(market, sequential_id)

    def expected(self, size: str):
        """Bars that are over for sure, and those that are not for sure open."""
        length, watermark = timedelta(seconds=BAR_SECONDS[size]), datetime.fromtimestamp(self.present_ms / 1000 - 5.001, timezone.utc)
        return {key: bar for key, bar in bars_of(self.trades, size).items() if key[1] + length <= watermark}


def wrong_bars(up: Up, story: Story) -> str:
    return "\n".join(text for size in BAR_SECONDS if (text := bar_differences(bars_from_sql(up, size)[0], story.expected(size))))


def wait_for_bars(up: Up, story: Story) -> None:
    try:
        wait_for(lambda: not wrong_bars(up, story), "the bars to be those of the trades", CORRECTED_S, every_s=0.5)
    except AssertionError:
        raise AssertionError(f"{wrong_bars(up, story)}\n{up.status()['bars']}\n{differences(from_sql(up), story.trades)}") from None


def wrong_states(up: Up, story: Story, size: str) -> dict:
    """A bar with a trade that was told late is repaired. Others may be: a topic that was empty is behind the others for a moment."""
    found, late = bars_from_sql(up, size)[1], bars_of({key: story.trades[key] for key in story.late}, size)
    return {key: found[key] for key in story.expected(size) if found[key] not in (["repaired"] if key in late else ["repaired", "closed"])}


def exchange_of(story: Story, on_late: threading.Event) -> FakeExchange:
    def last_trades(connection, stream_type: str):
        for market in MARKETS:
            connection.send(trade(market, story.present_ms * 10_000 + 9_999, stream_type=stream_type).encode())

    def script(connection, number):
        if number == 0:
            for frame in story.frames:
                connection.send(frame.encode())
            # an exchange that falls silent is left, and what it may have sent meanwhile is a gap
            for _ in range(60):
                if on_late.wait(1):
                    break
                last_trades(connection, "REALTIME")
            for frame in story.late_frames:
                connection.send(frame.encode())
        else:
            # a new connection begins with the last trade of each market
            last_trades(connection, "SNAPSHOT")
        for _ in range(300):
            try:
                connection.recv(timeout=1)
            except TimeoutError:
                last_trades(connection, "REALTIME")

    return FakeExchange(script, ticks={})


def start(stage: Stage, fake: FakeExchange, name: str = "up") -> Up:
    env = fake.env | {"HOGA_VERIFY_INTERVAL": "off", "HOGA_CHECKPOINT_INTERVAL": "2s"}
    return stage.up("--source", "upbit", "--markets", ",".join(MARKETS), env=env, name=name).wait_ready()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
def test_late_trades_are_in_bars_of_every_size(stage: Stage, seed: int):
    story, on_late = Story(seed), threading.Event()
    fake = exchange_of(story, on_late)
    try:
        up = start(stage, fake)
        wait_for(lambda: len(from_sql(up)) == len(story.frames), "the trades that are told in time", 60)
        # the bars close without the others
        wait_for(lambda: len(bars_from_sql(up, "1d")[0]) >= len(MARKETS) * 2, "days to close", 60)
        time.sleep(2)
        alerts = end_of(up, "upbit-alert")
        on_late.set()
        wait_for(lambda: len(from_sql(up)) == len(story.trades), "all trades", 60)
        wait_for_bars(up, story)
        for size in BAR_SECONDS:
            assert not wrong_states(up, story, size)
        assert Counter(bars_from_sql(up, "1m")[1].values())["closed"] > TRADES / 4, "most had all their trades in time"
        bars = up.status()["bars"]
        assert bars["corrected_total"] > 0 and not bars["failing"] and bars["unexplained_total"] == 0
        print(f"{len(story.late)} trades told late, {bars}")
        assert end_of(up, "upbit-alert") == alerts, "a corrected bar is no news"
        written = end_of(up, "upbit-bar")
        time.sleep(3)
        assert end_of(up, "upbit-bar") == written == bars["corrected_total"], "what is right is not written again"
        assert up.stop()[0] == 0
        assert not on_disk(up, story)
    finally:
        fake.close()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
def test_killed_while_bars_are_computed_again(stage: Stage, seed: int):
    story, on_late, dice = Story(seed + 100), threading.Event(), random.Random(seed)
    fake = exchange_of(story, on_late)
    try:
        up = start(stage, fake, "up-0")
        wait_for(lambda: len(from_sql(up)) == len(story.frames), "the trades that are told in time", 60)
        on_late.set()
        wait_for(lambda: len(from_sql(up)) == len(story.trades), "all trades", 60)
        for run in range(1, 5):
            time.sleep(dice.uniform(0, 1.2))
            up.kill()
            up = start(stage, fake, f"up-{run}")
        wait_for_bars(up, story)
        for size in BAR_SECONDS:
            states = bars_from_sql(up, size)[1]
            assert "incomplete" not in {states[key] for key in story.expected(size)}, size
        up.kill()
        up = start(stage, fake, "up-last")
        wait_for_bars(up, story)
        assert up.stop()[0] == 0
        assert not on_disk(up, story)
    finally:
        fake.close()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
def test_bars_of_an_exchange_that_misbehaves(stage: Stage, seed: int):
    """Lost and late frames, dropped connections, two kills; then every window closes at once, and what is repaired after that is late for all of them."""
    truth_path = stage.work_dir / "truth.jsonl"
    seconds = 40
    sim = stage.sim(
        "--markets", "12", "--rate", "300", "--seed", str(seed), "--duration", f"{seconds}s", "--grace", "600s",
        "--fault", "lost=0.05,late=0.1,disconnect=9,reorder=0.1", truth=truth_path,
    ).wait_ready()  # fmt: skip
    env = sim.env | {"HOGA_VERIFY_INTERVAL": "2s", "HOGA_CHECKPOINT_INTERVAL": "3s"}
    dice = random.Random(seed)
    for run in range(3):
        up = stage.up("--source", "upbit", "--markets", "KRW", env=env, name=f"up-{run}").wait_ready()
        if run < 2:
            time.sleep(dice.uniform(6, 12))
            up.kill()
    wait_for(lambda: "duration is over" in sim.stderr, "the exchange's duration", seconds + 60)
    close_all_windows(up)
    truth = read_truth(truth_path)
    found = lambda: {key: each for key, each in from_sql(up).items() if key[0] != "KRW-END"}
    wait_for(lambda: len(found()) == len(truth), f"{len(truth)} trades", 240, every_s=0.5)
    assert not differences(found(), truth)
    settled_gaps(up)

    def wrong() -> str:
        texts = []
        for size in BAR_SECONDS:
            bars = {key: bar for key, bar in bars_from_sql(up, size)[0].items() if key[0] != "KRW-END"}
            texts.append(bar_differences(bars, bars_of(truth, size)))
        return "".join(texts)

    try:
        wait_for(lambda: not wrong(), "the bars to be those of the trades", CORRECTED_S, every_s=0.5)
    except AssertionError:
        raise AssertionError(f"{wrong()}\n{up.status()['bars']}") from None
    states = lambda: Counter(state for size in BAR_SECONDS for state in bars_from_sql(up, size)[1].values())
    wait_for(lambda: states()["incomplete"] == 0, "no bar to be incomplete", CORRECTED_S)
    print(states(), up.status()["bars"])
    assert states()["repaired"] > 12
    assert up.stop()[0] == 0


def test_a_bar_in_an_open_gap_is_incomplete(stage: Stage):
    """The exchange goes while a bar is open; the bar closes by another market's trades, which come through Kafka."""
    ms = int(time.time() * 1000)
    ids = [ms * 10_000, ms * 10_000 + 1]

    def script(connection, number):
        if number == 0:
            connection.send(trade("KRW-BTC", ids[0], "100").encode())
            connection.send(trade("KRW-BTC", ids[1], "101").encode())
            time.sleep(2)
            return  # closes
        try:
            connection.recv(timeout=300)
        except TimeoutError:
            pass

    fake = FakeExchange(script, ticks={})
    try:
        up = stage.up("--source", "upbit", "--markets", "KRW-BTC", env=fake.env).wait_ready()
        wait_for(lambda: up.query("SELECT count(*) FROM upbit.gap WHERE channel = 'trade' AND state = 'open'")[0][0] == 1, "an open gap", 60)
        close_all_windows(up)
        for size in BAR_SECONDS:
            state = lambda: {bar: each for bar, each in bars_from_sql(up, size)[1].items() if bar[0] == "KRW-BTC"}
            wait_for(lambda: list(state().values()) == ["incomplete"], f"the bar of {size} to be incomplete", 30)
        assert up.stop()[0] == 0
    finally:
        fake.close()


def close_all_windows(up: Up) -> None:
    """A trade of a market of its own, days ahead, in every partition."""
    ms = int(time.time() * 1000) + 3 * 86_400_000
    producer = Producer(librdkafka(up.kafka))
    for partition in range(3):
        value = json.loads(trade("KRW-END", ms * 10_000 + partition))
        producer.produce("upbit-trade", json.dumps(value).encode(), key=b"KRW-END", partition=partition)
    assert producer.flush(20) == 0


def end_of(up: Up, topic: str) -> int:
    [found] = [each for each in up.status()["topics"] if each["name"] == topic]
    return sum(partition["end_offset"] for partition in found["partitions"])


def on_disk(up: Up, story: Story) -> str:
    """The tables as pypaimon reads them."""
    from pypaimon import CatalogFactory

    texts = []
    catalog = CatalogFactory.create({"warehouse": str(up.warehouse)})
    for size in BAR_SECONDS:
        builder = catalog.get_table(f"upbit.candle_{size}").new_read_builder()
        found = {}
        for row in builder.new_read().to_arrow(builder.new_scan().plan().splits()).to_pylist():
            start = row["window_start"]
            start = start.replace(tzinfo=timezone.utc) if start.tzinfo is None else start.astimezone(timezone.utc)
            found[row["market"], start] = tuple(row[name] for name in BAR_COLUMNS.split(", "))
        expected = story.expected(size)
        texts.append(bar_differences({key: bar for key, bar in found.items() if key in expected}, expected))
    return "".join(texts)
