"""What a recorded Upbit frame should become: an independent reading of Upbit's protocol, to judge hoga's.

In: one frame's text. Out: events with DEFAULT names and exact numbers, or why there is none. Source: Upbit's WebSocket reference;
the 2018 samples have no `type` and say `market`/`mk` where later ones say `code`/`cd`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_HALF_UP, Decimal, getcontext

getcontext().prec = 60  # DECIMAL(38, 16) has more digits than the default 28

COMMON = {"ty": "type", "cd": "code", "mk": "market", "tms": "timestamp", "st": "stream_type"}
SIMPLE_NAMES = {
    "ticker": {
        "op": "opening_price", "hp": "high_price", "lp": "low_price", "tp": "trade_price", "pcp": "prev_closing_price",
        "c": "change", "cp": "change_price", "scp": "signed_change_price", "cr": "change_rate", "scr": "signed_change_rate",
        "tv": "trade_volume", "atv": "acc_trade_volume", "atv24h": "acc_trade_volume_24h", "atp": "acc_trade_price",
        "atp24h": "acc_trade_price_24h", "tdt": "trade_date", "ttm": "trade_time", "ttms": "trade_timestamp", "ab": "ask_bid",
        "aav": "acc_ask_volume", "abv": "acc_bid_volume", "h52wp": "highest_52_week_price", "h52wdt": "highest_52_week_date",
        "l52wp": "lowest_52_week_price", "l52wdt": "lowest_52_week_date", "ms": "market_state", "its": "is_trading_suspended",
        "dd": "delisting_date", "mw": "market_warning",
    },
    "trade": {
        "td": "trade_date", "ttm": "trade_time", "ttms": "trade_timestamp", "tp": "trade_price", "tv": "trade_volume",
        "ab": "ask_bid", "pcp": "prev_closing_price", "c": "change", "cp": "change_price", "sid": "sequential_id",
        "bap": "best_ask_price", "bas": "best_ask_size", "bbp": "best_bid_price", "bbs": "best_bid_size",
    },
    "orderbook": {"tas": "total_ask_size", "tbs": "total_bid_size", "obu": "orderbook_units", "lv": "level"},
}  # fmt: skip
SIMPLE_UNIT = {"ap": "ask_price", "bp": "bid_price", "as": "ask_size", "bs": "bid_size"}

PRICE, VOLUME, TURNOVER = "DECIMAL(20,8)", "DECIMAL(24,8)", "DECIMAL(38,16)"
UNIT_COLUMNS = {"ask_price": PRICE, "bid_price": PRICE, "ask_size": VOLUME, "bid_size": VOLUME}
COLUMNS = {
    "ticker": {
        "opening_price": PRICE, "high_price": PRICE, "low_price": PRICE, "trade_price": PRICE, "prev_closing_price": PRICE,
        "change": "STRING", "change_price": PRICE, "signed_change_price": PRICE, "change_rate": "DOUBLE",
        "signed_change_rate": "DOUBLE", "trade_volume": VOLUME, "acc_trade_volume": VOLUME, "acc_trade_volume_24h": VOLUME,
        "acc_trade_price": TURNOVER, "acc_trade_price_24h": TURNOVER, "trade_date": "STRING", "trade_time": "STRING",
        "trade_timestamp": "INSTANT", "ask_bid": "STRING", "acc_ask_volume": VOLUME, "acc_bid_volume": VOLUME,
        "highest_52_week_price": PRICE, "highest_52_week_date": "STRING", "lowest_52_week_price": PRICE,
        "lowest_52_week_date": "STRING", "market_state": "STRING", "is_trading_suspended": "BOOLEAN", "delisting_date": "STRING",
        "market_warning": "STRING", "timestamp": "INSTANT", "stream_type": "STRING",
    },
    "trade": {
        "trade_price": PRICE, "trade_volume": VOLUME, "ask_bid": "STRING", "prev_closing_price": PRICE, "change": "STRING",
        "change_price": PRICE, "trade_date": "STRING", "trade_time": "STRING", "trade_timestamp": "INSTANT",
        "timestamp": "INSTANT", "sequential_id": "BIGINT", "best_ask_price": PRICE, "best_ask_size": VOLUME,
        "best_bid_price": PRICE, "best_bid_size": VOLUME, "stream_type": "STRING",
    },
    "orderbook": {
        "timestamp": "INSTANT", "total_ask_size": VOLUME, "total_bid_size": VOLUME, "orderbook_units": "UNITS", "level": PRICE,
        "stream_type": "STRING",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Event:
    kind: str
    market: str
    fields: dict


@dataclass(frozen=True)
class Control:
    """A status or an error frame: neither a row nor a dead letter."""


@dataclass(frozen=True)
class Dead:
    why: str


def read_frame(text: str) -> list[Event | Control | Dead]:
    try:
        frame = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError:
        return [Dead("not JSON")]
    return [_read_element(element) for element in (frame if isinstance(frame, list) else [frame])]


def _read_element(element) -> Event | Control | Dead:
    if not isinstance(element, dict):
        return Dead("not an object")
    if "status" in element or "error" in element:
        return Control()
    kind = element.get("type", element.get("ty")) or _kind_by_shape(element)
    if kind not in COLUMNS:
        return Dead(f"type {kind}")
    names = COMMON | SIMPLE_NAMES[kind]
    fields = {names.get(key, key): value for key, value in element.items()}
    market = fields.get("code", fields.get("market"))
    if not market:
        return Dead("no market")
    if "orderbook_units" in fields:
        fields["orderbook_units"] = [{SIMPLE_UNIT.get(k, k): v for k, v in unit.items()} for unit in fields["orderbook_units"]]
    return Event(kind, market, fields)


def _kind_by_shape(element: dict) -> str | None:
    for kind, keys in (("trade", {"sid", "sequential_id"}), ("orderbook", {"obu", "orderbook_units"}), ("ticker", {"op", "opening_price"})):
        if keys & element.keys():
            return kind
    return None


def row(event: Event) -> dict:
    """The event as a row of its lake table, but for recv_time, which is not in the frame. dt is the UTC day of the record's own time."""
    values = {name: typed(event.fields.get(name), kind) for name, kind in COLUMNS[event.kind].items()}
    at = values["trade_timestamp" if event.kind == "trade" else "timestamp"]
    return {"market": event.market} | values | {"dt": at.strftime("%Y-%m-%d")}


def typed(value, kind: str):
    """A JSON value as the SQL type, the way psycopg and pypaimon give it back."""
    if value is None:
        return None
    if kind.startswith("DECIMAL"):
        scale = int(kind[:-1].split(",")[1])
        return Decimal(value).quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP)
    match kind:
        case "DOUBLE":
            return float(value)
        case "INSTANT":
            return instant(int(value))
        case "UNITS":
            return [{name: typed(unit[name], unit_kind) for name, unit_kind in UNIT_COLUMNS.items()} for unit in value]
    return value


def instant(ms: int) -> datetime:
    return datetime.fromtimestamp(ms // 1_000, timezone.utc).replace(microsecond=ms % 1_000 * 1_000)
