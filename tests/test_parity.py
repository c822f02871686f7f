"""The same file and the same records through real Flink and through hoga's engine, three ways: the same rows.

Cases are `parity/cases/*.sql`. Flink is the judge. What hoga refuses, or gets wrong, must be in `parity/not_yet_embedded.txt` as that, and must
leave the list when it does it right: the list can only shrink. What Flink gets wrong is in `parity/flink_bugs.txt`, and what is right there in
`parity/right.py`. `cases/NAME.expect` is Flink's result as a person has read it: `UPDATE_EXPECT=1` writes it, and its diff is read.
"""

from __future__ import annotations

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "parity"))

from bars import LENGTHS_MS, bars_of  # noqa: E402
from case import FOLDER, Case, all_cases  # noqa: E402
from compare import differences  # noqa: E402
from embedded import WAYS, kills, run_embedded  # noqa: E402
from judge import cached_outcome  # noqa: E402
from outcome import Outcome  # noqa: E402
from peers import Peers  # noqa: E402
from right import RIGHT  # noqa: E402
from verdict import check_embedded, flink_bugs, not_yet  # noqa: E402

SEED = int(os.environ.get("HOGA_TEST_SEED", "20261125"))
SLOW = os.environ.get("HOGA_PARITY_SLOW") == "1"
FLINK_ONLY = os.environ.get("HOGA_PARITY_FLINK_ONLY") == "1"  # to try a case on Flink before there is a binary
AT_ONCE = 3  # jobs on Flink's four slots

CASES = all_cases()
NOT_YET = not_yet()
FLINK_BUGS = flink_bugs()


def test_the_lists_name_cases():
    unknown = (NOT_YET.keys() | FLINK_BUGS.keys()) - {case.name for case in CASES}
    assert not unknown and all(kind in ("refused", "wrong") for kind, _ in NOT_YET.values()), unknown
    assert FLINK_BUGS.keys() == RIGHT.keys()


@pytest.fixture(scope="session")
def judged(request, tmp_path_factory):
    """Flink's outcomes of all selected cases, some at a time: a small job is mostly waiting. Starts peers only if one is not cached."""
    peers = Peers(tmp_path_factory.mktemp("peers"))
    wanted = [item.callspec.params for item in request.session.items if "zone" in getattr(getattr(item, "callspec", None), "params", {})]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = {}
        for params in wanted:
            case, zone = params["case"], params["zone"]
            if SLOW or "slow" not in case.directives:
                folder = tmp_path_factory.mktemp(case.name)
                futures[case.name, zone] = pool.submit(cached_outcome, case, zone, peers, folder)
        yield futures
        for future in futures.values():
            future.cancel()
    peers.stop()


@pytest.mark.parametrize("case, zone", [pytest.param(case, zone, id=f"{case.name}-{zone.rsplit('/')[-1]}") for case in CASES for zone in case.zones])
def test_case(case: Case, zone: str, judged, tmp_path: Path):
    if "slow" in case.directives and not SLOW:
        pytest.skip("slow: HOGA_PARITY_SLOW=1")
    flink = judged[case.name, zone].result()
    check_judge(case, zone, flink)
    if FLINK_ONLY:
        return
    kind, why = NOT_YET.get(case.name, (None, None))
    if kind == "refused":
        outcome = run_embedded(case, zone, "straight", tmp_path, SEED)
        assert outcome.error, f"{case.name} is not refused any more: take it off not_yet_embedded.txt"
        pytest.skip(f"refused: {why}")
    if kind == "wrong" and zone == case.zones[-1]:
        with pytest.raises(AssertionError):
            check_embedded(case, "straight", run_embedded(case, zone, "straight", tmp_path, SEED), flink)
            pytest.fail(f"{case.name} is right now: take it off not_yet_embedded.txt")
    if kind == "wrong":
        pytest.skip(f"wrong: {why}")
    expected = flink
    if case.name in FLINK_BUGS:
        expected = Outcome(RIGHT[case.name](case, zone))
        with pytest.raises(AssertionError):
            check_embedded(case, "Flink", flink, expected)
            pytest.fail(f"Flink is right now: take {case.name} off flink_bugs.txt")
    # side by side: most of each is waiting for its input
    with ThreadPoolExecutor(len(WAYS)) as pool:
        outcomes = {way: pool.submit(run_embedded, case, zone, way, tmp_path, SEED) for way in WAYS}
    for way, outcome in outcomes.items():
        check_embedded(case, way, outcome.result(), expected)


@pytest.mark.parametrize("case, zone", [pytest.param(case, "UTC", id=case.name) for case in CASES if case.name == "upbit_bars"])
def test_bars_are_those_of_the_trades(case: Case, zone: str, judged):
    """Flink agrees with the SQL; this says that the SQL means bars."""
    results = judged[case.name, zone].result().results
    for name, length_ms in LENGTHS_MS.items():
        expected = json.loads(json.dumps(bars_of(case.records, length_ms)))
        problem = differences(results[f"upbit.candle_{name}"], expected, "Flink", "the trades")
        assert not problem, f"candle_{name}: {problem}"


def check_judge(case: Case, zone: str, flink: Outcome) -> None:
    """Flink itself must do what the case says of it; otherwise the case is wrong."""
    if case.fails is not None:
        assert flink.error and re.search(case.fails, flink.error), f"Flink should fail with {case.fails!r}: {flink.error or flink.results}"
        return
    assert flink.error is None, f"Flink: {flink.error}"
    assert any(flink.results.values()) or "empty" in case.name or case.name in FLINK_BUGS, "no row at all: the case shows nothing"
    path = FOLDER / "cases" / f"{case.name}.expect"
    if zone != case.zones[0]:
        return
    text = "".join(json.dumps({"in": name} | row, ensure_ascii=False) + "\n" for name, rows in flink.results.items() for row in rows)
    if os.environ.get("UPDATE_EXPECT") == "1" and path.exists():
        path.write_text(text)
    elif path.exists():
        assert text == path.read_text(), f"Flink's result is not {path.name}"


def test_kills_hit_running_processes():
    """The last of them: a kill after the end would show nothing."""
    if not FLINK_ONLY and sum(kills.values()) >= 20:
        assert kills["running"] > sum(kills.values()) / 2, kills
