"""A table's history in SQL, over psql's protocol, `hoga sql` and HTTP: system tables, time travel, changes, and a column that the pipeline gains, which pypaimon reads too."""

from __future__ import annotations

import json

import psycopg
import pytest
import requests
from harness import Stage, Up, wait_for
from kafka_clients import produce

USER_MISTAKE = 2
TICK = "`code` STRING, `n` BIGINT"
PIPELINE = f"""
CREATE TEMPORARY TABLE ticks (`code` STRING, `n` BIGINT)
  WITH ('connector' = 'kafka', 'topic' = 'ticks', 'properties.bootstrap.servers' = '127.0.0.1:9092', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE CATALOG lake WITH ('type' = 'paimon', 'warehouse' = '${{WAREHOUSE}}');
CREATE DATABASE IF NOT EXISTS lake.upbit;
CREATE TABLE IF NOT EXISTS lake.upbit.tick ({TICK});
CREATE TABLE IF NOT EXISTS lake.upbit.counted (`code` STRING, `n` BIGINT, PRIMARY KEY (`code`) NOT ENFORCED) WITH ('bucket' = '1');
INSERT INTO lake.upbit.tick SELECT `code`, `n` FROM ticks;
INSERT INTO lake.upbit.counted SELECT `code`, COUNT(*) FROM ticks GROUP BY `code`;
"""


def start(stage: Stage, pipeline: str, name: str) -> Up:
    path, quiet = stage.work_dir / "pipeline.sql", stage.work_dir / "empty.jsonl"
    path.write_text(pipeline)
    quiet.write_text("")
    return stage.up("--source", f"replay:{quiet}", "--pipeline", str(path), "--checkpoint-interval", "1s", name=name)


def commit(up: Up, total: int, *ticks: tuple[str, int]) -> int:
    """Sends ticks and waits until both tables have them committed; gives the snapshot of the append table."""
    produce(up.kafka, "ticks", [json.dumps({"code": code, "n": n}).encode() for code, n in ticks])
    wait_for(lambda: up.query('SELECT max(total_record_count) FROM upbit."tick$snapshots"') == [(total,)], f"{total} ticks committed")
    counted = "SELECT CAST(sum(n) AS BIGINT) FROM counted /*+ OPTIONS('scan.timestamp-millis' = '99999999999999') */"
    wait_for(lambda: up.query(counted) == [(total,)], f"{total} ticks counted and committed")
    return up.query("SELECT max(snapshot_id) FROM tick$snapshots")[0][0]


def test_history(stage: Stage):
    up = start(stage, PIPELINE, "first").wait_ready()
    first = commit(up, 2, ("a", 1), ("b", 2))
    [(at,)] = up.query(f"SELECT CAST(commit_time AS VARCHAR) FROM tick$snapshots WHERE snapshot_id = {first}")
    up.query(f"CALL sys.create_tag('upbit.tick', 'one', {first})")
    second = commit(up, 5, ("a", 3), ("c", 4), ("a", 5))
    then = [("a", 1), ("b", 2)]
    for past in (
        f"/*+ OPTIONS('scan.snapshot-id' = '{first}') */", "/*+ OPTIONS('scan.tag-name' = 'one') */ t", f"/*+ OPTIONS('scan.timestamp' = '{at}') */",
        f"FOR SYSTEM_TIME AS OF TIMESTAMP '{at}' AS t", "/*+ OPTIONS('scan.version' = 'one', 'scan.mode' = 'from-snapshot') */",
    ):  # fmt: skip
        assert up.query(f"SELECT code, n FROM upbit.tick {past} ORDER BY n") == then, past
    assert up.query("SELECT count(*) FROM `tick`") == [(5,)]

    # the three ways in
    files = f"SELECT sum(record_count) AS n FROM `tick$files` /*+ OPTIONS('scan.snapshot-id' = '{first}') */"
    answer = requests.post(f"{up.url}/api/sql", json={"sql": files}, timeout=30)
    assert answer.json()["rows"] == [["2"]], answer.text
    url = f"postgres://tester@127.0.0.1:{up.postgres_port}/hoga"
    answer = stage.run("sql", "--connect", url, "--format", "csv", "-c", files)
    assert answer.stdout.split() == ["n", "2"], answer
    listed = up.psql("-c", r"\d")
    assert "tick" in listed.stdout and "$" not in listed.stdout, listed.stdout
    assert "total_record_count" in up.psql("-c", 'SELECT * FROM "tick$snapshots"').stdout

    # changes: of a key the last, and between two snapshots all
    assert up.query("SELECT rowkind, n FROM counted$audit_log WHERE code = 'b'") == [("+I", 1)]
    between = f"SELECT rowkind, code, n FROM tick$audit_log /*+ OPTIONS('incremental-between' = '{first},{second}') */ ORDER BY n"
    assert up.query(between) == [("+I", "a", 3), ("+I", "c", 4), ("+I", "a", 5)]
    # and what they have left of the rows: by snapshots, tags and times
    up.query(f"CALL sys.create_tag('upbit.tick', 'later', {second})")
    [(until,)] = up.query(f"SELECT CAST(commit_time AS VARCHAR) FROM tick$snapshots WHERE snapshot_id = {second}")
    for span in (f"'incremental-between' = '{first},{second}'", "'incremental-between' = 'one,later'", f"'incremental-between-timestamp' = '{at},{until}', 'scan.mode' = 'incremental'"):
        assert up.query(f"SELECT n FROM tick /*+ OPTIONS({span}) */ WHERE n > 3 ORDER BY n") == [(4,), (5,)], span
    up.query("CALL sys.delete_tag('upbit.tick', 'later')")
    assert up.query(f"SELECT count(*) FROM tick /*+ OPTIONS('incremental-between' = '0,{second}') */") == [(5,)]
    [(last,)] = up.query("SELECT max(snapshot_id) FROM counted$snapshots")
    changed = f"SELECT code, n FROM counted /*+ OPTIONS('incremental-between' = '0,{last}') */ ORDER BY code"
    assert up.query(changed) == [("a", 3), ("b", 1), ("c", 1)], "of each key the last state"

    for statement, why in (
        ('SELECT * FROM "tick$snapshot"', 'no system table "snapshot"; there are "tick$snapshots"'),
        ("SELECT * FROM tick /*+ OPTIONS('scan.snapshot-id' = '999') */", "snapshot 999 does not exist (any more); there are 1 ("),
        ("SELECT * FROM tick /*+ OPTIONS('scan.tag-name' = 'two') */", 'tag "two" does not exist; there are "one"'),
        ("SELECT * FROM tick FOR SYSTEM_TIME AS OF TIMESTAMP '2020-01-01 00:00:00'", "no snapshot at or before 2020-01-01T00:00:00.000Z; there are 1 ("),
        ("SELECT * FROM tick /*+ OPTIONS('incremental-between' = '7') */", "is not two snapshots like '3,7', or two tags"),
        ("SELECT * FROM tick /*+ OPTIONS('incremental-between' = '1,99') */", "there are no changes between snapshots 1 and 99; there are changes from '0,"),
        ("SELECT * FROM tick$files /*+ OPTIONS('incremental-between' = '1,2') */", '"tick$files" has no changes'),
        ("SELECT * FROM tick t /*+ OPTIONS('scan.snapshot-id' = '1') */", '"t" is not a table\'s name'),
    ):
        with pytest.raises(psycopg.Error) as refused:
            up.query(statement)
        assert why in str(refused.value), statement
        answer = requests.post(f"{up.url}/api/sql", json={"sql": statement}, timeout=30)
        assert answer.status_code == 400 and json.dumps(why)[1:-1] in answer.text, answer.text
    assert up.stop()[0] == 0

    # a new column, in the middle; the queries beside it go on
    wider = PIPELINE.replace(f"tick ({TICK})", "tick (`code` STRING, `doubled` BIGINT, `n` BIGINT)").replace("`code`, `n` FROM", "`code`, `n` * 2, `n` FROM")
    up = start(stage, wider, "wider").wait_ready()
    commit(up, 6, ("b", 6))
    assert up.query("SELECT code, doubled, n FROM tick WHERE n > 4 ORDER BY n") == [("a", None, 5), ("b", 12, 6)]
    assert up.query(f"SELECT * FROM tick /*+ OPTIONS('scan.snapshot-id' = '{first}') */ ORDER BY n") == then, "with the columns it had"
    assert up.query("SELECT count(*) FROM tick$schemas") == [(2,)]
    assert up.stop()[0] == 0
    assert pypaimon_rows(up, "doubled") == [None] * 5 + [12]
    assert pypaimon_rows(up, "n", **{"scan.snapshot-id": str(first)}) == [1, 2]

    for number, (pipeline, why) in enumerate((
        (PIPELINE, '"doubled" is BIGINT in the lake and absent in the pipeline'),
        (wider.replace("`doubled` BIGINT", "`doubled` STRING").replace("`n` * 2", "CAST(`n` AS STRING)"), '"doubled" is BIGINT in the lake and STRING in the pipeline'),
        (wider.replace("`n` BIGINT);", "`n` BIGINT, `m` BIGINT NOT NULL);").replace("`n` * 2, `n`", "`n` * 2, `n`, 1"), '"m" is new'),
    )):  # fmt: skip
        refused = start(stage, pipeline, f"refused-{number}")
        assert refused.wait() == USER_MISTAKE, refused.output
        assert why in refused.stderr, refused.stderr


def pypaimon_rows(up: Up, column: str, **options: str) -> list:
    """In the order of `n`."""
    from pypaimon import CatalogFactory

    table = CatalogFactory.create({"warehouse": str(up.warehouse)}).get_table("upbit.tick").copy(options)
    builder = table.new_read_builder()
    rows = builder.new_read().to_arrow(builder.new_scan().plan().splits()).to_pylist()
    return [row[column] for row in sorted(rows, key=lambda row: row["n"])]
