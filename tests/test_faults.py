"""Whatever the exchange does, every trade it made is in the lake exactly once, and every hole is in the ledger.

The simulated exchange misbehaves by seed; its truth file says which trades there were. A failing case says how to run it again:
`HOGA_FAULT_SEEDS=7 pytest tests/test_faults.py -k NAME`.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from fake_exchange import FakeExchange, past_trade, trade
from faulty_exchange import assert_ledger, gaps, settled_gaps, start, wait_for_the_truth
from harness import Stage, Up, wait_for
from truth import BAR_SECONDS, bar_differences, bars_from_sql, bars_of, differences, from_disk, from_log, from_sql

SEEDS = [int(seed) for seed in os.environ.get("HOGA_FAULT_SEEDS", "1,2").split(",")]
# One case may wait for all of that; a case that passes takes 40 s.
pytestmark = pytest.mark.timeout(900)

# Each line is one exchange. `any` is one of disconnect, close, error, clock, silence, stall, outage, block.
CASES = {
    "sockets": "disconnect=7,close=11,error=17,duplicate=0.1,unknown=0.05",
    "dead streams": "stall=9:6,late=0.05",
    "lost frames": "lost=0.05,truncated=0.02,garbled=0.02,malformed=0.02",
    "odd frames": "microseconds=0.1,spelling=0.3,text=0.1,reorder=0.2,duplicate=0.1,late=0.1",
    "rest": "disconnect=6,outage=4:5,limit=0.3",
    "clocks": "clock=4:5,disconnect=9,late=0.05",
    "surge": "surge=3:6,disconnect=8",
    "everything": "any=4,lost=0.02,late=0.05,reorder=0.05,limit=0.05",
}


def hoga(stage: Stage, sim, name: str = "up") -> Up:
    env = sim.env | {"HOGA_VERIFY_INTERVAL": "2s", "HOGA_CHECKPOINT_INTERVAL": "5s"}
    return stage.up("--source", "upbit", "--markets", "KRW", env=env, name=name).wait_ready()


def wait_for_the_bars(up: Up, truth) -> None:
    """Every bar that has closed is its trades', those that came late and those that were repaired included; where every gap is repaired, none says incomplete."""

    def wrong() -> str:
        values = "".join(bar_differences(bars_from_sql(up, size)[0], bars_of(truth, size), all_are_closed=False) for size in BAR_SECONDS)
        # a bar whose values were right all along is marked anew at the look that follows the repair
        incomplete = [key for key, state in bars_from_sql(up, "1m")[1].items() if state == "incomplete"]
        return values + (f"incomplete, though every gap is repaired: {incomplete}\n" if incomplete else "")

    try:
        wait_for(lambda: not wrong(), "the bars to be those of the trades", 30, every_s=0.5)
    except AssertionError:
        raise AssertionError(f"{wrong()}\n{up.status()['bars']}") from None


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
@pytest.mark.parametrize("name", CASES)
def test_every_trade_once_and_every_hole_in_the_ledger(stage: Stage, name: str, seed: int):
    print(f"again: HOGA_FAULT_SEEDS={seed} pytest tests/test_faults.py -k '{name}'")
    sim, truth_path = start(stage, CASES[name], seed)
    up = hoga(stage, sim)
    truth = wait_for_the_truth(up, sim, truth_path)
    assert not differences(from_sql(up), truth)
    assert_ledger(up, sim)
    wait_for_the_bars(up, truth)
    time.sleep(3)  # nothing is repaired twice
    assert not differences(from_sql(up), truth)
    assert up.stop()[0] == 0
    assert not differences(from_disk(up.warehouse), truth)
    assert not differences(from_log(up.log_dir), truth)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed {seed}")
def test_killed_again_and_again(stage: Stage, seed: int):
    """kill -9 between and inside gaps and repairs; the process that follows finds the hole and repairs it."""
    print(f"again: HOGA_FAULT_SEEDS={seed} pytest tests/test_faults.py -k killed")
    chance = random.Random(seed)
    sim, truth_path = start(stage, "disconnect=3,stall=2:7,lost=0.02,late=0.05", seed, seconds=30)
    for run in range(4):
        up = hoga(stage, sim, f"up-{run}")
        time.sleep(chance.uniform(0.5, 5))
        up.kill()
        time.sleep(chance.uniform(0, 2))
    up = hoga(stage, sim, "up-last")
    truth = wait_for_the_truth(up, sim, truth_path)
    assert not differences(from_sql(up), truth)
    assert_ledger(up, sim, exact_counts=False)
    wait_for_the_bars(up, truth)
    assert any(gap["cause"] == "restart" for gap in gaps(up))
    assert up.stop()[0] == 0
    assert not differences(from_disk(up.warehouse), truth)


def test_the_ledger_and_its_marks_by_an_exchange_that_shares_no_code(stage: Stage):
    """Two trades are made while nobody is connected, and later one is never sent though the connection stands; REST knows them."""
    ids: list[int] = []

    def script(connection, number):
        if number == 0:
            now = int(time.time() * 1000)
            ids.extend(ms * 10_000 + n for ms, n in ((now, 0), (now + 100, 0), (now + 100, 1), (now + 15_000, 0)))
            fake.ticks["KRW-BTC"] = [past_trade("KRW-BTC", each) for each in ids]
            connection.send(trade("KRW-BTC", ids[0]).encode())
            return  # closes
        connection.send(trade("KRW-BTC", ids[0], stream_type="SNAPSHOT").encode())
        try:
            connection.recv(timeout=120)
        except TimeoutError:
            pass

    fake = FakeExchange(script, ticks={})
    try:
        up = stage.up("--source", "upbit", "--markets", "KRW-BTC", env=fake.env | {"HOGA_VERIFY_INTERVAL": "2s"}).wait_ready()
        rows = lambda: up.query("SELECT sequential_id, stream_type, trade_price, change, change_price FROM upbit.trade ORDER BY 1")
        wait_for(lambda: len(rows()) == 4, "four trades", 60)
        assert [(each, kind) for each, kind, *_ in rows()] == list(zip(ids, ["REALTIME", "REST", "REST", "REST"]))
        assert len({(str(price), change, str(by)) for *_, price, change, by in rows()}) == 1, "REST and WebSocket tell the same"
        found = [gap for gap in settled_gaps(up, 20) if gap["cause"] != "begin"]
        trade_gaps = {gap["cause"]: (gap["state"], gap["trades_repaired"]) for gap in found if gap["channel"] == "trade"}
        assert trade_gaps == {"disconnect": ("repaired", 2), "missed": ("repaired", 1)}
        assert {gap["state"] for gap in found if gap["channel"] != "trade"} == {"lost"}, "tickers and books cannot be repaired"
        health = up.status()["gaps"]
        assert (health["open"], health["pending"], health["trades_repaired_total"]) == (0, 0, 3)
        assert up.stop()[0] == 0
    finally:
        fake.close()


def test_the_faults_are_explained_and_a_wrong_one_is_refused(stage: Stage):
    shown = stage.run("sim", "--help")
    assert shown.returncode == 0
    for fault in ("disconnect=EVERY", "stall=SECONDS[:EVERY]", "lost=RATIO", "any=EVERY"):
        assert fault in shown.stdout
    refused = stage.run("sim", "--fault", "disconnect=5,fire=1")
    assert refused.returncode == 2 and "fire=1" in refused.stderr and "stall=SECONDS[:EVERY]" in refused.stderr
