"""A simulated exchange that misbehaves, and what has to come of it: every trade it made, once, and every hole in the ledger."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from harness import Stage, Up, slack, wait_for
from truth import differences, from_sql, read_truth

MARKETS, RATE, SECONDS = 12, 300, 25
# Repair goes on this long after the last trade was made, on a quiet machine: a 418 to REST stops it for 30 s, one to a handshake for up to 150 s.
REPAIR_S = 240

CONNECTION_LOST = {"Disconnect", "Close", "Error"}
FAULT = re.compile(r"^(\S+Z)\s+INFO .*a fault begins fault=(\w+).* at_ms=(\d+) clients=(\d+)", re.M)


def faults_seen(sim) -> list[tuple[datetime, str, int]]:
    """When each fault began, and how many clients there were, as the exchange tells."""
    return [(datetime.fromisoformat(at), name, int(clients)) for at, name, _, clients in FAULT.findall(sim.stderr)]


def gaps(up: Up) -> list[dict]:
    names = ["market", "channel", "gap_from", "gap_to", "cause", "state", "trades_repaired"]
    return [dict(zip(names, row)) for row in up.query(f"SELECT {', '.join(names)} FROM upbit.gap")]


def unsettled(found: list[dict]) -> list[dict]:
    """What is still to be repaired, or open."""
    return [gap for gap in found if gap["state"] in ("open", "pending")]


def settled_gaps(up: Up, timeout_s: float = REPAIR_S) -> list[dict]:
    """The ledger as it was when nothing in it was unsettled. An exchange that is over is silent, and its silence is a new gap soon after: who
    looks at the ledger again sees another one."""
    seen: list[list[dict]] = []

    def settled() -> bool:
        seen[:] = [gaps(up)]
        return not unsettled(seen[0])

    try:
        wait_for(settled, "every gap to be settled", timeout_s, every_s=0.5)
    except AssertionError:
        raise AssertionError(f"unsettled after {timeout_s} s: {unsettled(seen[0])[:5]}; {up.status()['gaps']}") from None
    return seen[0]


def start(stage: Stage, faults: str, seed: int, seconds: int = SECONDS, rate: int = RATE):
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim(
        "--markets", str(MARKETS), "--rate", str(rate), "--seed", str(seed), "--duration", f"{seconds}s", "--grace", "600s",
        "--fault", faults, truth=truth_path,
    )  # fmt: skip
    # faults begin with the first subscription: until then it answers
    return sim.wait_ready(), truth_path


def wait_for_the_truth(up: Up, sim, truth_path: Path):
    """Waits until the exchange has closed and the lake is what it says; gives the truth."""
    wait_for(lambda: "duration is over" in sim.stderr, "the exchange's duration", SECONDS + 60)
    truth = read_truth(truth_path)
    assert len(truth) > 200, "the simulator made hardly any trades"
    try:
        wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] >= len(truth), f"{len(truth)} trades", REPAIR_S, every_s=0.5)
    except AssertionError:
        raise AssertionError(f"{differences(from_sql(up), truth)}\nunsettled: {unsettled(gaps(up))[:5]}") from None
    settled_gaps(up)
    return truth


def assert_ledger(up: Up, sim, exact_counts: bool = True) -> None:
    found = settled_gaps(up)
    begun = {(gap["market"], gap["channel"]) for gap in found if gap["cause"] == "begin"}
    assert {channel for _, channel in begun} == {"ticker", "trade", "orderbook"}
    for gap in found:
        assert gap["gap_to"] is not None and gap["gap_from"] <= gap["gap_to"], gap
        expected = "repaired" if gap["channel"] == "trade" else "begin" if gap["cause"] == "begin" else "lost"
        assert gap["state"] == expected, gap
    began = min(gap["gap_from"] for gap in found)
    slop = timedelta(seconds=3 * slack())
    for at, fault, clients in faults_seen(sim):
        if fault not in CONNECTION_LOST or clients == 0 or at < began:
            continue
        for market, channel in begun:
            covering = [g for g in found if (g["market"], g["channel"]) == (market, channel) and g["gap_from"] <= at + slop and g["gap_to"] >= at - slop and g["cause"] != "begin"]
            assert covering, f"{fault} at {at}: no gap of {channel} of {market} in the ledger"
    repaired = sum(gap["trades_repaired"] for gap in found)
    [(marked,)] = up.query("SELECT count(*) FROM upbit.trade WHERE stream_type = 'REST'")
    assert repaired == marked if exact_counts else repaired <= marked, f"{repaired} repaired by the ledger, {marked} marked in the table"
