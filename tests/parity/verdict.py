"""Whether hoga did what Flink did, and the cases of which it is known that they differ."""

from __future__ import annotations

import json

from case import FOLDER, Case
from compare import differences
from outcome import Outcome

DIGITS = 12  # of DOUBLE columns that a case calls approximate


def not_yet() -> dict[str, tuple[str, str]]:
    """By case: whether hoga refuses it or gives something else, and why. This list can only shrink."""
    return {name: (kind, why) for name, kind, why in _lines("not_yet_embedded.txt", 3)}


def flink_bugs() -> dict[str, str]:
    """By case: what Flink does wrong. What is right says `right.py`."""
    return {name: why for name, why in _lines("flink_bugs.txt", 2)}


def _lines(name: str, columns: int) -> list[list[str]]:
    lines = (FOLDER / name).read_text().splitlines()
    return [line.split(None, columns - 1) for line in lines if line.strip() and not line.startswith("#")]


def check_embedded(case: Case, way: str, found: Outcome, flink: Outcome) -> None:
    if case.fails is not None:
        assert found.error or found.dead_letters, f"{way}: Flink fails here ({flink.error}), and hoga neither refuses nor has dead letters"
        return
    assert not found.error, f"{way}: refused, and not in not_yet_embedded.txt:\n{found.error}"
    dead = set(case.directives.get("dead", "").split())
    letters = sum(int(word) if word.startswith("+") else 1 for word in dead)
    assert found.dead_letters == letters, f"{way}: {found.dead_letters} dead letters, the case names {letters}"
    assert found.results.keys() == flink.results.keys()
    for name, expected in flink.results.items():
        expected = [dict(row) for row in expected if str(row.get("id")) not in dead]
        got = json.loads(json.dumps(found.results[name]))
        for column in case.directives.get("approximate", "").split():
            for row in (*expected, *got):
                row[column] = row[column] and f"{float(row[column]):.{DIGITS}g}"
        problem = differences(got, expected, f"hoga ({way})", "Flink")
        assert not problem, f"{name}: {problem}"
