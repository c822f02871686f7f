"""Hours alone with an exchange that misbehaves: faults all the time and kill -9 at random, the curve of memory and open files, and at the end the proof.

The proof: every trade of the exchange's truth file is in SQL once, every closed bar is its trades', no gap is left open or pending, `hoga audit` finds nothing but what
no exchange could give back. Prints a line a minute; exit code 1 if the proof fails.    bench/unattended.py [--minutes 120] [--kills 5] [--rate 2000]
"""

import argparse
import random
import time
from datetime import datetime
from pathlib import Path

import requests
from rig import heading, memory_mb, result, stage
from truth import BAR_SECONDS, bar_differences, bars_from_sql, bars_of, differences, from_sql, read_truth

SETTLE_S = 600  # a 418 stops repair for minutes


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def unsettled(up, end: datetime) -> int:
    """Of the gaps of the exchange's time: after it nothing comes, which is a stall again and again."""
    return up.query(f"SELECT count(*) FROM upbit.gap WHERE state IN ('open', 'pending') AND gap_from < TIMESTAMP '{end:%Y-%m-%d %H:%M:%S}'")[0][0]


def wait(what: str, is_so, timeout_s: float = SETTLE_S) -> None:
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > timeout_s:
            return result(f"waited in vain for {what}", f"{timeout_s:.0f} s")
        time.sleep(1)
    result(f"until {what}", f"{time.monotonic() - began:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--faults", default="any=10,lost=0.001,late=0.01,duplicate=0.01,reorder=0.01")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    seconds = options.minutes * 60
    heading(f"{options.minutes:g} minutes at {options.rate:,} events/s of {options.markets} markets, --fault {options.faults}, {options.kills} times kill -9")
    chance = random.Random(options.seed)
    kills = sorted(chance.uniform(0.05, 0.9) * seconds for _ in range(options.kills))
    problems = []
    with stage() as place:
        truth_path = place.work_dir / "truth.jsonl"
        sim = place.sim(
            "--markets", str(options.markets), "--rate", str(options.rate), "--seed", str(options.seed), "--duration", f"{seconds:.0f}s", "--grace", "3600s",
            "--fault", options.faults, truth=truth_path,
        ).wait_ready()  # fmt: skip
        start = lambda name: place.up("--source", "upbit", "--markets", "KRW", env=sim.env, name=name).wait_ready()
        up, began, memory, files = start("up"), time.monotonic(), [], []
        told, unanswered = 0.0, 0
        while (passed := time.monotonic() - began) < seconds:
            if kills and passed >= kills[0]:
                kills.pop(0)
                up.kill()
                time.sleep(chance.uniform(0, 5))
                up = start(f"up-{len(kills)}-to-go")
                result(f"after {passed:5.0f} s", "kill -9")
            time.sleep(5)
            memory.append(memory_mb(up.process.pid)["VmRSS"])
            files.append(open_files(up.process.pid))
            if passed - told >= 60:
                told = passed
                try:
                    gaps = up.status()["gaps"]
                except requests.Timeout:
                    # an overloaded machine: told, and no reason to give up two hours
                    unanswered += 1
                    result(f"after {passed:5.0f} s", f"{memory[-1]:,.0f} MB", "no status within 5 s")
                    continue
                result(f"after {passed:5.0f} s", f"{memory[-1]:,.0f} MB", f"{files[-1]} open files, {gaps['open']} gaps open, {gaps['pending']} pending, {gaps['trades_repaired_total']:,} trades repaired")
        half = len(memory) // 2
        result("memory, highest of the second half / of the first", f"{max(memory[half:]):,.0f} / {max(memory[:half]):,.0f} MB", "flat")
        result("open files, highest of the second half / of the first", f"{max(files[half:])} / {max(files[:half])}", "flat")
        result("statuses that did not come within 5 s", f"{unanswered}", "0 on a machine that is not overloaded")
        wait("the exchange was done", lambda: "duration is over" in sim.stderr, 120)
        truth = read_truth(truth_path)
        end = max(trade.executed for trade in truth.values())
        wait("every trade was there", lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] >= len(truth))
        wait("every gap was settled", lambda: unsettled(up, end) == 0)
        wrong = lambda: [text for size in BAR_SECONDS if (text := bar_differences(bars_from_sql(up, size)[0], bars_of(truth, size), all_are_closed=False))]
        wait("the bars were those of the trades", lambda: not wrong(), 120)
        if text := differences(from_sql(up), truth):
            problems.append(f"trades: {text}")
        problems += [f"bars: {text}" for text in wrong()]
        if left := unsettled(up, end):
            problems.append(f"{left} gaps are open or pending")
        audit = place.run(
            "audit", "--connect", f"postgres://hoga@127.0.0.1:{up.postgres_port}/hoga", "--http", f"127.0.0.1:{up.http_port}", "--to", f"{end:%Y-%m-%dT%H:%M:%SZ}",
            env=sim.env, timeout_s=900,
        )  # fmt: skip
        print("  " + "\n  ".join(audit.stdout.splitlines()[-12:]))
        if audit.returncode != 0:
            problems.append(f"hoga audit: exit code {audit.returncode}: {audit.stderr[-500:]}")
        result("trades of the exchange, all of them in SQL once" if not problems else "trades of the exchange", f"{len(truth):,}")
    if problems:
        raise SystemExit("bench/unattended.py: " + "\n".join(problems))


if __name__ == "__main__":
    main()
