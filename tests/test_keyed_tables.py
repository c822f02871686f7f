"""Primary-key tables as the lake writes them, read by pypaimon: the same rows after updates and deletions, for every type of key.

The tables are written by `crates/lake/examples/keyed_tables.rs`, which also says what must be in them.
"""

from __future__ import annotations

import datetime
import json
import subprocess

import pytest
from harness import target_folder

TABLES = ["timestamp_ltz3", "timestamp_ltz6", "timestamp3", "bigint", "int", "string", "date", "decimal"]


def key(value) -> int:
    """A key as pypaimon gives it back, as the number it was written from: milliseconds, or the ordinal of a date or an INT."""
    if isinstance(value, datetime.datetime):
        return round(value.replace(tzinfo=value.tzinfo or datetime.timezone.utc).timestamp() * 1000)
    if isinstance(value, datetime.date):
        return (value - datetime.date(1970, 1, 1)).days
    return int(value)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    writer = target_folder() / "release" / "examples" / "keyed_tables"
    if not writer.exists():
        pytest.fail(f"{writer} does not exist; run scripts/test, or cargo build --release --workspace --examples")
    warehouse = tmp_path_factory.mktemp("warehouse")
    result = subprocess.run([writer, warehouse], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    expected = json.loads(result.stdout)
    assert expected["tables"] == [f"by_{name}" for name in TABLES]
    return warehouse, expected["rows"]


@pytest.mark.parametrize("name", TABLES)
def test_pypaimon_reads_the_last_change_of_each_key(written, name):
    from pypaimon import CatalogFactory

    warehouse, expected = written
    table = CatalogFactory.create({"warehouse": str(warehouse)}).get_table(f"upbit.by_{name}")
    builder = table.new_read_builder()
    splits = builder.new_scan().plan().splits()
    rows = builder.new_read().to_arrow(splits).to_pylist()
    found = sorted((row["market"], key(row["start"]), str(row["close"]), row["dt"]) for row in rows)
    ordinal = name in ("int", "date")
    assert found == sorted(
        (row["market"], row["start" if ordinal else "start_ms"], row["close"], row["dt"]) for row in expected
    )
