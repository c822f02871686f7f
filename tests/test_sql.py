"""SQL by `hoga sql`, against the running process and against the data directory of a stopped one; and by psql."""

import csv
import io
import json
import re

import pytest
from harness import Stage, Up, wait_for

RECORDED = "ws_documentation_2018_2025.jsonl"
QUERY = "SELECT market, trade_price, sequential_id, trade_timestamp FROM upbit.trade WHERE trade_date >= '2024' ORDER BY sequential_id"


@pytest.fixture
def up(stage: Stage, request) -> Up:
    path = request.path.parent / "fixtures" / "recorded" / RECORDED
    up = stage.up("--source", f"replay:{path}").wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] == 5, "5 trades", 20)
    return up


def connect_options(up: Up) -> list[str]:
    return ["--connect", f"postgres://tester@127.0.0.1:{up.postgres_port}/hoga"]


def assert_formats(stage: Stage, where: list[str]) -> None:
    """One question in the three formats."""
    as_json = stage.run("sql", *where, "-c", QUERY, "--format", "json")
    assert as_json.returncode == 0, as_json.stderr
    text = as_json.stdout.strip()
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    assert [r["market"] for r in rows] == ["KRW-BTC", "KRW-ETH"]
    assert int(rows[1]["sequential_id"]) == 17303368620800006, "ids beyond 2^53 stay exact"

    as_csv = stage.run("sql", *where, "-c", QUERY, "--format", "csv")
    assert as_csv.returncode == 0, as_csv.stderr
    records = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [(r["market"], r["sequential_id"]) for r in records] == [("KRW-BTC", "17303368620470000"), ("KRW-ETH", "17303368620800006")]
    assert records[0]["trade_price"] in ("100473000.00000000", "100473000")

    as_table = stage.run("sql", *where, "-c", QUERY, "--format", "table")
    assert as_table.returncode == 0, as_table.stderr
    assert "KRW-ETH" in as_table.stdout and "trade_price" in as_table.stdout
    assert stage.run("sql", *where, "-c", QUERY).stdout == as_table.stdout, "a table is the default"


def test_hoga_sql_running_and_stopped(stage: Stage, up: Up):
    assert_formats(stage, connect_options(up))
    assert up.stop()[0] == 0
    assert_formats(stage, ["--data", str(up.data_dir)])


def test_hoga_sql_says_what_is_wrong(stage: Stage, up: Up):
    for statement, word in (("SELECT * FROM upbit.nosuch", "nosuch"), ("SELECT nosuch FROM upbit.trade", "nosuch"), ("SELEC 1", "SELEC")):
        answer = stage.run("sql", *connect_options(up), "-c", statement)
        assert answer.returncode == 2, answer
        assert word in answer.stderr
    assert up.stop()[0] == 0
    gone = stage.run("sql", *connect_options(up), "-c", "SELECT 1")
    assert gone.returncode == 3 and str(up.postgres_port) in gone.stderr
    nothing = stage.run("sql", "--data", str(stage.work_dir / "nowhere"), "-c", "SELECT 1")
    assert nothing.returncode == 2 and "nowhere" in nothing.stderr


def test_psql_describes(up: Up):
    listed = up.psql("-c", r"\dt upbit.*")
    assert listed.returncode == 0, listed.stderr
    for table in ("ticker", "trade", "orderbook"):
        assert re.search(rf"upbit\s*\|\s*{table}\s*\|\s*table", listed.stdout), listed.stdout
    assert "trade" in up.psql("-c", r"\dt").stdout, "the schema is on the search path"
    described = up.psql("-c", r"\d upbit.trade")
    assert described.returncode == 0, described.stderr
    for column, kind in (("sequential_id", "bigint"), ("trade_price", r"numeric(\(20,8\))?"), ("market", "(text|character varying)")):
        assert re.search(rf"{column}\s*\|\s*{kind}", described.stdout), described.stdout
    assert up.psql("-c", r"\d").returncode == 0
    assert up.psql("-c", r"\dn").returncode == 0
    assert up.psql("-c", r"\l").returncode == 0


def test_psql_types_and_errors(up: Up):
    out = up.psql("-At", "-c", "SELECT trade_price, sequential_id, trade_timestamp FROM upbit.trade WHERE sequential_id = 17303368620800006")
    price, number, at = out.stdout.strip().split("|")
    assert (price, number) == ("3700000.00000000", "17303368620800006")
    assert at.startswith("2024-10-31 01:07:42.08")
    wrong = up.psql("-c", "SELECT * FROM upbit.nosuch")
    assert wrong.returncode != 0 and "nosuch" in wrong.stderr
    for statement in ("DELETE FROM upbit.trade", "INSERT INTO upbit.trade VALUES (1)", "DROP TABLE upbit.trade"):
        assert up.psql("-c", statement).returncode != 0, f"{statement} must be refused"
    assert up.query("SELECT count(*) FROM upbit.trade") == [(5,)]


def test_prepared_statement_and_parameters(up: Up):
    """What every driver does that psql does not: the extended protocol, parameters, binary results."""
    with up.connect() as connection:
        for _ in range(7):  # psycopg prepares a statement it has seen often
            found = connection.execute("SELECT trade_price FROM upbit.trade WHERE market = %s AND sequential_id = %s", ("KRW-ETH", 17303368620800006))
            assert [str(r[0]) for r in found] == ["3700000.00000000"]
        assert connection.execute("SELECT count(*), max(trade_timestamp) FROM upbit.trade", binary=True).fetchone()[0] == 5


def test_check(stage: Stage):
    good = stage.work_dir / "good.sql"
    good.write_text(
        "CREATE TABLE t (`type` STRING, `code` STRING) WITH ('connector' = 'kafka', 'topic' = 'upbit-trade',\n"
        "  'properties.bootstrap.servers' = '127.0.0.1:9092', 'format' = 'json');\n"
    )
    checked = stage.run("check", good)
    assert checked.returncode == 0, checked.stderr
    bad = stage.work_dir / "bad.sql"
    bad.write_text(good.read_text() + "INSERT INTO nosuch SELECT `type`\nFROM t;\nSELECT nosuch FROM t;\n")
    checked = stage.run("check", good, bad)
    said = checked.stdout + checked.stderr
    assert checked.returncode == 2
    assert "bad.sql:3:" in said and "bad.sql:5:" in said, "every mistake at once, each with its place"
    missing = stage.run("check", stage.work_dir / "missing.sql")
    assert missing.returncode == 2 and "missing.sql" in missing.stderr
