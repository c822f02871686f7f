"""Every parity case at once, one way, against Flink's outcomes as they are in the cache: what to run while working on the engine.

    python tests/parity/survey.py [-k WORD] [--way straight|checkpoints|killed] [--zones all] [-j 2]

Out: one line for each case that differs, with the differences, and what of `not_yet_embedded.txt` is right now. Exit 1 if something
differs that is not in the list. Not here: real Flink; a case whose outcome is not cached is named and left out (`tests/test_parity.py`
runs it). The binary is `HOGA_BIN`, else the last build.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from case import Case, all_cases  # noqa: E402
from embedded import WAYS, Crashed, run_embedded  # noqa: E402
from judge import cached_outcome  # noqa: E402
from verdict import check_embedded, flink_bugs, not_yet  # noqa: E402

SEED = 20261125
NOT_CACHED = "Flink's outcome is not in the cache"


class NotCached(Exception):
    """Flink would have to run."""


class NoPeers:
    """Stands where real Kafka and Flink would be started."""

    def start(self):
        raise NotCached


def verdict(case: Case, zone: str, way: str) -> str:
    """Empty if hoga does what Flink does."""
    with tempfile.TemporaryDirectory(prefix="hoga-survey-") as folder:
        try:
            flink = cached_outcome(case, zone, NoPeers(), Path(folder))
        except NotCached:
            return NOT_CACHED
        try:
            check_embedded(case, way, run_embedded(case, zone, way, Path(folder), SEED), flink)
        except (AssertionError, Crashed) as problem:
            return str(problem)
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-k", default="", metavar="WORD", help="only cases with this in their name")
    parser.add_argument("--way", choices=WAYS, default="straight")
    parser.add_argument("--zones", choices=("first", "all"), default="first", help="the first of each case, or all")
    parser.add_argument("-j", type=int, default=os.cpu_count(), metavar="N", help="at once")
    arguments = parser.parse_args()
    began = time.monotonic()
    known = not_yet().keys() | flink_bugs().keys()
    wanted = [
        (case, zone)
        for case in all_cases()
        if arguments.k in case.name and "slow" not in case.directives
        for zone in (case.zones if arguments.zones == "all" else case.zones[:1])
    ]
    with ThreadPoolExecutor(arguments.j) as pool:
        verdicts = list(pool.map(lambda pair: verdict(*pair, arguments.way), wanted))
    bad = 0
    for (case, zone), problem in zip(wanted, verdicts, strict=True):
        if problem and case.name not in known:
            bad += problem != NOT_CACHED
            print(f"{case.name} {zone}: {problem}")
        elif problem:
            print(f"{case.name} {zone}: as listed ({problem.splitlines()[0]})")
        elif case.name in known:
            print(f"{case.name} {zone}: right, and in the list")
    print(f"{len(wanted)} cases, {bad} differ, {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
