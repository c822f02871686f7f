"""Inputs that are made and not written down: each function gives one input's records, the same ones every time."""

from __future__ import annotations

import json
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from harness import find_binary
from upbit_frames import Event, read_frame

START_MS = 1_773_014_100_000  # 2026-03-08T23:55:00Z: five minutes before Upbit's next trading day
PRICES = {"KRW-BTC": "91361000", "KRW-ETH": "3100000", "KRW-XRP": "812.5", "KRW-BTT": "0.0006", "BTC-DOGE": "0.00000123", "KRW-DOGE": "231.4"}


def upbit_trades(count: int = 6_000, seed: int = 11, per_second: float = 5.0, disorder_ms: int = 4_000) -> Iterator[dict]:
    """Trades in three partitions by market, none late: up to `disorder_ms` behind the newest. Several share a millisecond, ids are unique and in
    no order, volumes reach billions of units, and the price sometimes jumps by 5 % within a minute."""
    dice = random.Random(seed)
    prices = {market: float(text) for market, text in PRICES.items()}
    digits = {market: len(text.partition(".")[2]) for market, text in PRICES.items()}
    markets = list(PRICES)
    now = START_MS
    for number in range(count):
        now += dice.choice([0, 0, 1]) * round(dice.expovariate(per_second / 3_000))
        market = dice.choices(markets, [6, 4, 3, 2, 1, 2])[0]
        jump = dice.choice([-0.05, 0.05]) if dice.random() < 0.004 else dice.uniform(-0.001, 0.001)
        prices[market] *= 1 + jump
        price = f"{prices[market]:.{digits[market]}f}"
        at = now - (dice.randrange(disorder_ms) if dice.random() < 0.3 else 0)
        volume = dice.choice([0.0005, 0.1, 3.0, 40.0]) * dice.random() * (2e9 if market == "KRW-BTT" else 1)
        fields = {
            "type": "trade", "code": market, "trade_price": price, "trade_volume": f"{volume:.8f}", "ask_bid": dice.choice(["BID", "ASK"]),
            "trade_timestamp": at, "timestamp": at + 40, "sequential_id": at * 10_000 + number * 7_919 % 10_000, "stream_type": "REALTIME",
        }  # fmt: skip
        value = ", ".join(f'"{k}": {v}' if k in ("trade_price", "trade_volume") else f'"{k}": {json.dumps(v)}' for k, v in fields.items())
        yield {"topic": "upbit-trade", "partition": markets.index(market) % 3, "key": market, "timestamp_ms": at + 60, "value": f"{{{value}}}"}


def upbit_markets() -> Iterator[dict]:
    """The list of markets as it changes: first looks, a listing, a warning that is released, cautions, a new name, a delisting and a return; a record of no market."""
    known: dict[str, dict] = {}
    changes = [
        ("KRW-BTC", "first", {}), ("KRW-ETH", "first", {"warning": True, "warning_since": 0}), ("BTC-XRP", "first", {"caution": "GLOBAL_PRICE_DIFFERENCES", "caution_since": 0}),
        ("KRW-NEW", "listing", {"listed_at": 60_000}), ("KRW-ETH", "warning_released", {"warning": False, "warning_since": None}),
        ("KRW-NEW", "caution", {"caution": "PRICE_FLUCTUATIONS,TRADING_VOLUME_SOARING", "caution_since": 90_000}), ("KRW-NEW", "warning", {"warning": True, "warning_since": 95_000}),
        ("KRW-BTC", "renamed", {"english_name": "Bitcoin, the first"}), ("KRW-NEW", "caution_released", {"caution": None, "caution_since": None}),
        ("BTC-XRP", "delisting", {"state": "delisted", "delisted_at": 120_000}), ("BTC-XRP", "listing", {"state": "listed", "delisted_at": None, "listed_at": 180_000}),
        ("KRW-ETH", "delisting", {"state": "delisted", "delisted_at": 200_000}),
    ]  # fmt: skip
    partition = {"KRW-BTC": 0, "KRW-ETH": 1, "BTC-XRP": 2, "KRW-NEW": 0}
    record = lambda market, at, value: {"topic": "upbit-market", "partition": partition[market], "key": market, "timestamp_ms": at, "value": value}
    for number, (market, event, changed) in enumerate(changes):
        at = START_MS + number * 20_000
        start = {"korean_name": f"한 {market}", "english_name": market, "state": "listed", "warning": False, "warning_since": None, "caution": None, "caution_since": None,
                 "first_seen": at, "listed_at": None, "delisted_at": None}  # fmt: skip
        since = {name: START_MS + value if type(value) is int else value for name, value in changed.items()}
        known[market] = known.get(market, {"market": market} | start) | since
        yield record(market, at, json.dumps(known[market] | {"event": event}, ensure_ascii=False))
    yield record("KRW-BTC", START_MS + 900_000, '{"market": null, "event": "listing"}')


def keyed(count: int = 80, seed: int = 3) -> Iterator[dict]:
    """Ticks of four keys (one of them NULL) in time order, several in one millisecond, a NULL in any column now and then."""
    dice = random.Random(seed)
    now = START_MS
    for number in range(count):
        now += dice.choice([0, 0, 400, 900, 5_000, 21_000])
        maybe = lambda value: "null" if dice.random() < 0.12 else json.dumps(value, ensure_ascii=False)
        fields = {
            "id": str(number), "k": dice.choice(['"a"', '"a"', '"b"', '"c"', "null"]), "t": maybe(dice.randrange(-9, 9)), "s": maybe(dice.randrange(-900, 900)),
            "i": maybe(dice.randrange(-50, 50)), "l": maybe(dice.randrange(10**12)), "r": maybe(dice.randrange(-40, 40) / 8),
            "f": maybe(dice.uniform(-5, 5)), "p": maybe(dice.randrange(10**9) / 10_000), "n": maybe(dice.randrange(-500, 500) / 100),
            "c": maybe(dice.choice(["x", "y", "한", "z z", ""])), "b": maybe(dice.random() < 0.5), "at": str(now),
        }  # fmt: skip
        value = "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}"
        yield {"topic": "events", "partition": 0, "key": None, "timestamp_ms": now, "value": value}


def nexmark(count: int = 3_000, seed: int = 42) -> Iterator[dict]:
    """Events in the proportions and the shape of the Nexmark benchmark (1 person : 3 auctions : 46 bids of 50), one topic, in time order."""
    dice = random.Random(seed)
    now, people, auctions = 1_700_000_000_000, 0, 0
    channels = ["Google", "Facebook", "Baidu", "Apple", "channel-17", "channel-4"]
    word = lambda size: "".join(dice.choice("abcdefghij klm") for _ in range(size)).strip()
    for number in range(count):
        now += dice.choice([0, 10, 10, 100, 700])
        turn = number % 50
        if turn == 0:
            person = {"id": 1000 + people, "name": word(9), "emailAddress": f"{word(4)}@{word(4)}.com", "creditCard": "1234 5678", "city": dice.choice(["Phoenix", "Boise", "Kent"]), "state": dice.choice(["AZ", "ID", "OR", "CA"])}
            event, people = {"event_type": 0, "person": person}, people + 1
        elif turn <= 3:
            auction = {"id": 1000 + auctions, "itemName": word(6), "description": word(12), "initialBid": dice.randrange(1, 9_999), "reserve": dice.randrange(1, 20_000), "expires": now + dice.randrange(9_000), "seller": 1000 + dice.randrange(people), "category": 10 + dice.randrange(5)}
            event, auctions = {"event_type": 1, "auction": auction}, auctions + 1
        else:
            channel = dice.choice(channels)
            url = f"https://www.nexmark.com/{word(5).replace(' ', '_')}/{word(5).replace(' ', '_')}/item.htm?query=1" + ("&channel_id=" + str(dice.randrange(9_999)) if dice.random() < 0.6 else "")
            bid = {"auction": 1000 + dice.randrange(max(1, auctions)), "bidder": 1000 + dice.randrange(people), "price": dice.randrange(1, 100_000_000), "channel": channel, "url": url, "extra": word(8)}
            event = {"event_type": 2, "bid": bid}
        for part in ("person", "auction", "bid"):
            if part in event:
                event[part]["dateTime"] = now
        yield {"topic": "nexmark", "partition": 0, "key": None, "timestamp_ms": now, "value": json.dumps(event)}


def recorded_frames() -> Iterator[dict]:
    """Every recorded frame of the exchange that is an event, as the collector puts it into its topic: DEFAULT names, numbers as on the wire. The files
    are of several years; their events come in the order of their time, as a collector would have got them, and none is late."""
    topics = {"ticker": "upbit-ticker", "trade": "upbit-trade", "orderbook": "upbit-orderbook"}
    events: list[Event] = []
    for path in sorted((Path(__file__).parent.parent / "fixtures" / "recorded").glob("*.jsonl")):
        frames = (read_frame(line) for line in path.read_text().splitlines())
        events += [event for frame in frames for event in frame if isinstance(event, Event) and event.kind in topics]
    events.sort(key=lambda event: event.fields.get("trade_timestamp" if event.kind == "trade" else "timestamp") or 0)
    for number, event in enumerate(events, 1):
        partition = sum(event.market.encode()) % 3
        yield {"topic": topics[event.kind], "partition": partition, "key": event.market, "timestamp_ms": START_MS + number, "value": as_json(event.fields)}


def as_json(value: object) -> str:
    """JSON with every Decimal as its own digits."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{as_json(field)}" for key, field in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(as_json, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def sim_hour(rate: int = 4, seed: int = 5) -> Iterator[dict]:
    """An hour of `hoga sim`, made at once: the same records every time."""
    with tempfile.TemporaryDirectory(prefix="hoga-sim-hour-") as folder:
        path = Path(folder) / "hour.jsonl"
        command = [find_binary(), "sim", "--record", path, "--duration", "1h", "--rate", rate, "--markets", 30, "--seed", seed]
        subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
        for line in path.read_text().splitlines():
            head, value = re.fullmatch(r'\{(.*), "value": (.*)\}', line).groups()
            yield json.loads("{" + head + "}") | {"value": value}
