"""Several connections to the exchange: each frame once, a dead socket costs nothing, two dead sockets are a gap like any other.

The simulated exchange sends all of its sockets the same. What it made is in its truth file (trades) and in its last line (tickers and order books);
beside that there is one snapshot of each market's ticker and book for every time that nobody was connected.
"""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import requests
from faulty_exchange import gaps, settled_gaps
from harness import Stage, Up, slack, wait_for
from truth import differences, from_disk, from_sql, read_truth

MARKETS, RATE, SECONDS = 10, 300, 15
MADE = re.compile(r"made \d+ events: (\d+) tickers, (\d+) trades, (\d+) order books")
pytestmark = pytest.mark.timeout(300)


def exchange(stage: Stage, faults: str):
    """`faults`: EVERY(2) is two seconds, and more on a busy machine: a socket must be back, with all markets, before the next one dies."""
    pace = min(slack(), 4)
    truth_path = stage.work_dir / "truth.jsonl"
    faults = re.sub(r"EVERY\(([\d.]+)\)", lambda every: f"{float(every[1]) * pace:.1f}", faults)
    sim = stage.sim(
        "--markets", str(MARKETS), "--rate", str(RATE), "--duration", f"{SECONDS * pace:.0f}s", "--grace", "600s", *(["--fault", faults] if faults else []),
        truth=truth_path,
    )  # fmt: skip
    return sim.wait_ready(), truth_path


def connected(stage: Stage, sim, connections: int, **env: str) -> Up:
    env = sim.env | {"HOGA_VERIFY_INTERVAL": "off", "HOGA_CONNECTIONS": str(connections)} | env
    return stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()


def wait_for_trades(up: Up, sim, truth_path: Path):
    wait_for(lambda: "duration is over" in sim.stderr, "the exchange's duration", 4 * SECONDS + 60)
    truth = read_truth(truth_path)
    assert len(truth) > 200
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] >= len(truth), f"{len(truth)} trades", 60)
    assert not differences(from_sql(up), truth)
    return truth


def made(sim) -> tuple[int, int]:
    """Tickers and order books, once the exchange is stopped."""
    assert sim.stop()[0] == 0
    tickers, _, books = MADE.search(sim.stdout).groups()
    return int(tickers), int(books)


def rows(up: Up, table: str) -> int:
    return up.query(f"SELECT count(*) FROM upbit.{table}")[0][0]


def read_to_the_end(up: Up):
    wait_for(lambda: all(job["lag_records"] == 0 for job in up.status()["jobs"]), "all topics to be read", 60)


def wait_for_each_once(up: Up, sim):
    """Every ticker and book that the exchange made, and the first snapshot of each market: whoever waits for the trades does not wait for these."""
    wanted = tuple(count + MARKETS for count in made(sim))
    found = lambda: (rows(up, "ticker"), rows(up, "orderbook"))
    wait_for(lambda: all(rows >= least for rows, least in zip(found(), wanted)), f"{wanted} tickers and books", 60)
    read_to_the_end(up)
    assert found() == wanted


def settled(up: Up) -> dict:
    """What is said of the connections once all of them are back: the last one may have died a moment ago."""
    of = lambda: up.status()["source"]["connections"]
    return wait_for(lambda: (said := of())["settled"] == said["wanted"] and said, "every connection to be back", 60)


def holes(found: list[dict]) -> list[dict]:
    return [gap for gap in found if gap["cause"] != "begin"]


def test_single_sockets_are_killed_and_nothing_is_lost_or_there_twice(stage: Stage):
    sim, truth_path = exchange(stage, "single=EVERY(2)")
    up = connected(stage, sim, 2)
    wait_for_trades(up, sim, truth_path)
    assert up.query("SELECT count(*) FROM upbit.trade WHERE stream_type = 'REST'") == [(0,)], "nobody had to ask for a trade"
    assert not holes(gaps(up)), "a dead socket is no gap"
    connections = settled(up)
    assert up.status()["source"]["state"] == "connected"
    assert connections["lost_total"] >= 4 and connections["repeated_total"] > 1_000 and connections["wanted"] == 2
    assert "without" in connections["loss"] or "reset" in connections["loss"], connections
    shown = stage.run("status", "--http", f"127.0.0.1:{up.http_port}")
    assert re.search(r"connections 2 of 2  \d+ lost", shown.stdout), shown.stdout
    metrics = requests.get(f"{up.url}/metrics", timeout=5).text
    assert "hoga_connections 2" in metrics and "hoga_connections_wanted 2" in metrics
    wait_for_each_once(up, sim)
    assert up.stop()[0] == 0
    assert not differences(from_disk(up.warehouse), read_truth(truth_path))


def test_both_sockets_are_killed_and_the_gap_is_repaired(stage: Stage):
    sim, truth_path = exchange(stage, "disconnect=EVERY(4)")
    up = connected(stage, sim, 2)
    wait_for_trades(up, sim, truth_path)
    found = [gap for gap in holes(settled_gaps(up, 60)) if gap["channel"] == "trade"]
    assert {gap["cause"] for gap in found} == {"disconnect"}
    for market in {gap["market"] for gap in gaps(up)}:
        assert len([gap for gap in found if gap["market"] == market]) == 3, f"a gap for each of three times that all sockets of {market} died"
    assert {gap["state"] for gap in found} == {"repaired"}
    tickers, books = made(sim)
    read_to_the_end(up)
    # what was made while nobody listened is lost; nothing is there twice
    assert rows(up, "ticker") <= tickers + 4 * MARKETS and rows(up, "orderbook") <= books + 4 * MARKETS
    assert up.stop()[0] == 0


def test_the_only_connection_is_renewed_again_and_again_and_nothing_is_missed(stage: Stage):
    sim, truth_path = exchange(stage, "")
    up = connected(stage, sim, 1, HOGA_CONNECTION_AGE="1s")
    wait_for_trades(up, sim, truth_path)
    connections = up.status()["source"]["connections"]
    assert connections["renewed_total"] >= 2 and connections["lost_total"] == 0
    assert up.status()["source"]["reconnects_total"] == 0
    assert not holes(gaps(up))
    assert up.query("SELECT count(*) FROM upbit.trade WHERE stream_type = 'REST'") == [(0,)]
    wait_for_each_once(up, sim)
    assert up.stop()[0] == 0


def test_three_connections_renewed_in_turn_while_sockets_die(stage: Stage):
    sim, truth_path = exchange(stage, "single=EVERY(3),stall=2:EVERY(5),duplicate=0.05,reorder=0.05,late=0.05")
    up = connected(stage, sim, 3, HOGA_CONNECTION_AGE="4s", HOGA_VERIFY_INTERVAL="2s")
    wait_for_trades(up, sim, truth_path)
    settled_gaps(up, 60)
    time.sleep(1)
    assert not differences(from_sql(up), read_truth(truth_path))
    assert up.status()["source"]["connections"]["renewed_total"] >= 3
    assert up.stop()[0] == 0


def test_a_number_of_connections_that_makes_no_sense_is_refused(stage: Stage):
    for args, said in ((["--connections", "6"], "write a number from 1 to 5"), (["--connection-age", "1ms"], "write 1s or more, or off")):
        refused = stage.run("up", *args)
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
