"""Upbit's list of markets, watched: who is listed and delisted, warned and released, and since when; what is collected follows it."""

from __future__ import annotations

import json
import time

import pytest
from fake_exchange import FakeExchange, past_trade, trade
from faulty_exchange import gaps, settled_gaps
from harness import Stage, Up, wait_for
from kafka_batches import read_topic
from truth import differences, from_sql, read_truth

pytestmark = pytest.mark.timeout(300)
WATCHED = {"HOGA_MARKET_LIST_INTERVAL": "1s", "HOGA_VERIFY_INTERVAL": "off"}
COLUMNS = ["market", "korean_name", "state", "warning", "warning_since", "caution", "caution_since", "first_seen", "listed_at", "delisted_at"]


def markets(up: Up) -> dict[str, dict]:
    return {row[0]: dict(zip(COLUMNS, row)) for row in up.query(f"SELECT {', '.join(COLUMNS)} FROM upbit.market")}


def alerts(up: Up) -> list[tuple[str, str]]:
    found = [json.loads(record.value) for record in read_topic(up.log_dir, "upbit-alert")]
    return [(alert["market"], alert["rule"]) for alert in found if alert["rule"] not in ("surge", "plunge", "whale")]


def listed(code: str, **caution: bool) -> dict:
    return {"market": code, "korean_name": f"한 {code}", "english_name": code, "market_event": {"warning": False, "caution": caution}}


@pytest.fixture
def exchange():
    """Every connection gets a snapshot of a trade of each market it asks for, and then stays."""

    def script(connection, number):
        asked = fake.clients[number].requests[0]
        for code in asked[1]["codes"]:
            for each in fake.ticks.get(code, [])[-1:]:
                connection.send(trade(code, each["sequential_id"], stream_type="SNAPSHOT").encode())
        while True:
            connection.recv(timeout=120)

    fake = FakeExchange(script, ticks={code: [past_trade(code, int(time.time() * 1000) * 10_000)] for code in ("KRW-BTC", "KRW-ETH")})
    yield fake
    fake.close()


def test_every_change_of_the_list_is_a_row_and_what_is_news_is_an_alert(stage: Stage, exchange):
    up = stage.up("--source", "upbit", "--markets", "KRW", env=exchange.env | WATCHED).wait_ready()
    first = wait_for(lambda: markets(up), "the list")
    assert {code: row["state"] for code, row in first.items()} == {"KRW-BTC": "listed", "KRW-ETH": "listed", "BTC-XRP": "listed"}
    assert first["BTC-XRP"]["warning"] and first["BTC-XRP"]["warning_since"] == first["BTC-XRP"]["first_seen"]
    assert first["KRW-BTC"]["listed_at"] is None and first["KRW-BTC"]["korean_name"] == "비트코인"
    wait_for(lambda: len(exchange.clients) == 1, "a connection")

    # an hour in the life of the exchange: a listing with a trade of the minute before, warnings, a release, a delisting
    new = int(time.time() * 1000) * 10_000
    exchange.ticks["KRW-NEW"] = [past_trade("KRW-NEW", new), past_trade("KRW-NEW", new + 1), past_trade("KRW-NEW", new + 2)]
    btc, eth, xrp = exchange.markets
    btc["market_event"]["caution"] = {"PRICE_FLUCTUATIONS": True, "GLOBAL_PRICE_DIFFERENCES": True}
    eth["market_event"]["warning"] = True
    xrp["market_event"]["warning"] = False
    exchange.markets[:] = [btc, eth, xrp, listed("KRW-NEW"), listed("BTC-NEW")]
    changed = wait_for(lambda: (found := markets(up)) and "KRW-NEW" in found and found, "the listing", 20)
    assert changed["KRW-BTC"]["caution"] == "GLOBAL_PRICE_DIFFERENCES,PRICE_FLUCTUATIONS"
    assert changed["KRW-ETH"]["warning_since"] > changed["KRW-ETH"]["first_seen"]
    assert (changed["BTC-XRP"]["warning"], changed["BTC-XRP"]["warning_since"]) == (False, None)
    assert changed["KRW-NEW"]["listed_at"] == changed["KRW-NEW"]["first_seen"]
    expected = {("KRW-BTC", "caution"), ("KRW-ETH", "warning"), ("BTC-XRP", "warning_released"), ("KRW-NEW", "listing"), ("BTC-NEW", "listing")}
    wait_for(lambda: set(alerts(up)) == expected, "five alerts", 20)

    # it is collected without a restart, on a connection that replaced the old one, with its trades since the listing
    wait_for(lambda: len(exchange.clients) == 2 and exchange.clients[1].requests, "a new connection that asks", 20)
    assert exchange.clients[1].requests[0][1]["codes"] == ["KRW-BTC", "KRW-ETH", "KRW-NEW"], "BTC markets were not asked for"
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade WHERE market = 'KRW-NEW'") == [(3,)], "the new market's trades", 60)
    assert not [gap for gap in gaps(up) if gap["cause"] != "begin"], "replacing a connection is no gap"
    wait_for(lambda: up.status()["source"]["connections"]["renewed_total"] == 1, "the old connection to be closed", 30)

    exchange.markets[:] = [btc, xrp, listed("KRW-NEW"), listed("BTC-NEW")]
    gone = wait_for(lambda: (found := markets(up)) and found["KRW-ETH"]["state"] == "delisted" and found, "the delisting", 20)
    assert gone["KRW-ETH"]["delisted_at"] > gone["KRW-ETH"]["first_seen"]
    wait_for(lambda: len(exchange.clients) == 3 and exchange.clients[2].requests, "a connection without it", 30)
    assert exchange.clients[2].requests[0][1]["codes"] == ["KRW-BTC", "KRW-NEW"]
    expected |= {("KRW-ETH", "delisting")}
    wait_for(lambda: set(alerts(up)) == expected, "an alert of the delisting", 20)
    assert len(alerts(up)) == len(expected), "each once"

    # a restart knows the list: what changed meanwhile is news, what did not is not, and nobody waits for the delisted one
    assert up.stop()[0] == 0
    btc["market_event"]["warning"] = True
    up = stage.up("--source", "upbit", "--markets", "KRW", env=exchange.env | WATCHED, name="again").wait_ready()
    expected |= {("KRW-BTC", "warning")}
    wait_for(lambda: set(alerts(up)) == expected, "an alert of the warning", 20)
    assert not [gap for gap in settled_gaps(up, 60) if gap["market"] == "KRW-ETH" and gap["cause"] == "restart"]
    assert len(alerts(up)) == len(expected), "each once"
    assert up.stop()[0] == 0


def test_a_market_that_comes_and_goes_is_complete_when_it_is_there(stage: Stage):
    """The simulator delists a market and lists it again; its truth has no trade of it while it is not listed."""
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "8", "--rate", "300", "--duration", "24s", "--grace", "600s", "--fault", "listing=6", truth=truth_path).wait_ready()
    up = stage.up("--source", "upbit", "--markets", "all", env=sim.env | WATCHED).wait_ready()
    wait_for(lambda: "duration is over" in sim.stderr, "the exchange's duration", 90)
    truth = read_truth(truth_path)
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] >= len(truth), f"{len(truth)} trades", 60)
    assert not differences(from_sql(up), truth)
    settled_gaps(up, 90)
    rules = [rule for _, rule in alerts(up)]
    assert rules.count("delisting") >= 1 and rules.count("listing") >= 1, alerts(up)
    assert len({market for market, _ in alerts(up)}) >= 1
    assert up.stop()[0] == 0


def test_an_exchange_that_refuses_the_list_is_asked_again(stage: Stage):
    sim = stage.sim("--markets", "3", "--rate", "50", "--fault", "outage=3:2,limit=0.3").wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW", env=sim.env | WATCHED).wait_ready()
    wait_for(lambda: "the list of markets was not read" in up.stderr, "a refusal", 30)
    wait_for(lambda: len(markets(up)) == 3, "the list", 30)
    assert up.healthz() == 200 and not alerts(up)
    assert up.stop()[0] == 0
