"""Seven simulated days of commits each 30 s, time compressed: files and snapshots stay few, and what a query of the day takes stays the same.

Each commit is followed by as much simulated time as 30 s are; the care of tables (merges, expiry of snapshots, of the partitions of a hot table that keeps two days) comes after every second
one, as `hoga up` does it each minute, and an hour into each new day what is left of the day before is merged. What is printed is the curve.
"""

from __future__ import annotations

import argparse
import time

from rig import heading, result
from small_commits import windows

COMMITS_A_DAY = 2_880


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--rows", type=int, default=300, help="of a commit: 10 a second; more take longer and change no shape")
    options = parser.parse_args()
    heading(f"{options.days} days of a commit each 30 s, {options.rows} rows of 33 fields each, into a table for years and one of two days")
    began = time.monotonic()
    lines = windows(options.days, COMMITS_A_DAY, options.rows, "between")
    result("all of it", f"{time.monotonic() - began:,.0f} s")
    half = len(lines) // 2
    for name, key in (("data files", "files"), ("data files of the hot table", "hot_files"), ("snapshots", "snapshots")):
        result(f"{name}: most in the first half, in the second", f"{max(l[key] for l in lines[:half])}, {max(l[key] for l in lines[half:])}", "bounded")
    for name, key in (("query of the day, p50", "query_day_p50_ms"), ("query of the hot table, p50", "query_hot_p50_ms"), ("commit p99", "commit_p99_ms")):
        first, second = (max(l[key] for l in part) for part in (lines[: half or 1], lines[half:]))
        result(f"{name}: highest in the first half, in the second", f"{first:.0f}, {second:.0f} ms", f"{second / first:.2f}; 1.00 is flat")


if __name__ == "__main__":
    main()
