"""Start until ready to serve: from exec to the first 200 of /healthz and the first SQL answer."""

import argparse
import time

import psycopg
import requests
from rig import heading, quantile, result, stage


def first_answers(place, runs: int, name: str) -> tuple[list[float], list[float]]:
    ready, answered = [], []
    for number in range(runs):
        began = time.monotonic()
        up = place.up("--source", "sim", name=f"{name}-{number}")
        while True:
            try:
                if up.healthz() == 200:
                    break
            except requests.RequestException:
                time.sleep(0.005)
        ready.append(time.monotonic() - began)
        while True:
            try:
                up.query("SELECT count(*) FROM upbit.trade")
                break
            except psycopg.Error:
                time.sleep(0.005)
        answered.append(time.monotonic() - began)
        if name == "grown":
            time.sleep(3)
        up.stop()
    return ready, answered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    heading(f"time from start to ready, {runs} starts on a data directory that grows")
    with stage() as place:
        ready, answered = first_answers(place, runs, "grown")
    result("first start (empty directory), ready", f"{ready[0] * 1e3:,.0f} ms", "target < 2,000 ms")
    result("ready, median", f"{quantile(ready, 0.5) * 1e3:,.0f} ms", "target < 2,000 ms")
    result("ready, worst", f"{max(ready) * 1e3:,.0f} ms")
    result("first SQL answer, median", f"{quantile(answered, 0.5) * 1e3:,.0f} ms")


if __name__ == "__main__":
    main()
