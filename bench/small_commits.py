"""Many small commits into one table: what a commit takes at the end as at the beginning, and the day's query all the while, with small files merged in the background.

The commits are those of the engine (`crates/engine/examples/lake_bench.rs`: seal, data files, manifests, snapshot), of tickers of 33 fields, one after the other. pypaimon makes some of the same in the same run, at the beginning and after as many as it was given time for: a commit of the same rows into a table of the same columns.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from rig import ROOT, heading, quantile, result

EXAMPLE = "lake_bench"


def example() -> Path:
    """The built program; HOGA_EXAMPLES is where there is one already."""
    import os

    if given := os.environ.get("HOGA_EXAMPLES"):
        return Path(given) / EXAMPLE
    subprocess.run(["cargo", "build", "--release", "--locked", "--workspace", "--exclude", "hoga-upbit", "--example", EXAMPLE], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples" / EXAMPLE


def windows(*args: object) -> list[dict]:
    """The lines that `lake_bench commits` prints, printed as they come."""
    lines = []
    with tempfile.TemporaryDirectory(prefix="hoga-bench-") as folder:
        program = subprocess.Popen([example(), "commits", folder, *map(str, args)], stdout=subprocess.PIPE, text=True)
        for text in program.stdout:
            line = json.loads(text)
            lines.append(line)
            name = f"{line['commits']:>7,} commits, {line['day']}"
            queries = f"query of the day p50 {line['query_day_p50_ms']:.0f} p99 {line['query_day_p99_ms']:.0f} ms"
            hot = f"; hot table {line['hot_files']} files" if line["hot_files"] else ""
            files = f"{line['files']} files, {line['snapshots']} snapshots, {line['bytes'] / 1e6:,.0f} MB{hot}"
            result(name, f"p99 {line['commit_p99_ms']:.1f} ms", f"{queries}; {files}")
        assert program.wait() == 0, "lake_bench failed"
    return lines


def pypaimon_commits(seconds: float, rows: int) -> list[float]:
    """Milliseconds of each commit, as many as there is time for."""
    import pyarrow as pa
    from pypaimon import CatalogFactory, Schema

    decimals = {f"d{number}": pa.decimal128(24, 8) for number in range(16)}
    columns = {"market": pa.string(), "at": pa.timestamp("ms"), **decimals, **{f"s{number}": pa.string() for number in range(14)}, "dt": pa.string()}
    schema, took = pa.schema(columns), []
    with tempfile.TemporaryDirectory(prefix="hoga-bench-") as folder:
        catalog = CatalogFactory.create({"warehouse": folder})
        catalog.create_database("upbit", True)
        catalog.create_table("upbit.ticker", Schema.from_pyarrow_schema(schema, partition_keys=["dt"]), False)
        table, began, number = catalog.get_table("upbit.ticker"), time.monotonic(), 0
        while time.monotonic() - began < seconds:
            number += 1
            at = datetime.datetime(2026, 11, 26) + datetime.timedelta(seconds=number)
            row = {"market": f"KRW-M{number % 200:03}", "at": at, "dt": "2026-11-26"} | {name: Decimal(number) for name in decimals}
            batch = pa.Table.from_pylist([row | {f"s{n}": "RISE" for n in range(14)}] * rows, schema=schema)
            start = time.monotonic()
            builder = table.new_batch_write_builder()
            write, commit = builder.new_write(), builder.new_commit()
            write.write_arrow(batch)
            commit.commit(write.prepare_commit())
            write.close()
            commit.close()
            took.append((time.monotonic() - start) * 1e3)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=30_000)
    parser.add_argument("--rows", type=int, default=5, help="of a commit")
    parser.add_argument("--peer-seconds", type=float, default=60, help="for pypaimon's commits")
    options = parser.parse_args()
    heading(f"{options.commits:,} commits of {options.rows} rows, small files merged meanwhile, the day's maxima asked for ten times a second")
    began = time.monotonic()
    lines = windows(1, options.commits, options.rows, "background")
    first, last = lines[0], lines[-1]
    result("all of it", f"{time.monotonic() - began:,.0f} s")
    result("commit p99, first fortieth", f"{first['commit_p99_ms']:.1f} ms")
    result("commit p99, last fortieth", f"{last['commit_p99_ms']:.1f} ms", "target < 150 ms, as at the start")
    result("SELECT market, max(trade_price), worst p99 of all", f"{max(line['query_day_p99_ms'] for line in lines):.0f} ms", "target < 200 ms throughout")
    result("data files, most of all", f"{max(line['files'] for line in lines)}")
    theirs = pypaimon_commits(options.peer_seconds, options.rows)
    tenth = max(1, len(theirs) // 10)
    early, late = quantile(theirs[:tenth], 0.5), quantile(theirs[-tenth:], 0.5)
    result(f"pypaimon: commit p50, first and last tenth of {len(theirs)}", f"{early:.0f}, {late:.0f} ms")
    print(f"  {'commit p50 at the end, hoga and pypaimon':<58} {late / last['commit_p50_ms']:>15.1f}x   hoga {last['commit_p50_ms']:.1f} ms after {last['commits']:,}")


if __name__ == "__main__":
    main()
