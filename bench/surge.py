"""A surge: a steady rate, then twenty times as much for a minute (`hoga sim --fault surge`), and what a SQL client, the memory and the delay see of it.

Questions as a person or a dashboard asks them, ten a second, before, in and after the surge; the delay of SQL behind the exchange; memory. At the end the proof: every trade
of the truth file is in SQL once, none of them had to be asked for again, and tickers and order books are as many as were made. Exit code 1 if the proof fails.
"""

import argparse
import re
import threading
import time
from collections import Counter
from datetime import timezone

from rig import cpu_seconds, heading, memory_mb, quantile, result, stage
from truth import differences, from_sql, read_truth

FACTOR = 20
MADE = re.compile(r"made \d+ events: (\d+) tickers, (\d+) trades, (\d+) order books")
SINCE = "recv_time > now() - INTERVAL '2' SECOND"
QUESTIONS = {
    "newest": f"SELECT max(t) FROM (SELECT max(recv_time) t FROM upbit.trade WHERE {SINCE} UNION ALL "
    f"SELECT max(recv_time) FROM upbit.ticker WHERE {SINCE} UNION ALL SELECT max(recv_time) FROM upbit.orderbook WHERE {SINCE})",
    "a market's last trades": "SELECT trade_timestamp, trade_price, trade_volume, ask_bid FROM upbit.trade "
    "WHERE market = 'KRW-BTC' AND recv_time > now() - INTERVAL '60' SECOND ORDER BY sequential_id DESC LIMIT 20",
    "a market's last bars": "SELECT window_start, open, high, low, close, volume FROM upbit.candle_1m WHERE market = 'KRW-BTC' ORDER BY window_start DESC LIMIT 30",
    "busiest markets": f"SELECT market, count(*), sum(trade_price * trade_volume) FROM upbit.trade WHERE {SINCE} GROUP BY market ORDER BY 3 DESC LIMIT 10",
}  # fmt: skip
EVERY_S = 0.1


class Probe(threading.Thread):
    """Asks each question in turn, ten a second; and samples memory and lag beside it."""

    def __init__(self, up):
        super().__init__(daemon=True)
        self.up, self.ended = up, threading.Event()
        self.answers: list[tuple[float, str, float]] = []  # when asked, which, seconds
        self.delays: list[tuple[float, float]] = []
        self.memory: list[tuple[float, float, float]] = []  # when, all, its own
        self.failed: list[str] = []

    def run(self):
        with self.up.connect() as connection:
            for number in range(1_000_000):
                if self.ended.is_set():
                    return
                name, sql = list(QUESTIONS.items())[number % len(QUESTIONS)]
                asked, began = time.time(), time.monotonic()
                try:
                    row = connection.execute(sql).fetchone()
                except Exception as error:
                    self.failed.append(f"{name}: {error}")
                    return
                took = time.monotonic() - began
                self.answers.append((asked, name, took))
                if name == "newest":
                    # nothing newer than two seconds is shown: it is behind by that at least
                    self.delays.append((asked, max(0.0, asked - row[0].timestamp()) if row[0] else 2.0))
                    held = memory_mb(self.up.process.pid)
                    self.memory.append((asked, held["VmRSS"], held["RssAnon"]))
                time.sleep(max(0.0, EVERY_S - took))


def surge_of(truth, rate: float) -> tuple[float, float]:
    """When it was, by the exchange's own trades: the seconds with more than five times the usual number."""
    seconds = Counter(int(trade.executed.astimezone(timezone.utc).timestamp()) for trade in truth.values())
    usual = sorted(seconds.values())[len(seconds) // 10] or rate / 3
    high = [second for second, trades in seconds.items() if trades > 5 * usual]
    return (min(high), max(high) + 1) if high else (0.0, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=2_000, help="events a second before and after")
    parser.add_argument("--markets", type=int, default=200)
    parser.add_argument("--surge", type=int, default=60, help="seconds that it lasts")
    parser.add_argument("--before", type=int, default=40)
    parser.add_argument("--after", type=int, default=30)
    options = parser.parse_args()
    seconds = options.before + options.surge + options.after
    heading(f"{options.rate:,} events/s of {options.markets} markets, {FACTOR * options.rate:,} for {options.surge} s, {1 / EVERY_S:.0f} questions a second")
    problems = []
    with stage() as place:
        truth_path = place.work_dir / "truth.jsonl"
        sim = place.sim(
            "--markets", str(options.markets), "--rate", str(options.rate), "--seed", "5", "--duration", f"{seconds}s", "--grace", "3600s",
            "--fault", f"surge={options.surge}:{options.before}", truth=truth_path,
        ).wait_ready()  # fmt: skip
        up = place.up("--source", "upbit", "--markets", "KRW", env=sim.env).wait_ready()
        began, cpu = time.monotonic(), [cpu_seconds(p.process.pid) for p in (up, sim)]
        probe = Probe(up)
        probe.start()
        behind = []
        while "duration is over" not in sim.stderr and time.monotonic() - began < 3 * seconds:
            time.sleep(1)
            behind.append((time.time(), sum(job["lag_records"] for job in up.status()["jobs"])))
        probe.ended.set()
        probe.join()
        problems += probe.failed
        passed = time.monotonic() - began
        cpu = [cpu_seconds(p.process.pid) - before for p, before in zip((up, sim), cpu)]
        # before hoga takes the silence of an exchange that has ended for a lost connection: reading the truth takes longer
        while sum(job["lag_records"] for job in up.status()["jobs"]):
            time.sleep(0.1)
        status = up.status()
        asked_again = up.query("SELECT count(*) FROM upbit.trade WHERE stream_type = 'REST'")[0][0]
        causes = dict(up.query("SELECT cause, count(*) FROM upbit.gap WHERE cause <> 'begin' GROUP BY cause"))
        sim.stop()
        truth = read_truth(truth_path)
        surge = surge_of(truth, options.rate)
        length = surge[1] - surge[0]
        made = sum(surge[0] <= trade.executed.timestamp() < surge[1] for trade in truth.values())
        result("CPU of hoga / of the exchange, all the time", f"{cpu[0] / passed * 100:.0f} / {cpu[1] / passed * 100:.0f} %", "of a core")
        phases = {"before": (0.0, surge[0]), "in the surge": surge, "after": (surge[1], float("inf"))}
        for phase, (first, last) in phases.items():
            within = lambda rows: [row for row in rows if first <= row[0] < last]
            took = [row[2] for row in within(probe.answers)]
            if not took:
                continue
            target = "target p99 < 100 ms" if phase == "in the surge" else ""
            result(f"{phase}: {len(took)} questions, p50 / p99 / worst", " / ".join(f"{v * 1e3:,.0f}" for v in (quantile(took, 0.5), quantile(took, 0.99), max(took))), f"ms  {target}".strip())
            if phase == "in the surge":
                for name in QUESTIONS:
                    of = [row[2] for row in within(probe.answers) if row[1] == name]
                    result(f"{phase}: {name}, p50 / p99", " / ".join(f"{quantile(of, q) * 1e3:,.0f}" for q in (0.5, 0.99)), "ms")
            delays = [row[1] for row in within(probe.delays)]
            result(f"{phase}: received -> in SQL, upper bound, p50 / p99", " / ".join(f"{quantile(delays, q) * 1e3:,.0f}" for q in (0.5, 0.99)), "ms")
            result(f"{phase}: records not read by the jobs, most", f"{max((row[1] for row in within(behind)), default=0):,}")
            memory = within(probe.memory)
            result(f"{phase}: memory, highest / its own", f"{max(row[1] for row in memory):,.0f} / {max(row[2] for row in memory):,.0f} MB", "budget 200 MB at 2,000 events/s")
        holes = sum(causes.values())
        result("trades that had to be asked for again / gaps / reconnects", f"{asked_again} / {holes} / {status['source']['reconnects_total']}", "0 / 0 / 0: nothing dropped")
        if asked_again or holes:
            problems.append(f"{asked_again} trades came over REST; gaps by cause: {causes}; the last loss: {status['source']['connections']['loss'] or status['source']['reason']}")
            problems += [line for line in up.stderr.splitlines() if "connection was lost" in line][:3]
        if text := differences(from_sql(up), truth):
            problems.append(f"trades: {text}")
        tickers, trades, books = map(int, MADE.search(sim.stdout).groups())
        # the share of trades is the same at all times
        events = made * (tickers + trades + books) / max(trades, 1)
        result("the exchange's surge, as it made it", f"{length:.0f} s", f"{events / max(length, 1):,.0f} events/s of {FACTOR * options.rate:,}; all in all {tickers:,} tickers, {trades:,} trades, {books:,} order books")
        for table, wanted in (("ticker", tickers), ("orderbook", books)):
            while sum(job["lag_records"] for job in up.status()["jobs"]):
                time.sleep(0.5)
            found = up.query(f"SELECT count(*) FROM upbit.{table}")[0][0]
            # beside what was made there is the first snapshot of each market
            if found != wanted + options.markets:
                problems.append(f"{table}: {found:,} rows of {wanted + options.markets:,}")
        result("events of the exchange, each in SQL once" if not problems else "events of the exchange", f"{len(truth) + tickers + books:,}")
    if problems:
        raise SystemExit("bench/surge.py: " + "\n".join(problems))


if __name__ == "__main__":
    main()
