"""Real Flink against hoga's engine, on the same cores: the same statements of pipeline/upbit.sql, the same records; rows a second, CPU a row, peak memory.

    ticker   33 fields of JSON into an append table of Paimon
    bars     trades into one-minute bars, a table with a primary key

In: `scripts/peers/kafka` and `scripts/peers/flink` (started here, with as many slots as cores), the release binary. Both read from a log on this machine
(Kafka; hoga's own segment files, which are filled before the clock starts) and write Paimon tables on local disk. Flink's time is its job's, from RUNNING to
FINISHED, of the better of two runs: the first one warms the JVM up. hoga's is that of the process, start and stop included. The tables are compared.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from records import Record, records
from rig import ROOT, cpu_seconds, find_binary, heading, result, stage

os.environ.setdefault("FLINK_PARALLELISM", str(os.cpu_count()))
os.environ.setdefault("FLINK_SLOTS", str(os.cpu_count()))
os.environ.setdefault("FLINK_TM_MEMORY", "4096m")
os.environ.setdefault("FLINK_CHECKPOINT", "10s")

from case import write_records  # noqa: E402  (of tests/parity, which records has put on the path)
from flink import Session, statements  # noqa: E402
from judge import INSERTS, for_flink, produce, substitute  # noqa: E402
from peers import Peers  # noqa: E402

START_MS = 1_767_571_200_000
FLINK_RUNS = 2


@dataclass
class Case:
    """Which statements of the pipeline, by their beginnings; on which records."""

    kind: str
    topic: str
    table: str
    statements: tuple[str, ...]
    """Records a second of event time: bars need some minutes of it."""
    rate: int


CASES = {
    "ticker": Case("ticker", "upbit-ticker", "upbit.ticker", ("CREATE TEMPORARY TABLE ticker_topic", "CREATE TABLE IF NOT EXISTS lake.upbit.ticker", "INSERT INTO lake.upbit.ticker"), 5_000),
    "bars": Case(
        "trade", "upbit-trade", "upbit.candle_1m",
        ("CREATE TEMPORARY TABLE trade_topic", "CREATE TABLE IF NOT EXISTS lake.upbit.candle_1m", "CREATE TEMPORARY VIEW placed_trades",
         "CREATE TEMPORARY VIEW bars_1m", "INSERT INTO lake.upbit.candle_1m"), 5_000,
    ),
}  # fmt: skip
EVERY_CASE = ("SET ", "DROP CATALOG", "CREATE CATALOG", "CREATE DATABASE")


def part_of(pipeline: str, wanted: tuple[str, ...]) -> list[str]:
    """Those statements, also out of the statement set; of an INSERT the first query, without the bars that were corrected."""
    parts = [inner for statement in statements(pipeline) for inner in statements(re.sub(r"\bEXECUTE STATEMENT SET BEGIN\b|;\s*END\s*$", "", statement))]
    bare = [re.sub(r"^(\s*--[^\n]*\n)+", "", part).strip() for part in parts]
    return [text.split("\nUNION ALL\n")[0] for text in bare if text.startswith(wanted + EVERY_CASE)]


@dataclass
class Run:
    seconds: float
    cpu: float
    peak_mb: float
    rows: list


def memory_mb(pid: int) -> float:
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def on_flink(case: Case, text: str, given: list[Record], peers: Peers, folder: Path) -> Run:
    pids = [int((peers.folder / "flink" / "pids" / name).read_text()) for name in ("jobmanager", "taskmanager")]
    warehouse = folder / f"flink-{case.kind}"
    prefix = f"bench.{time.time_ns()}."
    produce(given, [case.topic], prefix, peers.bootstrap)
    runs = []
    for _ in range(FLINK_RUNS):
        shutil.rmtree(warehouse, ignore_errors=True)
        cpu = sum(map(cpu_seconds, pids))
        with Session(peers.gateway_url, peers.flink_url) as session:
            filled = for_flink(substitute(text, {"WAREHOUSE": f"file://{warehouse}", "KAFKA_BOOTSTRAP": peers.bootstrap}), prefix)
            [job] = [done.job_id for statement in statements(filled) if (done := session.execute(statement)) and INSERTS.match(statement)]
            session.wait_for_job(job)
            times = session.http.get(f"{peers.flink_url}/jobs/{job}", timeout=30).json()["timestamps"]
        runs.append(Run((times["FINISHED"] - times["RUNNING"]) / 1000, sum(map(cpu_seconds, pids)) - cpu, 0, summary(warehouse, case)))
    best = min(runs, key=lambda run: run.seconds)
    best.peak_mb = sum(map(memory_mb, pids))
    return best


def embedded(case: Case, text: str, given: list[Record], place) -> Run:
    """One hoga process. A pipeline of topics alone fills the log first."""
    folder = place.work_dir / case.kind
    folder.mkdir()
    pipeline, topics_only, input_path, data = folder / "part.sql", folder / "topics.sql", folder / "input.jsonl", folder / "data"
    pipeline.write_text(text)
    topics_only.write_text(text[: text.index("DROP CATALOG")])
    write_records(given, input_path)
    fed = place.run("run", "--pipeline", str(topics_only), "--input", str(input_path), "--data", str(data), timeout_s=600)
    assert fed.returncode == 0, fed.stderr
    input_path.unlink()
    arguments = ["run", "--pipeline", str(pipeline), "--input", "/dev/null", "--data", str(data), "--checkpoint-interval", "10s"]
    began = time.monotonic()
    pid = os.posix_spawn(str(find_binary()), ["hoga", *arguments], os.environ)
    watch = Watch(pid)
    watch.start()
    _, status, usage = os.wait4(pid, 0)
    took = time.monotonic() - began
    assert status == 0, status
    return Run(took, usage.ru_utime + usage.ru_stime, watch.peak_mb, summary(data / "warehouse", case))


class Watch(threading.Thread):
    """The most memory that a process had, looked at until it ends: its ru_maxrss would begin with what Python has."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.pid, self.peak_mb = pid, 0.0

    def run(self) -> None:
        while True:
            try:
                self.peak_mb = max(self.peak_mb, memory_mb(self.pid))
            except (OSError, StopIteration):
                return
            time.sleep(0.02)


def summary(warehouse: Path, case: Case) -> list:
    """All bars; of tickers what can be added up by market."""
    from pypaimon import CatalogFactory

    builder = CatalogFactory.create({"warehouse": str(warehouse)}).get_table(case.table).new_read_builder()
    if case.kind == "ticker":
        builder = builder.with_projection(["market", "trade_price", "trade_volume", "acc_trade_price", "timestamp"])
    found = builder.new_read().to_arrow(builder.new_scan().plan().splits())
    if case.kind == "ticker":
        sums = [(column, "sum") for column in ("trade_price", "trade_volume", "acc_trade_price")]
        found = found.group_by("market").aggregate([("timestamp", "count"), ("timestamp", "min"), ("timestamp", "max"), *sums])
    found = found.select(sorted(found.column_names))
    return sorted(map(tuple, (row.values() for row in found.to_pylist())), key=repr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), help="ticker, bars")
    parser.add_argument("--records", type=int, default=1_500_000)
    parser.add_argument("--without-flink", action="store_true")
    options = parser.parse_args()
    pipeline = (ROOT / "pipeline" / "upbit.sql").read_text()
    with stage() as place:
        peers = Peers(place.work_dir)
        try:
            for name in options.cases:
                case = CASES[name]
                heading(f"{name}: {options.records:,} records: hoga's engine" + ("" if options.without_flink else " and real Flink 2.0.2"))
                text = ";\n".join(part_of(pipeline, case.statements)) + ";\n"
                given = list(records(case.kind, options.records, START_MS, case.rate))
                runs = {"hoga": embedded(case, text, given, place)}
                if not options.without_flink:
                    runs["flink"] = on_flink(case, text, given, peers.start(), place.work_dir)
                tell(runs, len(given), sum(len(record.value) for record in given) // len(given))
        finally:
            peers.stop()


def tell(runs: dict[str, Run], count: int, record_bytes: int) -> None:
    for name, run in runs.items():
        result(f"{name}: rows/s of {record_bytes} bytes", f"{count / run.seconds:,.0f}", f"load {os.getloadavg()[0]:.1f}")
        result(f"{name}: CPU a row", f"{run.cpu / count * 1e6:.1f} µs", f"{run.cpu / run.seconds:.2f} cores busy")
        result(f"{name}: most memory", f"{run.peak_mb:,.0f} MB")
    if len(runs) == 2:
        hoga, flink = runs["hoga"], runs["flink"]
        assert hoga.rows == flink.rows, "the tables differ"
        result("hoga's rows/s over Flink's", f"{flink.seconds / hoga.seconds:.1f}x", "10x")
        result("hoga's rows a CPU second over Flink's", f"{flink.cpu / hoga.cpu:.1f}x")
        result("hoga's memory over Flink's", f"{hoga.peak_mb / flink.peak_mb:.2f}", "0.10")


if __name__ == "__main__":
    main()
