"""The trades that `hoga sim --truth FILE` says it made, and the same trades as SQL, disk and log show them.

A trade is keyed by (market, sequential_id); its content is (price, volume, side, execution instant), exact.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from decimal import Decimal, localcontext
from pathlib import Path
from typing import NamedTuple

from harness import Up
from kafka_batches import read_topic
from upbit_frames import Event, instant, read_frame, row


class Trade(NamedTuple):
    price: Decimal
    volume: Decimal
    side: str
    executed: datetime


Trades = dict[tuple[str, int], Trade]


def read_truth(path: Path) -> Trades:
    """A last line that is still being written is not read."""
    trades: Trades = {}
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        fields = json.loads(line, parse_float=Decimal)
        key = fields.get("market") or fields["code"], fields["sequential_id"]
        assert key not in trades, f"the truth has {key} twice"
        trades[key] = Trade(
            Decimal(fields["trade_price"]), Decimal(fields["trade_volume"]), fields["ask_bid"], instant(fields["trade_timestamp"])
        )  # fmt: skip
    return trades


def from_sql(up: Up) -> Trades:
    rows = up.query("SELECT market, sequential_id, trade_price, trade_volume, ask_bid, trade_timestamp FROM upbit.trade")
    return _unique("SQL", ((m, i, Trade(p, v, s, at.astimezone(timezone.utc))) for m, i, p, v, s, at in rows))


def from_disk(warehouse: Path) -> Trades:
    """The table as pypaimon reads it."""
    from pypaimon import CatalogFactory

    table = CatalogFactory.create({"warehouse": str(warehouse)}).get_table("upbit.trade")
    builder = table.new_read_builder()
    columns = ["market", "sequential_id", "trade_price", "trade_volume", "ask_bid", "trade_timestamp"]
    builder = builder.with_projection(columns)
    rows = builder.new_read().to_arrow(builder.new_scan().plan().splits()).select(columns).to_pylist()
    as_utc = lambda at: at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
    return _unique("disk", ((r["market"], r["sequential_id"], Trade(r["trade_price"], r["trade_volume"], r["ask_bid"], as_utc(r["trade_timestamp"]))) for r in rows))


def from_log(log_dir: Path) -> Trades:
    """What was received, by the log's own files. A trade may be there twice: snapshots repeat the last one after a reconnection."""
    trades: Trades = {}
    for record in read_topic(log_dir, "upbit-trade"):
        [event] = read_frame(record.value.decode())
        assert isinstance(event, Event) and event.kind == "trade", record
        assert record.key == event.market.encode()
        values = row(event)
        # numbers may have come as strings
        trade = Trade(Decimal(values["trade_price"]), Decimal(values["trade_volume"]), values["ask_bid"], values["trade_timestamp"])
        key = event.market, int(values["sequential_id"])
        assert trades.setdefault(key, trade) == trade, f"the log has two contents for {key}"
    return trades


BAR_SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "1d": 86_400}
BAR_COLUMNS = "open, high, low, close, volume, turnover, trade_count, buy_volume"

Bars = dict[tuple[str, datetime], tuple]


def bars_of(trades: Trades, size: str) -> Bars:
    """Bars by a plain reading of the trades: open and close by (execution, sequential_id), sums exact."""
    groups: dict[tuple[str, datetime], list] = {}
    for (market, sequential_id), trade in trades.items():
        start = datetime.fromtimestamp(trade.executed.timestamp() // BAR_SECONDS[size] * BAR_SECONDS[size], timezone.utc)
        groups.setdefault((market, start), []).append((trade.executed, sequential_id, trade))
    bars: Bars = {}
    with localcontext() as context:
        context.prec = 60
        for key, rows in groups.items():
            in_order = [trade for _, _, trade in sorted(rows)]
            prices = [t.price for t in in_order]
            bought = sum((t.volume for t in in_order if t.side == "BID"), Decimal(0))
            turnover = sum((t.price * t.volume for t in in_order), Decimal(0))
            bars[key] = (prices[0], max(prices), min(prices), prices[-1], sum(t.volume for t in in_order), turnover, len(in_order), bought)
    return bars


def bars_from_sql(up: Up, size: str) -> tuple[Bars, dict[tuple[str, datetime], str]]:
    """A table's bars, and their states."""
    bars, states = {}, {}
    for market, start, state, *values in up.query(f"SELECT market, window_start, state, {BAR_COLUMNS} FROM upbit.candle_{size}"):
        key = market, start.astimezone(timezone.utc)
        assert key not in bars, f"candle_{size} has {key} twice"
        bars[key], states[key] = tuple(values), state
    return bars, states


def bar_differences(found: Bars, expected: Bars, all_are_closed: bool = True, limit: int = 3) -> str:
    """What a person wants to see. Bars that are not over have no row."""
    missing = sorted(expected.keys() - found.keys()) if all_are_closed else []
    wrong = sorted(key for key in found if found[key] != expected.get(key))
    lines = [f"{len(missing)} of {len(expected)} bars missing: {missing[:limit]}"] if missing else []
    lines += [f"{len(wrong)} of {len(found)} bars wrong: " + ", ".join(f"{k}: {found[k]} / {expected.get(k)}" for k in wrong[:limit])] if wrong else []
    return "\n".join(lines)


def figures(trades: Trades) -> tuple[int, Decimal]:
    return len(trades), sum((t.volume for t in trades.values()), Decimal(0))


FIGURES_SQL = "SELECT count(*), sum(trade_volume) FROM upbit.trade"
# Rows and distinct trades of one moment, while rows keep coming.
BOTH_SQL = "SELECT count(*), count(DISTINCT market || '/' || CAST(sequential_id AS VARCHAR)) FROM upbit.trade"
DISTINCT_SQL = "SELECT count(*) FROM (SELECT DISTINCT market, sequential_id FROM upbit.trade)"


def differences(found: Trades, expected: Trades, limit: int = 5) -> str:
    """What a person wants to see of two sets that should be equal; empty if they are."""
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    changed = sorted(k for k in expected.keys() & found.keys() if expected[k] != found[k])
    lines = []
    for name, keys in (("missing", missing), ("not expected", extra), ("changed", changed)):
        if keys:
            examples = ", ".join(f"{k}: {found.get(k)} / {expected.get(k)}" for k in keys[:limit])
            lines.append(f"{len(keys)} {name} of {len(expected)}: {examples}")
    return "\n".join(lines)


def _unique(where: str, rows) -> Trades:
    trades: Trades = {}
    for market, sequential_id, trade in rows:
        assert (market, sequential_id) not in trades, f"{where} has ({market}, {sequential_id}) twice"
        trades[market, sequential_id] = trade
    return trades
