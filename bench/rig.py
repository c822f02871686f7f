"""What every bench needs: the binary, a machine description, CPU time and memory of a process, quantiles, ratios."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness import Stage, find_binary  # noqa: E402  (the path above)
from kafka_batches import count_records  # noqa: E402

__all__ = ["ROOT", "count_records", "cpu_seconds", "cpu_times", "find_binary", "heading", "memory_mb", "quantile", "ratio", "result", "rss_mb", "stage"]

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@contextmanager
def stage():
    """A place with its own data directory; everything started in it is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="hoga-bench-") as folder:
        place = Stage(Path(folder))
        try:
            yield place
        except BaseException:
            print(place.logs(), file=sys.stderr)
            raise
        finally:
            place.close()


def heading(what: str) -> None:
    """What is measured, on what, with what: a number without these is a rumour."""
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), platform.machine())
    load = os.getloadavg()[0]
    print(f"# {what}")
    print(f"  command  {os.path.relpath(sys.argv[0])} {' '.join(sys.argv[1:])}".rstrip())
    print(f"  machine  {os.cpu_count()} cores, {cpu}, load {load:.1f} before it began; {find_binary()}", flush=True)


def result(name: str, value: str, target: str = "") -> None:
    print(f"  {name:<58} {value:>16}   {target}".rstrip(), flush=True)


def ratio(name: str, ours: float, theirs: float, unit: str, more_is_better: bool) -> None:
    """One line that compares; above 1 is in our favour whichever way the unit points."""
    if not 0 < theirs < float("inf"):
        return result(name, "no ratio", f"hoga {ours:,.4g} {unit}; Python kept nothing at the rates asked")
    better = ours / theirs if more_is_better else theirs / ours
    print(f"  {name:<58} {better:>15.1f}x   hoga {ours:,.4g} {unit}, Python {theirs:,.4g} {unit}", flush=True)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    return sum(cpu_times(pid))


def cpu_times(pid: int) -> tuple[float, float]:
    """User time and system time, in seconds: what the program does itself, and what the kernel does for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND


def memory_mb(pid: int) -> dict[str, float]:
    """What a process holds: all of it (VmRSS), its own (RssAnon), and pages of files, of which its program is the most (RssFile)."""
    fields = (l.split() for l in Path(f"/proc/{pid}/status").read_text().splitlines() if l.startswith(("VmRSS:", "RssAnon:", "RssFile:")))
    return {name.rstrip(":"): int(value) / 1024 for name, value, _ in fields}


def rss_mb(pid: int) -> float:
    return memory_mb(pid)["VmRSS"]


def quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
