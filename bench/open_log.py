#!/usr/bin/env python3
"""How long a log of some gigabytes takes to open after its writer was killed with SIGKILL.

Opens it with nothing of it in memory (its pages are dropped first) and again from memory; then without the recovery points, as a start that
checks all of the active segments. Wall time of `DiskLog::open`, in a process of its own. Prints; nothing passes or fails.
    bench/open_log.py [--gigabytes 10] [--dir FOLDER] [--rounds 3] [--binary FILE]
Needs so much disk, and Cargo, which builds the example `open_log` unless it is given.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build() -> Path:
    subprocess.run(["cargo", "build", "--release", "--locked", "-p", "hoga-log", "--example", "open_log"], cwd=ROOT, check=True)
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/examples/open_log"


def drop_pages(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fdatasync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def show(name: str, runs: list[list[float]]) -> None:
    ms, bytes_, checked, reindexed = runs[0]
    middle = statistics.median(run[0] for run in runs)
    print(f"  {name:34} {middle:9.0f} ms   {bytes_ / 1e9:.2f} GB, checked {checked / 1e6:.1f} MB, reindexed {reindexed:.0f}   "
          f"(all: {', '.join(f'{run[0]:.0f}' for run in runs)})", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=int, default=10)
    parser.add_argument("--dir", type=Path, default=None, help="where; removed afterwards")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=None, help="the example `open_log`, if it is built")
    options = parser.parse_args()
    binary = options.binary or build()
    with tempfile.TemporaryDirectory(prefix="hoga-open-", dir=options.dir) as folder:
        log = Path(folder) / "log"
        writer = subprocess.Popen([binary, "write", log, str(options.gigabytes)], stdout=subprocess.PIPE, text=True)
        try:
            if writer.stdout.readline().strip() != "written":
                raise SystemExit("the writer failed")
        finally:
            writer.kill()
            writer.wait()

        def open_once() -> list[float]:
            return [float(word) for word in subprocess.run([binary, "open", log], capture_output=True, text=True, check=True).stdout.split()]

        print(f"{options.gigabytes} GB, {len(list(log.rglob('*.log')))} segments, load {os.getloadavg()[0]:.1f}", flush=True)
        # opening closes the log again, which moves the points to the end: the state of the kill is put back for each round
        killed = {point: point.read_bytes() for point in log.rglob("recovery-point")}

        def measure(name: str, cold: bool, points: bool) -> None:
            runs = []
            for _ in range(options.rounds):
                for point, content in killed.items():
                    point.unlink(missing_ok=True)
                    if points:
                        point.write_bytes(content)
                if cold:
                    drop_pages(log)
                runs.append(open_once())
            show(name, runs)

        show("killed, first start", [open_once()])
        measure("killed, nothing in memory", cold=True, points=True)
        measure("killed, in memory", cold=False, points=True)
        measure("no recovery points, nothing in memory", cold=True, points=False)
        measure("no recovery points, in memory", cold=False, points=False)


if __name__ == "__main__":
    main()
