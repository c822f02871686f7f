"""An outage of so many seconds: how long after the reconnect every missed trade is in SQL and every gap settled, within Upbit's REST limits.

hoga is killed (-9), stays away, and comes back; the exchange goes on all the time, and its truth file says what was missed.
"""

import argparse
import time

from rig import heading, result, stage
from truth import read_truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--markets", type=int, default=289)
    parser.add_argument("--outage-seconds", type=int, default=60)
    options = parser.parse_args()
    heading(f"repair of an outage of {options.outage_seconds} s, {options.markets} markets, {options.rate:,} events/s")
    unsettled = 0
    with stage() as place:
        truth_path = place.work_dir / "truth.jsonl"
        sim = place.sim("--markets", str(options.markets), "--rate", str(options.rate), "--seed", "9", truth=truth_path).wait_ready()
        up = place.up("--source", "upbit", "--markets", "KRW", env=sim.env).wait_ready()
        time.sleep(20)
        up.kill()
        time.sleep(options.outage_seconds)
        up = place.up("--source", "upbit", "--markets", "KRW", env=sim.env, name="again").wait_ready()
        with up.connect() as connection:
            ask = lambda sql: connection.execute(sql).fetchone()[0]
            restart = "FROM upbit.gap WHERE cause = 'restart' AND channel = 'trade'"
            deadline = time.monotonic() + 600
            while time.monotonic() < deadline:
                open_or_pending = ask(f"SELECT count(*) {restart} AND state <> 'repaired'")
                if open_or_pending == 0 and ask(f"SELECT count(*) {restart}") == options.markets:
                    break
                time.sleep(0.2)
            settled = time.time()
            unsettled = open_or_pending or options.markets - ask(f"SELECT count(*) {restart}")
            # the first market that was heard again: when the connection stood
            reconnected, left, repaired = connection.execute(f"SELECT min(gap_to), min(gap_from), sum(trades_repaired) {restart}").fetchone()
            result("settled after the reconnect", f"{settled - reconnected.timestamp():.1f} s", "target < 60 s")
            result("the gap", f"{(reconnected - left).total_seconds():.1f} s")
            result("trades repaired", f"{repaired:,}")
            result("calls", str(up.status()["gaps"]["calls_total"]))
            rows = connection.execute("SELECT market, sequential_id FROM upbit.trade").fetchall()
        old = {key for key in read_truth(truth_path) if key[1] // 10_000 < reconnected.timestamp() * 1_000}
        result("of the trades made before the reconnect missing", f"{len(old - set(rows)):,} of {len(old):,}", "target 0")
        result("in SQL twice", str(len(rows) - len(set(rows))), "target 0")
    if unsettled:
        raise SystemExit(f"bench/repair.py: after 600 s {unsettled} gaps of the outage were not settled; the figures above count up to then")


if __name__ == "__main__":
    main()
