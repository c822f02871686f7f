"""Rows as multisets: what is missing, what is too much, and in which columns the nearest rows differ. Pure.

A row is a dict of exact values; order of rows has no meaning, and how often a row is there has one.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import date, datetime, time, timezone
from decimal import Decimal

Row = dict[str, object]
ROWS_SHOWN = 6


def canonical(value: object) -> object:
    """One spelling for equal values: instants in UTC, decimals with their scale, floats by all their digits."""
    if isinstance(value, dict):
        return tuple((name, canonical(field)) for name, field in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(canonical(element) for element in value)
    if isinstance(value, datetime):
        at = value.astimezone(timezone.utc) if value.tzinfo else value
        return at.isoformat(timespec="milliseconds" if at.microsecond % 1000 == 0 else "microseconds")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else repr(value)
    if isinstance(value, bytes):
        return value.hex()
    return value


def canonical_rows(rows: list[Row]) -> list[Row]:
    """Sorted, every value canonical: what is kept and compared."""
    plain = [{name: canonical(value) for name, value in row.items()} for row in rows]
    return sorted(plain, key=_sort_key)


def _sort_key(row: Row) -> list:
    return [(value is not None, str(type(value)), str(value)) for value in row.values()]


def _frozen(row: Row) -> tuple:
    return tuple((name, _hashable(value)) for name, value in row.items())


def _hashable(value: object) -> object:
    # JSON gives lists where canonical gives tuples
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value


def differences(found: list[Row], expected: list[Row], found_name: str, expected_name: str) -> str:
    """Empty if both are the same multiset."""
    have, want = Counter(map(_frozen, found)), Counter(map(_frozen, expected))
    missing, extra = sorted((want - have).elements(), key=repr), sorted((have - want).elements(), key=repr)
    if not missing and not extra:
        return ""
    lines = [f"{found_name}: {len(found)} rows, {expected_name}: {len(expected)}; {len(missing)} missing, {len(extra)} not expected"]
    unmatched = list(missing)
    for row in extra[:ROWS_SHOWN]:
        near = max(unmatched, key=lambda other: _alike(row, other), default=None)
        if near is None or _alike(row, near) == 0:
            lines.append(f"  only {found_name}: {_show(row)}")
            continue
        unmatched.remove(near)
        lines.append(f"  {_show(tuple(pair for pair in row if pair in near)) or 'a row'}")
        other = dict(near)
        lines += [f"      {name}: {found_name} {value!r}, {expected_name} {other.get(name)!r}" for name, value in row if other.get(name) != value]
    lines += [f"  only {expected_name}: {_show(row)}" for row in unmatched[:ROWS_SHOWN]]
    hidden = max(0, len(extra) - ROWS_SHOWN) + max(0, len(unmatched) - ROWS_SHOWN)
    return "\n".join(lines + ([f"  and {hidden} more"] if hidden else []))


def _alike(row: tuple, other: tuple) -> int:
    """Columns in common; the first ones, which name the row, count most."""
    there = dict(other)
    return sum(len(row) - place for place, (name, value) in enumerate(row) if name in there and there[name] == value)


def _show(row: tuple) -> str:
    return ", ".join(f"{name}={value}" for name, value in row)
