"""An exchange of a few lines that shares no code with hoga: what the collector does on the wire is judged by it.

In: a script (what to do with each connection), trades and minute bars that REST knows, `markets` that it lists, which may change. Out: what clients sent and asked. Speaks WebSocket,
`/v1/market/all`, `/v1/trades/ticks` and `/v1/candles/minutes/1` on one loopback port.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

MARKETS = [
    {"market": "KRW-BTC", "korean_name": "비트코인", "english_name": "Bitcoin", "market_event": {"warning": False, "caution": {}}},
    {"market": "KRW-ETH", "korean_name": "이더리움", "english_name": "Ethereum", "market_event": {"warning": False, "caution": {}}},
    {"market": "BTC-XRP", "korean_name": "리플", "english_name": "Ripple", "market_event": {"warning": True, "caution": {}}},
]


@dataclass
class Client:
    """One connection as the exchange saw it."""

    headers: dict[str, str]
    at: float
    requests: list = field(default_factory=list)


class FakeExchange:
    """`script(connection, number)` is called once a client has subscribed; number counts connections from 0."""

    def __init__(self, script: Callable[[ServerConnection, int], None], ticks: dict[str, list[dict]] | None = None):
        self.clients: list[Client] = []
        self.markets = [market | {"market_event": dict(market["market_event"])} for market in MARKETS]
        self.ticks = ticks or {}
        self.candles: dict[str, list[dict]] = {}
        self.asked: list[dict[str, str]] = []
        self._script = script
        self._server = serve(self._serve, "127.0.0.1", 0, process_request=self._http, ping_interval=None, compression=None)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        return {"HOGA_UPBIT_WS_URL": f"ws://127.0.0.1:{self.port}/websocket/v1", "HOGA_UPBIT_REST_URL": f"http://127.0.0.1:{self.port}"}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)

    def _http(self, connection: ServerConnection, request):
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return None
        if request.path.startswith("/v1/market/all"):
            response = connection.respond(200, json.dumps(self.markets, ensure_ascii=False))
            response.headers["Content-Type"] = "application/json"
            return response
        if request.path.startswith("/v1/trades/ticks"):
            return connection.respond(200, json.dumps(self._past_trades(request.path)))
        if request.path.startswith("/v1/candles/minutes/1?"):
            return connection.respond(200, json.dumps(self._past_minutes(request.path)))
        return connection.respond(404, '{"error":{"name":404,"message":"not found"}}')

    def _past_trades(self, path: str) -> list[dict]:
        """Newest first, of one UTC day, below the cursor, none from the future."""
        query = dict(parse_qsl(urlsplit(path).query))
        self.asked.append(query)
        below = min(int(query.get("cursor", 2**63)), int(time.time() * 1000) * 10_000)
        day = datetime.now(timezone.utc).date() - timedelta(days=int(query.get("days_ago", 0)))
        rows = [row for row in self.ticks.get(query["market"], []) if row["sequential_id"] < below and row["trade_date_utc"] == day.isoformat()]
        return sorted(rows, key=lambda row: -row["sequential_id"])[: int(query.get("count", 1))]

    def _past_minutes(self, path: str) -> list[dict]:
        """Newest first, before `to`."""
        query = dict(parse_qsl(urlsplit(path).query))
        rows = [row for row in self.candles.get(query["market"], []) if row["candle_date_time_utc"] + "Z" < query["to"]]
        return sorted(rows, key=lambda row: row["candle_date_time_utc"], reverse=True)[: int(query.get("count", 1))]

    def _serve(self, connection: ServerConnection) -> None:
        headers = {k.lower(): v for k, v in connection.request.headers.raw_items()}
        client = Client(headers, time.monotonic())
        number = len(self.clients)
        self.clients.append(client)
        try:
            client.requests.append(json.loads(connection.recv(timeout=10)))
            self._script(connection, number)
        except (ConnectionClosed, TimeoutError):
            pass


def trade(market: str, sequential_id: int, price: str = "91361000.0", stream_type: str = "REALTIME") -> str:
    """A DEFAULT trade frame; the number tokens are written as given."""
    ms = sequential_id // 10_000
    return (
        f'{{"type":"trade","code":"{market}","timestamp":{ms + 50},"trade_date":"2026-07-30","trade_time":"07:04:03","trade_timestamp":{ms},'
        f'"trade_price":{price},"trade_volume":0.01275549,"ask_bid":"ASK","prev_closing_price":91424000.0,"change":"FALL","change_price":63000.0,'
        f'"sequential_id":{sequential_id},"best_ask_price":91370000,"best_ask_size":0.0070459,"best_bid_price":91361000,'
        f'"best_bid_size":0.00196362,"stream_type":"{stream_type}"}}'
    )


def simple_trade(market: str, sequential_id: int) -> str:
    ms = sequential_id // 10_000
    return (
        f'{{"ty":"trade","cd":"{market}","tms":{ms + 50},"td":"2026-07-30","ttm":"07:04:03","ttms":{ms},"tp":1.16539E8,"tv":6E-8,"ab":"BID",'
        f'"pcp":91424000.0,"c":"RISE","cp":63000.0,"sid":{sequential_id},"st":"REALTIME"}}'
    )


def past_trade(market: str, sequential_id: int) -> dict:
    """The same trade as `trade` writes it, as a row of REST."""
    at = datetime.fromtimestamp(sequential_id // 10_000 / 1_000, timezone.utc)
    return {
        "market": market, "trade_date_utc": at.strftime("%Y-%m-%d"), "trade_time_utc": at.strftime("%H:%M:%S"), "timestamp": sequential_id // 10_000,
        "trade_price": 91361000.0, "trade_volume": 0.01275549, "prev_closing_price": 91424000.0, "change_price": -63000.0, "ask_bid": "ASK",
        "sequential_id": sequential_id,
    }  # fmt: skip
