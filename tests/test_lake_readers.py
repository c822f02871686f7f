"""The tables of a running pipeline, committed often, some then compacted and expired, read by everybody who reads Paimon: pypaimon, Flink and the ClickHouse engine see what hoga sees,
now and at a snapshot and a tag of before."""

from __future__ import annotations

import csv
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from harness import Stage, wait_for
from programs import ClickHouse, Flink

COMMITS = 20  # more than twice as many as it takes to merge manifests
COMPACTED_TABLES = ["trade", "ticker"]
APPEND_TABLES = {"trade": "trade_volume", "ticker": "trade_price", "orderbook": "total_ask_size"}
EARLY = 5  # a snapshot long before the compactions
TAG = "early"
PAST = {"trade": ("scan.tag-name", TAG), "ticker": ("scan.snapshot-id", str(EARLY)), "orderbook": ("scan.snapshot-id", str(EARLY))}


# what hoga and Flink must say alike, column by column
SYSTEM_TABLES = {
    "snapshots": "SELECT * FROM upbit.\"ticker$snapshots\" ORDER BY 1",
    "tags": "SELECT * FROM upbit.\"trade$tags\" ORDER BY 1",
    "options": "SELECT * FROM upbit.\"candle_1m$options\" ORDER BY 1",
    "partitions": "SELECT * FROM upbit.\"orderbook$partitions\" ORDER BY 1",
    "buckets": "SELECT * FROM upbit.\"candle_1m$buckets\" ORDER BY 1",
    "files": "SELECT * FROM upbit.\"trade$files\" ORDER BY file_path",
    "keyed files": "SELECT * FROM upbit.\"candle_1m$files\" ORDER BY file_path",
    "manifests": "SELECT * FROM upbit.\"ticker$manifests\" ORDER BY 1",
}


class Written(NamedTuple):
    """A stopped pipeline's warehouse, and what hoga says is in it."""

    warehouse: Path
    sums: dict  # rows and a sum by table
    bars: int
    past: dict  # the same sums of before
    system: dict  # the rows of system tables, as CSV
    changed: dict  # by table and span: rows and a sum of what the commits between two snapshots have left


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    stage = Stage(tmp_path_factory.mktemp("written"))
    try:
        up = stage.up("--source", "sim", "--sim-markets", "20", "--sim-rate", "400", "--checkpoint-interval", "1s").wait_ready()
        table = up.warehouse / "upbit.db" / "trade"
        wait_for(lambda: (table / "snapshot" / f"snapshot-{COMMITS}").exists(), f"{COMMITS} commits", 120, every_s=0.5)
        for name in COMPACTED_TABLES:
            with up.connect() as connection:
                [(done,), _] = connection.execute(f"CALL sys.compact(\"table\" => 'upbit.{name}')").fetchall()
                assert done == "Success"
        wait_for(lambda: snapshots(up.warehouse, "trade")[-1]["commitKind"] == "APPEND", "a commit after the merge", 60)
        assert up.stop()[0] == 0
        sums = {name: ask(stage, up, f"SELECT count(*) AS n, CAST(sum({column}) AS VARCHAR) AS total FROM upbit.{name}") for name, column in APPEND_TABLES.items()}
        [bars] = ask(stage, up, "SELECT count(*) FROM upbit.candle_1m")
        care(stage, up, f"CALL sys.create_tag('upbit.trade', '{TAG}', {EARLY})")
        before = {name: past(stage, up, name) for name in APPEND_TABLES}
        for name in COMPACTED_TABLES:
            care(stage, up, f"CALL sys.compact(`table` => 'upbit.{name}')")
        care(stage, up, "CALL sys.expire_snapshots('upbit.trade', retain_max => 2, retain_min => 1)")
        assert {name: past(stage, up, name) for name in APPEND_TABLES} == before, "merging and expiry change no past that is kept"
        system = {name: care(stage, up, query) for name, query in SYSTEM_TABLES.items()}
        changed = {(name, span): left(stage, up, name, APPEND_TABLES[name], span) for name, span in (("ticker", "2,9"), ("orderbook", "0,5"))}
        assert not stage.panics()
        now = {name: (int(count), Decimal(total)) for name, (count, total) in sums.items()}
        yield Written(up.warehouse, now, int(bars), before, system, changed)
    finally:
        stage.close()


def ask(stage: Stage, up, sql: str) -> list:
    answer = stage.run("sql", "--data", str(up.data_dir), "--format", "json", "-c", sql)
    assert answer.returncode == 0, answer.stderr
    [row] = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")] or json.loads(answer.stdout)
    return list(row.values())


def past(stage: Stage, up, name: str) -> tuple[int, Decimal]:
    option, value = PAST[name]
    count, total = ask(stage, up, f"SELECT count(*) AS n, CAST(sum({APPEND_TABLES[name]}) AS VARCHAR) AS total FROM upbit.{name} /*+ OPTIONS('{option}' = '{value}') */")
    return int(count), Decimal(total)


def left(stage: Stage, up, name: str, column: str, span: str) -> tuple[int, Decimal]:
    options = f"/*+ OPTIONS('incremental-between' = '{span}') */"
    count, total = ask(stage, up, f"SELECT count(*) AS n, CAST(sum({column}) AS VARCHAR) AS total FROM upbit.{name} {options}")
    return int(count), Decimal(total)


def care(stage: Stage, up, call: str) -> list[str]:
    answer = stage.run("sql", "--data", str(up.data_dir), "--format", "csv", "-c", call)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()


def snapshots(warehouse: Path, table: str) -> list[dict]:
    """Those on disk, oldest first."""
    folder = warehouse / "upbit.db" / table / "snapshot"
    return sorted((json.loads(path.read_text()) for path in folder.glob("snapshot-*")), key=lambda snapshot: snapshot["id"])


def cell(value) -> str:
    """A value as both print it: NULL is empty, a time has its fraction only if it has one, a path no scheme."""
    text = "" if value is None else str(value)
    return re.sub(r"^file:/+", "/", re.sub(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d*?)0*)?$", lambda time: time[1] + (f".{time[2]}" if time[2] else ""), text))


def manifests(warehouse: Path, table: str) -> int:
    """How many manifests the latest snapshot's lists name, as pypaimon reads them."""
    import fastavro

    folder = warehouse / "upbit.db" / table
    latest = max((folder / "snapshot").glob("snapshot-*"), key=lambda path: int(path.name.split("-")[1]))
    snapshot = json.loads(latest.read_text())
    lists = [folder / "manifest" / snapshot[name] for name in ("baseManifestList", "deltaManifestList")]
    return sum(len(list(fastavro.reader(path.open("rb")))) for path in lists)


def test_manifests_are_merged(written):
    warehouse = written.warehouse
    assert all(manifests(warehouse, name) <= COMMITS // 2 + 8 for name in APPEND_TABLES)


def test_care_by_hand(written):
    warehouse = written.warehouse
    for name in COMPACTED_TABLES:
        days = list((warehouse / "upbit.db" / name).glob("dt=*"))
        last = snapshots(warehouse, name)[-1]
        assert last["commitKind"] == "COMPACT" and last["deltaRecordCount"] == 0
        kept = [path for day in days for path in day.glob("bucket-0/*.parquet")]
        # of the expired table, what the first merge replaced is gone from the disk
        assert (len(kept) < COMMITS) == (name == "trade"), name
    two = snapshots(warehouse, "trade")
    assert [snapshot["commitKind"] for snapshot in two] == ["APPEND", "COMPACT"]
    assert (warehouse / "upbit.db/trade/snapshot/EARLIEST").read_text() == str(two[0]["id"])


def test_snapshots_say_where_their_rows_come_from(written):
    warehouse = written.warehouse
    appended = [snapshot for snapshot in snapshots(warehouse, "orderbook") if snapshot["commitKind"] == "APPEND"]
    reached = [sum(int(offset) for name, offset in snapshot["properties"].items() if name.startswith("hoga.offset.")) for snapshot in appended]
    assert reached == sorted(reached) and reached[0] < reached[-1]
    assert all(snapshot["watermark"] > 0 for snapshot in appended[1:])


def test_pypaimon(written):
    from pypaimon import CatalogFactory

    warehouse, sums, bars = written[:3]
    catalog = CatalogFactory.create({"warehouse": str(warehouse)})

    def read(name: str, column: str, **options: str):
        builder = catalog.get_table(f"upbit.{name}").copy(options).new_read_builder().with_projection([column])
        return builder.new_read().to_arrow(builder.new_scan().plan().splits())[column].to_pylist()

    for name, column in APPEND_TABLES.items():
        values = read(name, column)
        assert (len(values), sum(value for value in values if value is not None)) == sums[name], name
        option, value = PAST[name]
        values = read(name, column, **{option: value})
        assert (len(values), sum(value for value in values if value is not None)) == written.past[name], name
    assert len(read("candle_1m", "market")) == bars


@pytest.mark.timeout(600)
def test_flink(written, tmp_path: Path):
    warehouse, sums, bars = written[:3]
    flink = Flink(tmp_path / "flink")
    try:
        with flink.session() as session:
            session.execute("SET 'execution.runtime-mode' = 'batch'")
            session.execute(f"CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = 'file://{warehouse}')")
            for name, column in APPEND_TABLES.items():
                [(_, count, total)] = session.execute(f"SELECT COUNT(*), SUM(`{column}`) FROM lake.upbit.`{name}`").rows
                assert (int(count), Decimal(total)) == sums[name], name
                option, value = PAST[name]
                [(_, count, total)] = session.execute(f"SELECT COUNT(*), SUM(`{column}`) FROM lake.upbit.`{name}` /*+ OPTIONS('{option}' = '{value}') */").rows
                assert (int(count), Decimal(total)) == written.past[name], name
            [(_, count)] = session.execute("SELECT COUNT(*) FROM lake.upbit.candle_1m").rows
            assert int(count) == bars
            for (name, span), ours in written.changed.items():
                options = f"/*+ OPTIONS('incremental-between' = '{span}') */"
                [(_, count, total)] = session.execute(f"SELECT COUNT(*), SUM(`{APPEND_TABLES[name]}`) FROM lake.upbit.`{name}` {options}").rows
                assert (int(count), Decimal(total)) == ours, (name, span)
            for name, query in SYSTEM_TABLES.items():
                query = re.sub(r'upbit\."(.*?)"', r"lake.upbit.`\1`", re.sub("ORDER BY 1", "", query)).replace("ORDER BY file_path", "")
                theirs = sorted([cell(value) for value in row[1:]] for row in session.execute(query).rows)
                ours = sorted([cell(value) for value in row] for row in csv.reader(written.system[name][1:]))
                assert ours == theirs, name
    finally:
        flink.stop()


@pytest.mark.timeout(600)
def test_clickhouse(written, tmp_path: Path):
    """Append tables without nested columns: it has no ROW, and does not merge primary keys."""
    warehouse, sums = written[:2]
    house = ClickHouse(tmp_path / "clickhouse")
    shutil.copytree(warehouse, tmp_path / "clickhouse" / "lake")
    try:
        for name in ("trade", "ticker"):
            [[count, total]] = house.ask(f"SELECT count(), toString(sum({APPEND_TABLES[name]})) FROM paimonLocal('lake/upbit.db/{name}')")
            assert (int(count), Decimal(total)) == sums[name], name
    finally:
        house.stop()
