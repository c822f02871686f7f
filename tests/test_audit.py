"""`hoga audit`: clean where everything is right, and a finding for each kind of wrong that a hand can make."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from fake_exchange import FakeExchange
from harness import Stage, Up, free_port, librdkafka, wait_for

PIPELINE = Path(__file__).parent.parent / "pipeline" / "upbit.sql"
MINUTE = 60_000


def audit(stage: Stage, *args: str, env: dict | None = None) -> tuple[int, list[dict], dict, subprocess.CompletedProcess]:
    """The exit code, the findings, the summary."""
    done = stage.run("audit", "--json", *args, env=env, timeout_s=180)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    summaries = [line for line in lines if line["kind"] == "summary"]
    return done.returncode, [line for line in lines if line["kind"] != "summary"], (summaries or [{}])[0], done


def of(up: Up) -> list[str]:
    return ["--connect", f"postgres://tester@127.0.0.1:{up.postgres_port}/hoga", "--http", f"127.0.0.1:{up.http_port}"]


def iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def kinds(findings: list[dict]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for finding in findings:
        counted[finding["kind"]] = counted.get(finding["kind"], 0) + 1
    return counted


def test_a_simulated_run_is_clean_until_something_is_wrong(stage: Stage):
    """A whole minute is collected, so that the exchange's own bar of it can be asked for; then a trade is appended twice, and the exchange goes."""
    time.sleep((55 - time.time()) % 60)
    sim = stage.sim("--markets", "8", "--rate", "400", "--seed", "3").wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW", env=sim.env | {"HOGA_CHECKPOINT_INTERVAL": "5s"}).wait_ready()
    begun = time.time()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.candle_1m")[0][0] >= 16, "bars of two minutes", 150, every_s=1)
    wait_for(lambda: time.time() > (begun // 60 + 2) * 60 + 13, "a whole minute and a little", 150, every_s=1)
    code, findings, summary, done = audit(stage, *of(up), "--settle", "5s", "--rest", env=sim.env)
    assert (code, findings) == (0, []), done.stdout + done.stderr
    assert summary["clean"] and summary["trades"] > 1_000 and summary["bars"] >= 16 and summary["minutes"] >= 8, summary
    assert summary["compared_up_to"] is not None or summary["notes"], summary
    shown = stage.run("audit", *of(up), "--no-rest")
    assert shown.returncode == 0 and "result     clean" in shown.stdout and "not compared with the exchange" in shown.stdout, shown.stdout

    from confluent_kafka import Consumer, Producer, TopicPartition

    consumer = Consumer({**librdkafka(up.kafka), "group.id": "copy", "enable.auto.commit": False})
    consumer.assign([TopicPartition("upbit-trade", partition, 0) for partition in range(3)])
    message = wait_for(lambda: consumer.poll(1), "a trade in the topic", 30)
    consumer.close()
    producer = Producer(librdkafka(up.kafka))
    producer.produce("upbit-trade", key=message.key(), value=message.value(), partition=message.partition())
    assert producer.flush(20) == 0
    sim.stop()
    wait_for(lambda: up.status()["gaps"]["open"] > 0, "the hole in the ledger", 60)
    wait_for(lambda: up.query("SELECT count(*) FROM (SELECT market, sequential_id FROM upbit.trade GROUP BY 1, 2 HAVING count(*) > 1)") == [(1,)], "the copy in the table", 20)
    code, findings, summary, done = audit(stage, *of(up), "--settle", "5s", env=sim.env)
    assert code == 1 and "differences" in done.stderr, done.stderr
    [duplicate] = [each for each in findings if each["kind"] == "duplicate"]
    assert duplicate["market"] == message.key().decode() and duplicate["rows"] == 2
    assert duplicate["sequential_id"] == json.loads(message.value())["sequential_id"]
    gaps = [each for each in findings if each["kind"] == "gap"]
    assert {gap["state"] for gap in gaps} == {"open"} and len(gaps) == 8 and all(gap["to"] is None for gap in gaps)
    assert any("cannot be asked" in note for note in summary["notes"]), summary["notes"]


class Hand:
    """Records of a few minutes, two hours ago, made by hand: what `hoga run` makes tables of."""

    def __init__(self):
        now = int(time.time() * 1000)
        self.base = now - now % MINUTE - 120 * MINUTE
        self.lines: list[str] = []
        self.trades: list[dict] = []
        self.recv = 0

    def put(self, topic: str, market: str, value: dict, recv_ms: int) -> None:
        self.recv = max(self.recv, recv_ms)
        self.lines.append(json.dumps({"topic": topic, "key": market, "timestamp_ms": self.recv, "value": value}))

    def trade(self, at_ms: int, n: int, price: int, market: str = "KRW-BTC") -> dict:
        at = self.base + at_ms
        value = {
            "type": "trade", "code": market, "timestamp": at + 20, "trade_timestamp": at, "trade_price": price, "trade_volume": 0.25,
            "ask_bid": "BID" if n % 2 else "ASK", "sequential_id": at * 10_000 + n, "stream_type": "REALTIME",
        }  # fmt: skip
        self.put("upbit-trade", market, value, at + 50)
        self.trades.append(value)
        return value

    def gap(self, market: str, channel: str, from_ms: int, to_ms: int | None, cause: str, state: str) -> None:
        value = {
            "market": market, "channel": channel, "gap_from": self.base + from_ms, "gap_to": None if to_ms is None else self.base + to_ms,
            "cause": cause, "state": state, "trades_repaired": 0,
        }  # fmt: skip
        self.put("upbit-gap", market, value, self.recv)

    def candles(self) -> list[dict]:
        """The exchange's bars of what it made, by a definition of our own."""
        minutes: dict[int, list[dict]] = {}
        for trade in self.trades:
            minutes.setdefault(trade["trade_timestamp"] // MINUTE * MINUTE, []).append(trade)
        rows = []
        for start, trades in sorted(minutes.items()):
            unique = {trade["sequential_id"]: trade for trade in trades}
            prices = [unique[key]["trade_price"] for key in sorted(unique)]
            rows.append({
                "market": "KRW-BTC", "candle_date_time_utc": iso(start)[:19], "opening_price": float(prices[0]), "high_price": max(prices), "low_price": min(prices),
                "trade_price": prices[-1], "candle_acc_trade_volume": float(Decimal("0.25") * len(prices)), "unit": 1,
            })  # fmt: skip
        return rows

    def run(self, stage: Stage) -> None:
        records = stage.work_dir / "records.jsonl"
        records.write_text("\n".join(self.lines) + "\n")
        # at a rate, so that the watermark of what came before has passed when the late trade comes
        done = stage.run("run", "--pipeline", PIPELINE, "--input", records, "--data", stage.data_dir, "--rate", "40")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def exchange():
    fake = FakeExchange(lambda connection, number: None)
    yield fake
    fake.close()


def test_each_kind_of_wrong_is_found(stage: Stage, exchange: FakeExchange):
    hand = Hand()
    hand.gap("KRW-BTC", "trade", -1_000, -1_000, "begin", "repaired")
    for minute in (0, 1, 3, 4, 5):
        for n in range(6):
            hand.trade(minute * MINUTE + n * 9_000, n, 1_000 + minute * 10 + n)
    # a trade of the first minute comes when its bar is closed; the bar of every size that it belongs to misses it
    late = hand.trade(100, 7, 5_000)
    # a trade that is in the topic twice
    twice = hand.trade(5 * MINUTE + 50_000, 1, 1_070)
    hand.put("upbit-trade", "KRW-BTC", twice, 0)
    hand.gap("KRW-BTC", "trade", 3 * MINUTE + 1_000, 3 * MINUTE + 9_000, "disconnect", "lost")
    hand.gap("KRW-ETH", "trade", 4 * MINUTE, None, "unanswered", "open")
    hand.gap("KRW-BTC", "ticker", 3 * MINUTE + 1_000, 3 * MINUTE + 9_000, "disconnect", "lost")
    hand.run(stage)

    rows = hand.candles()
    # a minute that we have never heard of, and one whose volume is another; that of the gap is another too, and is not looked at
    nothing = {**rows[0], "candle_date_time_utc": iso(hand.base + 2 * MINUTE)[:19]}
    rows[1]["candle_acc_trade_volume"] = 1.75
    rows[2]["candle_acc_trade_volume"] = 99.0
    exchange.candles["KRW-BTC"] = [*rows, nothing]
    code, findings, summary, done = audit(stage, "--data", str(stage.data_dir), "--rest", env=exchange.env)
    assert code == 1, done.stderr
    bars = [each for each in findings if each["kind"] == "bar"]
    assert [bar["table"] for bar in bars] == ["candle_1m", "candle_5m", "candle_15m", "candle_1h", "candle_1d"], bars
    assert {bar["problem"] for bar in bars} == {"differs"} and bars[0]["start"] == iso(hand.base)
    values = {each["column"]: (each["found"], each["expected"]) for each in bars[0]["values"]}
    assert values == {
        "high": ("1005", "5000"), "volume": ("1.5", "1.75"), "turnover": ("1503.75", "2753.75"), "trade_count": ("6", "7"),
        "buy_volume": ("0.75", "1"),
    }, (values, late)  # fmt: skip
    assert [(each["market"], each["sequential_id"], each["rows"]) for each in findings if each["kind"] == "duplicate"] == [("KRW-BTC", twice["sequential_id"], 2)]
    minutes = {each["start"]: (each["problem"], each["values"]) for each in findings if each["kind"] == "minute"}
    assert minutes == {
        iso(hand.base + MINUTE): ("differs", [{"column": "volume", "found": "1.5", "expected": "1.75"}]),
        iso(hand.base + 2 * MINUTE): ("missing", []),
    }
    gaps = [(each["market"], each["state"], each["cause"], each["to"]) for each in findings if each["kind"] == "gap"]
    assert gaps == [("KRW-BTC", "lost", "disconnect", iso(hand.base + 3 * MINUTE + 9_000)), ("KRW-ETH", "open", "unanswered", None)]
    assert (summary["minutes"], summary["gaps_of_tickers_and_books"], summary["differences"]) == (4, 1, 10), summary

    # only that market, only later: what is left
    code, findings, summary, _ = audit(stage, "--data", str(stage.data_dir), "--markets", "KRW-BTC", "--from", iso(hand.base + 4 * MINUTE), "--no-rest")
    assert code == 1 and kinds(findings) == {"duplicate": 1}, findings
    code, findings, *_ = audit(stage, "--data", str(stage.data_dir), "--markets", "KRW-DOGE", "--no-rest")
    assert (code, findings) == (0, [])


def test_a_folder_without_faults_is_clean_and_the_exchange_may_be_away(stage: Stage):
    hand = Hand()
    hand.gap("KRW-BTC", "trade", -1_000, -1_000, "begin", "repaired")
    for n in range(30):
        hand.trade(n * 7_000, n, 1_000 + n % 5)
    hand.run(stage)
    nobody = {"HOGA_UPBIT_REST_URL": f"http://127.0.0.1:{free_port()}"}
    code, findings, summary, _ = audit(stage, "--data", str(stage.data_dir), env=nobody)
    assert (code, findings) == (0, []) and summary["trades"] == 30 and summary["minutes"] == 0
    assert any("cannot be asked" in note for note in summary["notes"])
    needed = stage.run("audit", "--data", str(stage.data_dir), "--rest", env=nobody)
    assert needed.returncode == 3 and "cannot be asked" in needed.stderr


def test_what_cannot_be_asked_is_said_with_its_exit_code(stage: Stage):
    for args, code, says in [
        (["--connect", f"postgres://127.0.0.1:{free_port()}/hoga"], 3, "no hoga answers"),
        (["--data", str(stage.work_dir / "nothing")], 2, "has no tables"),
    ]:
        done = stage.run("audit", *args)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    shown = stage.run("audit", "--help")
    assert shown.returncode == 0 and "Exit code: 0 clean" in shown.stdout
