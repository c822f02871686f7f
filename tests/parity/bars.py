"""Bars by a plain reading of the trades: what `pipeline/upbit.sql` must give, said without SQL. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal, localcontext

from case import Record
from compare import Row, canonical_rows

LENGTHS_MS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000, "1d": 86_400_000}


def bars_of(records: list[Record], length_ms: int) -> list[Row]:
    """Canonical rows as `candle_…` has them: open and close by (trade_timestamp, sequential_id), sums exact."""
    groups: dict[tuple[str, int], list[dict]] = {}
    for record in records:
        trade = json.loads(record.value, parse_float=Decimal)
        at = trade["trade_timestamp"]
        groups.setdefault((trade["code"], at - at % length_ms), []).append(trade)
    return canonical_rows([_bar(market, start, length_ms, trades) for (market, start), trades in groups.items()])


def _bar(market: str, start_ms: int, length_ms: int, trades: list[dict]) -> Row:
    trades.sort(key=lambda trade: (trade["trade_timestamp"], trade["sequential_id"]))
    instant = lambda ms: datetime.fromtimestamp(ms / 1000, timezone.utc)
    with localcontext() as context:
        context.prec = 60
        prices = [_exact(trade["trade_price"], 8) for trade in trades]
        volumes = [_exact(trade["trade_volume"], 8) for trade in trades]
        return {
            "market": market, "window_start": instant(start_ms), "window_end": instant(start_ms + length_ms),
            "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1],
            "volume": sum(volumes), "turnover": _exact(sum(p * v for p, v in zip(prices, volumes, strict=True)), 16), "trade_count": len(trades),
            "buy_volume": _exact(sum(v for t, v in zip(trades, volumes, strict=True) if t["ask_bid"] == "BID"), 8),
            "state": "closed", "dt": instant(start_ms).strftime("%Y-%m-%d"),
        }  # fmt: skip


def _exact(value, digits: int) -> Decimal:
    return Decimal(value).quantize(Decimal(1).scaleb(-digits))
