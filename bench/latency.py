"""Event received -> visible to SQL, at a steady rate, by an independent client.

Each probe notes the time, then asks for the newest recv_time that SQL shows. Whatever was received between that recv_time and the note was
not visible: the difference is an upper bound of the delay (it also holds the gap between two events, 0.5 ms at 2,000 a second).
"""

import argparse
import random
import time

from rig import heading, quantile, result, stage

QUESTIONS = {
    "newest trade, ticker or book": "SELECT max(t) FROM (SELECT max(recv_time) t FROM upbit.trade WHERE recv_time > $1 UNION ALL "
    "SELECT max(recv_time) FROM upbit.ticker WHERE recv_time > $1 UNION ALL SELECT max(recv_time) FROM upbit.orderbook WHERE recv_time > $1)",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--checkpoint-interval", default="10s")
    options = parser.parse_args()
    heading(f"event received -> visible to SQL, {options.rate:,} events/s, {options.markets} markets, a checkpoint every {options.checkpoint_interval}")
    with stage() as place:
        sim = place.sim("--markets", str(options.markets), "--rate", str(options.rate), "--seed", "5").wait_ready()
        env = sim.env | {"HOGA_CHECKPOINT_INTERVAL": options.checkpoint_interval}
        up = place.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()
        time.sleep(5)
        ages, answers = [], []
        pauses = random.Random(1)
        ends = time.monotonic() + options.seconds
        with up.connect() as connection:
            while time.monotonic() < ends:
                since = f"TIMESTAMP '{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(time.time() - 2))}Z'"
                asked, began = time.time(), time.monotonic()
                newest = connection.execute(QUESTIONS["newest trade, ticker or book"].replace("$1", since)).fetchone()[0]
                answers.append(time.monotonic() - began)
                if newest is not None:
                    ages.append(max(0.0, asked - newest.timestamp()))
                time.sleep(pauses.uniform(0.005, 0.03))
        result(f"upper bound of the delay, {len(ages):,} probes, p50", f"{quantile(ages, 0.5) * 1e3:.1f} ms")
        result("upper bound of the delay, p99", f"{quantile(ages, 0.99) * 1e3:.1f} ms", "target < 10 ms")
        result("upper bound of the delay, worst", f"{max(ages) * 1e3:.1f} ms")
        result("the question itself, p50 / p99", f"{quantile(answers, 0.5) * 1e3:.1f} / {quantile(answers, 0.99) * 1e3:.1f} ms")
        status = up.status()
        result("hoga's own histogram (/api/status)", str(status["visible_latency"]))


if __name__ == "__main__":
    main()
