"""Real Flink against hoga's engine, on the same cores: the same pipeline file, the same records, rows a second, CPU a row, peak memory.

In: `scripts/peers/kafka` and `scripts/peers/flink` (started here, with a parallelism of all cores), the release binary. Out: one line each. Both read
from a log on this machine (Kafka; hoga's own segment files, which are filled before the clock starts) and write Paimon tables on local disk.
Flink's time is its job's, from RUNNING to FINISHED; hoga's is that of the process, start and stop included.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path

from rig import ROOT, cpu_seconds, find_binary, heading, result, stage

sys.path.insert(0, str(ROOT / "tests" / "parity"))
os.environ.setdefault("FLINK_PARALLELISM", str(os.cpu_count()))
os.environ.setdefault("FLINK_TM_MEMORY", "4096m")
os.environ.setdefault("FLINK_CHECKPOINT", "10s")

from case import Record, write_records  # noqa: E402
from flink import Session, statements  # noqa: E402
from judge import INSERTS, for_flink, produce, substitute  # noqa: E402
from lake_rows import count_rows  # noqa: E402
from peers import Peers  # noqa: E402

RECORDS = int(os.environ.get("HOGA_BENCH_RECORDS", "1000000"))
PARTITIONS = 3


def tickers(count: int, seed: int = 1):
    """Tickers of 200 markets as Upbit sends them, ~900 bytes, 1,000 a second of event time."""
    dice = random.Random(seed)
    start_ms = 1_767_571_200_000
    for number in range(count):
        market = dice.randrange(200)
        at, price = start_ms + number, round(dice.uniform(1, 100_000_000), 2)
        fields = {
            "type": "ticker", "code": f"KRW-C{market:03d}", "opening_price": price, "high_price": price * 2, "low_price": price / 2, "trade_price": price,
            "prev_closing_price": price, "acc_trade_price": price * 7, "change": "RISE", "change_price": 1.5, "signed_change_price": 1.5, "change_rate": 0.0123456789,
            "signed_change_rate": 0.0123456789, "ask_bid": "ASK", "trade_volume": 0.12345678, "acc_trade_volume": 123.45678901, "trade_date": "20260105",
            "trade_time": "000000", "trade_timestamp": at, "acc_ask_volume": 12.5, "acc_bid_volume": 13.5, "highest_52_week_price": price * 3,
            "highest_52_week_date": "2025-08-14", "lowest_52_week_price": price / 3, "lowest_52_week_date": "2025-04-07", "market_state": "ACTIVE",
            "is_trading_suspended": False, "delisting_date": None, "market_warning": "NONE", "timestamp": at + 35, "acc_trade_price_24h": price * 9,
            "acc_trade_volume_24h": 223.45678901, "stream_type": "REALTIME",
        }  # fmt: skip
        yield Record("upbit-ticker", market % PARTITIONS, fields["code"], at + 60, json.dumps(fields))


def memory_mb(pid: int) -> float:
    peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def flink(pipeline: str, records: list[Record], peers: Peers, folder: Path) -> tuple[int, float, float, float]:
    """Rows, seconds, CPU seconds, peak MB of the JobManager and the TaskManager."""
    pids = [int((peers.folder / "flink" / "pids" / name).read_text()) for name in ("jobmanager", "taskmanager")]
    warehouse = folder / "flink-warehouse"
    prefix = f"bench.{time.time_ns()}."
    produce(records, ["upbit-ticker", "upbit-trade", "upbit-orderbook"], prefix, peers.bootstrap)
    text = for_flink(substitute(pipeline, {"WAREHOUSE": f"file://{warehouse}", "KAFKA_BOOTSTRAP": peers.bootstrap}), prefix)
    cpu = sum(map(cpu_seconds, pids))
    with Session(peers.gateway_url, peers.flink_url) as session:
        [job] = [result.job_id for statement in statements(text) if (result := session.execute(statement)) and INSERTS.match(statement)]
        session.wait_for_job(job)
        times = session.http.get(f"{peers.flink_url}/jobs/{job}", timeout=30).json()["timestamps"]
    cpu = sum(map(cpu_seconds, pids)) - cpu
    return count_rows(warehouse), (times["FINISHED"] - times["RUNNING"]) / 1000, cpu, sum(map(memory_mb, pids))


def embedded(pipeline_path: Path, records: list[Record], place) -> tuple[int, float, float, float]:
    """The same of one hoga process. A pipeline of topics alone fills the log first."""
    text = pipeline_path.read_text()
    topics_only, input_path, data = place.work_dir / "topics.sql", place.work_dir / "input.jsonl", place.data_dir
    topics_only.write_text(text[: text.index("DROP CATALOG")])
    write_records(records, input_path)
    fed = place.run("run", "--pipeline", str(topics_only), "--input", str(input_path), "--data", str(data), timeout_s=600)
    assert fed.returncode == 0, fed.stderr
    began = time.monotonic()
    pid = os.posix_spawn(str(find_binary()), ["hoga", "run", "--pipeline", str(pipeline_path), "--input", "/dev/null", "--data", str(data), "--checkpoint-interval", "10s"], os.environ)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, status
    return count_rows(data / "warehouse"), time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    heading(f"ticker JSON → Paimon, {RECORDS:,} records: hoga's engine and real Flink 2.0.2")
    records = list(tickers(RECORDS))
    pipeline = ROOT / "pipeline" / "upbit.sql"
    with stage() as place:
        peers = Peers(place.work_dir)
        try:
            peers.start()
            runs = {"hoga": embedded(pipeline, records, place), "flink": flink(pipeline.read_text(), records, peers, place.work_dir)}
        finally:
            peers.stop()
    for name, (rows, seconds, cpu, peak_mb) in runs.items():
        assert rows == RECORDS, f"{name}: {rows} rows of {RECORDS}"
        result(f"{name}: rows/s", f"{rows / seconds:,.0f}")
        result(f"{name}: CPU a row", f"{cpu / rows * 1e6:.1f} µs")
        result(f"{name}: most memory", f"{peak_mb:,.0f} MB")
    result("hoga's rows/s over Flink's", f"{runs['flink'][1] / runs['hoga'][1]:.1f}x", "10x")
    result("hoga's memory over Flink's", f"{runs['hoga'][3] / runs['flink'][3]:.2f}", "0.10")


if __name__ == "__main__":
    main()
