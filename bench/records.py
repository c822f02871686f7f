"""Records of the topics as the collector writes them: 200 markets, busy ones more often, prices that walk at random; the same for every run.

In: how many, from which instant, how many a second of event time. Out: `Record`s in the order of their receipt, each market in its partition.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from itertools import accumulate

from rig import ROOT

sys.path.insert(0, str(ROOT / "tests" / "parity"))

from case import Record  # noqa: E402  (the path above)

MARKETS = 200
PARTITIONS = 3
DELAY_MS = 35  # from the trade to the frame


class Market:
    def __init__(self, number: int):
        self.code = f"KRW-M{number:03}"
        self.opening = self.price = self.high = self.low = round(140_000_000 / (number + 1) ** 2.2, 2)
        self.previous = round(self.price * 1.013, 2)
        self.volume = self.turnover = self.asked = 0.0


def records(kind: str, count: int, start_ms: int, rate: float, seed: int = 1) -> Iterator[Record]:
    """`kind` is ticker or trade."""
    dice = random.Random(seed)
    markets = [Market(number) for number in range(MARKETS)]
    weights = list(accumulate(1 / (number + 3) for number in range(MARKETS)))
    spell = {"ticker": ticker, "trade": trade}[kind]
    for number in range(count):
        index = dice.choices(range(MARKETS), cum_weights=weights)[0]
        market, at = markets[index], start_ms + int(number * 1_000 / rate)
        step = dice.random()
        market.price = round(market.price * (1 + (step - 0.5) * 0.001), 2) or 0.01
        market.high, market.low = max(market.high, market.price), min(market.low, market.price)
        volume = round(dice.random() * 100_000 / market.price, 8)
        side = "BID" if step > 0.49 else "ASK"
        market.volume += volume
        market.turnover += volume * market.price
        market.asked += volume if side == "ASK" else 0
        yield Record(f"upbit-{kind}", index % PARTITIONS, market.code, at + DELAY_MS + 25, spell(market, at, number, volume, side))


def trade(market: Market, at: int, number: int, volume: float, side: str) -> str:
    change = round(market.price - market.previous, 2)
    day = time.gmtime(at / 1_000)
    return (
        f'{{"type":"trade","code":"{market.code}","timestamp":{at + DELAY_MS},"trade_date":"{time.strftime("%Y-%m-%d", day)}","trade_time":"{time.strftime("%H:%M:%S", day)}",'
        f'"trade_timestamp":{at},"trade_price":{market.price},"trade_volume":{volume},"ask_bid":"{side}","prev_closing_price":{market.previous},'
        f'"change":"{"RISE" if change > 0 else "FALL"}","change_price":{abs(change)},"sequential_id":{at * 10_000 + number % 10_000},'
        f'"best_ask_price":{round(market.price * 1.0005, 2)},"best_ask_size":{round(volume * 3, 8)},'
        f'"best_bid_price":{round(market.price * 0.9995, 2)},"best_bid_size":{round(volume * 2, 8)},"stream_type":"REALTIME"}}'
    )


def ticker(market: Market, at: int, number: int, volume: float, side: str) -> str:
    change = round(market.price - market.previous, 2)
    rate, day = change / market.previous, time.gmtime(at / 1_000)
    return (
        f'{{"type":"ticker","code":"{market.code}","opening_price":{market.opening},"high_price":{market.high},"low_price":{market.low},"trade_price":{market.price},'
        f'"prev_closing_price":{market.previous},"acc_trade_price":{market.turnover:.5f},"change":"{"RISE" if change > 0 else "FALL"}","change_price":{abs(change)},'
        f'"signed_change_price":{change},"change_rate":{abs(rate):.10f},"signed_change_rate":{rate:.10f},"ask_bid":"{side}","trade_volume":{volume},'
        f'"acc_trade_volume":{market.volume:.8f},"trade_date":"{time.strftime("%Y%m%d", day)}","trade_time":"{time.strftime("%H%M%S", day)}","trade_timestamp":{at},'
        f'"acc_ask_volume":{market.asked:.8f},"acc_bid_volume":{market.volume - market.asked:.8f},"highest_52_week_price":{round(market.opening * 1.4, 2)},'
        f'"highest_52_week_date":"2025-08-14","lowest_52_week_price":{round(market.opening * 0.5, 2)},"lowest_52_week_date":"2025-04-07","market_state":"ACTIVE",'
        f'"is_trading_suspended":false,"delisting_date":null,"market_warning":"NONE","timestamp":{at + DELAY_MS},"acc_trade_price_24h":{market.turnover * 1.7:.8f},'
        f'"acc_trade_volume_24h":{market.volume * 1.7:.8f},"stream_type":"REALTIME"}}'
    )
