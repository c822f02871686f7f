"""The collector on the wire, against an exchange that shares no code with it."""

import time
from decimal import Decimal

import pytest
from fake_exchange import FakeExchange, simple_trade, trade
from harness import Stage, wait_for

FIRST_ID = 17853950437790001


@pytest.fixture
def exchange():
    started: list[FakeExchange] = []

    def start(script) -> FakeExchange:
        started.append(FakeExchange(script))
        return started[-1]

    yield start
    for each in started:
        each.close()


def ids(up) -> list[tuple]:
    return up.query("SELECT market, sequential_id FROM upbit.trade ORDER BY 1, 2")


def stay(connection, seconds: float = 60) -> None:
    """Keeps the connection open until the client leaves."""
    try:
        connection.recv(timeout=seconds)
    except TimeoutError:
        pass


def test_handshake_and_one_request_for_all_streams(stage: Stage, exchange):
    fake = exchange(lambda connection, _: stay(connection))
    stage.up("--source", "upbit", "--markets", "KRW", env=fake.env).wait_ready()
    client = wait_for(lambda: fake.clients and fake.clients[0].requests and fake.clients[0], "the subscription", 15)
    assert "origin" not in client.headers, "with an Origin, Upbit answers one request in ten seconds"
    [request] = client.requests
    assert "ticket" in request[0]
    types = {part["type"]: part for part in request if "type" in part}
    assert types.keys() == {"ticker", "trade", "orderbook"}
    for part in types.values():
        assert sorted(code.split(".")[0] for code in part["codes"]) == ["KRW-BTC", "KRW-ETH"]


def test_every_format_binary_or_text_and_repeated_trades(stage: Stage, exchange):
    """A trade that comes again, as snapshots do after a reconnection, is one row; a list is as many rows as it has elements."""

    def script(connection, number):
        connection.send(trade("KRW-BTC", FIRST_ID, stream_type="SNAPSHOT").encode())
        connection.send(trade("KRW-BTC", FIRST_ID))
        connection.send("[" + trade("KRW-ETH", FIRST_ID) + "," + trade("KRW-ETH", FIRST_ID + 1) + "]")
        connection.send(("[" + simple_trade("KRW-BTC", FIRST_ID + 2) + "]").encode())
        connection.send(simple_trade("KRW-BTC", FIRST_ID - 7).encode())
        connection.send('{"status":"UP"}')
        if number == 0:
            return  # closes; the second connection repeats everything
        connection.send(trade("KRW-BTC", FIRST_ID + 100 + number).encode())
        stay(connection)

    fake = exchange(script)
    up = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env).wait_ready()
    expected = [("KRW-BTC", FIRST_ID - 7), ("KRW-BTC", FIRST_ID), ("KRW-BTC", FIRST_ID + 2), ("KRW-BTC", FIRST_ID + 101)]
    expected += [("KRW-ETH", FIRST_ID), ("KRW-ETH", FIRST_ID + 1)]
    wait_for(lambda: ids(up) == expected, f"{len(expected)} trades, each once", 20)
    assert up.query(f"SELECT trade_price, trade_volume FROM upbit.trade WHERE sequential_id = {FIRST_ID + 2}") == [
        (Decimal("116539000.00000000"), Decimal("0.00000006"))
    ]
    up.kill()
    again = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env, name="again").wait_ready()
    wait_for(lambda: ("KRW-BTC", FIRST_ID + 102) in ids(again), "the third connection's trade", 20)
    assert ids(again) == sorted([*expected, ("KRW-BTC", FIRST_ID + 102)])
    assert again.stop()[0] == 0


def test_refused_request_is_not_repeated(stage: Stage, exchange):
    def script(connection, number):
        connection.send('{"error":{"message":"Format 이 맞지 않습니다.","name":"WRONG_FORMAT"}}'.encode())
        time.sleep(0.15)

    fake = exchange(script)
    up = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env).wait_ready()
    wait_for(lambda: "WRONG_FORMAT" in up.output, "the exchange's reason in the output", 15)
    assert "Format 이 맞지 않습니다." in up.output
    seen = len(fake.clients)
    time.sleep(4)
    assert len(fake.clients) - seen <= 1, "a request that was refused is not sent again and again"
    assert up.running() and up.healthz() == 200


def test_lost_connections_are_retried_with_growing_pauses(stage: Stage, exchange):
    fake = exchange(lambda connection, number: None)
    up = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env).wait_ready()
    time.sleep(6)
    assert 2 <= len(fake.clients) <= 20, f"{len(fake.clients)} connections in 6 s; Upbit allows 5 a second"
    assert up.running()


def test_pings_keep_a_quiet_connection_open(stage: Stage, exchange):
    """Upbit drops a socket after 60 s without a frame from the client; the collector has to ping well before."""
    pinged: list[float] = []

    def script(connection, number):
        original = connection.protocol.recv_frame

        def spy(frame):
            if frame.opcode.name in ("PING", "TEXT"):
                pinged.append(time.monotonic())
            return original(frame)

        connection.protocol.recv_frame = spy
        stay(connection, 40)

    fake = exchange(script)
    stage.up("--source", "upbit", "--markets", "KRW", env=fake.env).wait_ready()
    wait_for(lambda: len(pinged) >= 1, "a ping", 25)
    assert len(fake.clients) == 1
