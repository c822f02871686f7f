"""Nexmark on hoga's engine and on real Flink 2.0.2, on the same cores: events a second of each query, and whether the results are equal.

In: bench/nexmark (a crate of its own, which makes the events), `bench/nexmark/queries.sql` (which says what differs from the benchmark and what is left out
and why), `scripts/peers`. A query reads all events, from Kafka and from hoga's own log, and writes a Paimon table on local disk. Flink's time is its job's,
from RUNNING to FINISHED, after a run that warms the JVM up; hoga's is that of the process, start and stop included.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import time
from pathlib import Path

import records  # noqa: F401  (puts tests/parity on the path)
from rig import ROOT, find_binary, heading, result, stage

os.environ.setdefault("FLINK_PARALLELISM", str(os.cpu_count()))
os.environ.setdefault("FLINK_SLOTS", str(os.cpu_count()))
os.environ.setdefault("FLINK_TM_MEMORY", "4096m")
os.environ.setdefault("FLINK_CHECKPOINT", "10s")

from case import read_records  # noqa: E402  (of tests/parity, which records has put on the path)
from flink import Session, statements  # noqa: E402
from judge import INSERTS, for_flink, produce, substitute  # noqa: E402
from peers import Peers  # noqa: E402

FOLDER = ROOT / "bench" / "nexmark"
# what is the same however rows of one instant or price are ordered, which no engine defines; of windows of processing time each bidder's sum is
COMPARED = {"q18": ["bidder", "auction", "dateTime"], "q19": ["auction", "rank_number", "price"]}
ALL_CLOSED_TIMEOUT_S, QUIET_S = 120, 25


def queries() -> tuple[str, dict[str, str]]:
    """What every query needs, and each one's own statements."""
    every, *rest = re.split(r"^-- @query (\w+)\n", (FOLDER / "queries.sql").read_text(), flags=re.M)
    return every[every.index("-- @every") :], dict(zip(rest[::2], rest[1::2], strict=True))


def make_events(count: int, path: Path) -> None:
    target = Path(os.environ.get("HOGA_CACHE") or Path.home() / ".cache" / "hoga") / "nexmark-target"
    subprocess.run(["cargo", "build", "--release", "--locked", "-q", "--target-dir", target], cwd=FOLDER, check=True)
    with path.open("wb") as out:
        subprocess.run([target / "release" / "nexmark-events", str(count)], stdout=out, check=True)


def embedded(text: str, name: str, fed: Path, place) -> tuple[float, list]:
    """On a copy of the data folder that has the events in its log."""
    data, pipeline = place.work_dir / name, place.work_dir / f"{name}.sql"
    subprocess.run(["cp", "-r", fed, data], check=True)
    pipeline.write_text(text)
    began = time.monotonic()
    arguments = ["run", "--pipeline", str(pipeline), "--input", "/dev/null", "--data", str(data), "--checkpoint-interval", "10s"]
    done = subprocess.run([find_binary(), *arguments], capture_output=True, text=True)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    return took, rows_of(data / "warehouse", name)


def on_flink(text: str, name: str, prefix: str, peers: Peers, folder: Path) -> tuple[float, list]:
    warehouse = folder / f"flink-{name}"
    with Session(peers.gateway_url, peers.flink_url) as session:
        filled = for_flink(substitute(text, {"WAREHOUSE": f"file://{warehouse}", "KAFKA_BOOTSTRAP": peers.bootstrap}), prefix)
        [job] = [done.job_id for statement in statements(filled) if (done := session.execute(statement)) and INSERTS.match(statement)]
        session.wait_for_job(job)
        times = session.http.get(f"{peers.flink_url}/jobs/{job}", timeout=30).json()["timestamps"]
    rows = closed_on_flink(text, name, prefix, peers, folder) if name == "q12" else rows_of(warehouse, name)
    return (times["FINISHED"] - times["RUNNING"]) / 1000, rows


def closed_on_flink(text: str, name: str, prefix: str, peers: Peers, folder: Path) -> list:
    """The result when all windows have closed. Flink loses those of processing time that are open when a bounded job ends (FLINK-18647), so this one
    goes on until nothing is added for two windows and their checkpoints; it is not timed."""
    warehouse = folder / f"flink-{name}-closed"
    unbounded = text.replace("'format' = 'json'", "'scan.bounded.mode' = 'unbounded', 'format' = 'json'", 1)
    filled = for_flink(substitute(unbounded, {"WAREHOUSE": f"file://{warehouse}", "KAFKA_BOOTSTRAP": peers.bootstrap}), prefix)
    with Session(peers.gateway_url, peers.flink_url) as session:
        [job] = [done.job_id for statement in statements(filled) if (done := session.execute(statement)) and INSERTS.match(statement)]
        rows, changed, began = [], time.monotonic(), time.monotonic()
        while time.monotonic() - began < ALL_CLOSED_TIMEOUT_S and not (rows and time.monotonic() - changed > QUIET_S):
            time.sleep(1)
            if (seen := rows_of(warehouse, name)) != rows:
                rows, changed = seen, time.monotonic()
        session.http.patch(f"{peers.flink_url}/jobs/{job}?mode=cancel", timeout=30)
        while session.http.get(f"{peers.flink_url}/jobs/{job}", timeout=30).json()["state"] != "CANCELED":
            time.sleep(0.1)
    return rows


def rows_of(warehouse: Path, name: str) -> list:
    from pypaimon import CatalogFactory

    builder = CatalogFactory.create({"warehouse": str(warehouse)}).get_table(f"nexmark.{name}").new_read_builder()
    splits = builder.new_scan().plan().splits()
    if not splits:
        return []
    found = builder.new_read().to_arrow(splits)
    if name == "q12":
        found = found.group_by("bidder").aggregate([("bid_count", "sum")])
    columns = COMPARED.get(name, sorted(found.column_names))
    return sorted(zip(*(found[column].to_pylist() for column in columns), strict=True), key=repr)


def main() -> None:
    every, own = queries()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("queries", nargs="*", default=list(own))
    parser.add_argument("--events", type=int, default=1_500_000)
    parser.add_argument("--without-flink", action="store_true")
    options = parser.parse_args()
    heading(f"Nexmark, {options.events:,} events: hoga's engine" + ("" if options.without_flink else " and real Flink 2.0.2"))
    ratios, rates = [], []
    with stage() as place:
        peers = Peers(place.work_dir)
        events, fed, topics = place.work_dir / "events.jsonl", place.work_dir / "fed", place.work_dir / "topics.sql"
        make_events(options.events, events)
        topics.write_text(every[: every.index("DROP CATALOG")])
        filled = place.run("run", "--pipeline", topics, "--input", events, "--data", fed, timeout_s=600)
        assert filled.returncode == 0, filled.stderr
        try:
            if not options.without_flink:
                peers.start()
                prefix = f"nexmark.{time.time_ns()}."
                produce(read_records(events), ["nexmark"], prefix, peers.bootstrap)
                on_flink(every + own["q0"].replace("q0", "warm"), "warm", prefix, peers, place.work_dir)
            for name in options.queries:
                took, rows = embedded(every + own[name], name, fed, place)
                rates.append(options.events / took)
                if options.without_flink:
                    result(f"{name}: events/s", f"{rates[-1]:,.0f}", f"{len(rows):,} rows")
                    continue
                flink_took, flink_rows = on_flink(every + own[name], name, prefix, peers, place.work_dir)
                ratios.append(flink_took / took)
                verdict = "equal" if rows == flink_rows else f"DIFFERENT: {len(rows):,} rows, Flink {len(flink_rows):,}"
                result(f"{name}: events/s, hoga over Flink", f"{ratios[-1]:.1f}x", f"{rates[-1]:,.0f} / {options.events / flink_took:,.0f}, {len(rows):,} rows, {verdict}, load {os.getloadavg()[0]:.1f}")
        finally:
            peers.stop()
    result("geometric mean of hoga's rates", f"{math.exp(sum(map(math.log, rates)) / len(rates)):,.0f} events/s")
    if ratios:
        result("geometric mean of the ratios", f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.1f}x", "target 10x")


if __name__ == "__main__":
    main()
