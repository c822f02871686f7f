"""hoga against a plain Python collector (`websockets` + `json` -> JSON lines), the same simulator, rising rates, one run.

Three collectors, one after the other at each rate: Python; hoga with the topics and no job (frame -> log); hoga as it is (frame -> log -> tables
-> SQL). Events are counted in what was written, against what the simulator says it made: on two cores it is often the simulator, not the
collector, that is behind, and then the rate says nothing about the collector. CPU time per event is what to compare on a busy machine.
"""

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import requests
from rig import ROOT, count_records, cpu_seconds, heading, ratio, result, stage

WARM_UP_S = 3
KEPT_UP = 0.97  # first snapshots and the last frames on the way are neither way exact


def events_made(sim) -> int:
    """Ends the simulator and reads its last line."""
    sim.stop()
    made = re.search(r"made (\d+) events", sim.stdout)
    return int(made.group(1)) if made else 0


def python_collector(place, sim, seconds: int) -> tuple[int, float, float]:
    markets = [m["market"] for m in requests.get(f"http://127.0.0.1:{sim.port}/v1/market/all", timeout=10).json()]
    out = place.work_dir / "python.jsonl"
    script = Path(__file__).with_name("python_collector.py")
    process = subprocess.Popen([sys.executable, str(script), sim.env["HOGA_UPBIT_WS_URL"], str(out), ",".join(markets)], stdout=subprocess.DEVNULL)
    try:
        time.sleep(WARM_UP_S)
        began, cpu = time.time(), cpu_seconds(process.pid)
        time.sleep(seconds)
        ended, cpu = time.time(), cpu_seconds(process.pid) - cpu
        made = events_made(sim)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    marker = '"recv_time": '
    with out.open() as lines:
        times = [float(line[line.rindex(marker) + len(marker) : line.rindex("}")]) for line in lines]
    out.unlink()
    return sum(began <= t < ended for t in times), cpu, len(times) / max(made, 1)


def hoga(place, sim, seconds: int, *options: str) -> tuple[int, float, float]:
    name = f"up{len(place.programs)}"
    data_dir = place.work_dir / name
    up = place.up("--source", "upbit", "--markets", "all", *options, env=sim.env, data_dir=data_dir, name=name).wait_ready()
    time.sleep(WARM_UP_S)
    began, cpu = time.time(), cpu_seconds(up.process.pid)
    time.sleep(seconds)
    ended, cpu = time.time(), cpu_seconds(up.process.pid) - cpu
    made = events_made(sim)
    up.stop()
    partitions = [d for t in ("ticker", "trade", "orderbook") for d in up.log_dir.glob(f"upbit-{t}-*")]
    count = sum(count_records(d, int(began * 1e3), int(ended * 1e3)) for d in partitions)
    return count, cpu, sum(count_records(d, 0, 1 << 62) for d in partitions) / max(made, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="2000,10000,20000,40000,80000")
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=12)
    options = parser.parse_args()
    heading(f"collectors on {options.markets} markets, {options.seconds} s each after {WARM_UP_S} s of warm-up")
    sustained = {"Python": 0.0, "hoga, frame to log": 0.0, "hoga, the whole pipeline": 0.0}
    cheapest = dict.fromkeys(sustained, float("inf"))
    for rate in (int(r) for r in options.rates.split(",")):
        for name in sustained:
            with stage() as place:
                sim = place.sim("--markets", str(options.markets), "--rate", str(rate), "--seed", "5").wait_ready()
                if name == "Python":
                    count, cpu, share = python_collector(place, sim, options.seconds)
                else:
                    collect_only = ["--pipeline", str(ROOT / "bench" / "collect_only.sql")] if name.endswith("log") else []
                    count, cpu, share = hoga(place, sim, options.seconds, *collect_only)
            got = count / options.seconds
            sustained[name] = max(sustained[name], got)
            cheapest[name] = min(cheapest[name], cpu / max(count, 1))
            kept_up = "all of what was made" if share >= KEPT_UP else f"{share:.0%} of what was made"
            result(f"{rate:,}/s asked: {name}", f"{got:,.0f}/s", f"{cpu / max(count, 1) * 1e6:6.1f} us CPU an event, {kept_up}")
    for name in list(sustained)[1:]:
        ratio(f"events/s, highest seen: {name}", sustained[name], sustained["Python"], "/s", more_is_better=True)
        ratio(f"CPU an event, lowest seen: {name}", cheapest[name] * 1e6, cheapest["Python"] * 1e6, "us", more_is_better=False)
    per_core = 1 / cheapest["hoga, frame to log"]
    result("frame to log, events per second of one core", f"{per_core:,.0f}", "target >= 50,000")
    print(json.dumps({"sustained_per_s": sustained, "cpu_us_per_event": {k: v * 1e6 for k, v in cheapest.items()}}))


if __name__ == "__main__":
    main()
