"""Data out: the Arrow stream of `POST /api/sql` and the files of `hoga export`, read by pyarrow and Polars and compared with psql's rows and sums."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import time
from decimal import Decimal

import polars
import pyarrow
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
import pytest
import requests
from harness import Stage, Up, find_binary, wait_for

TRADES = "SELECT market, sequential_id, trade_price, trade_volume, trade_timestamp, ask_bid FROM upbit.trade ORDER BY sequential_id"
SUMS = "SELECT count(*), sum(trade_price * trade_volume), max(trade_timestamp) FROM upbit.trade"
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture
def quiet(stage: Stage) -> Up:
    """A simulated run that has ended, served from its data folder: committed rows of all kinds, and nothing that moves."""
    sim = stage.sim("--markets", "12", "--rate", "2000", "--seed", "7", "--duration", "6s").wait_ready()
    up = stage.up("--checkpoint-interval", "1s", "--verify-interval", "off", env=sim.env).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] > 1_000, "trades", 60)
    wait_for(lambda: not sim.running(), "the exchange to close", 30)
    assert up.stop()[0] == 0
    path = stage.work_dir / "nothing.jsonl"
    path.write_text("")
    return stage.up("--source", f"replay:{path}", name="quiet").wait_ready()


def rows_of(up: Up, sql: str = TRADES) -> list[tuple]:
    rows = up.query(sql)
    assert len(rows) > 1_000
    return rows


def as_rows(table: pyarrow.Table) -> list[tuple]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_arrow_over_http(quiet: Up):
    expected = rows_of(quiet)
    with requests.post(f"{quiet.url}/api/sql", json={"sql": TRADES}, headers={"Accept": ARROW}, stream=True, timeout=30) as answer:
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, ARROW)
        table = pyarrow.ipc.open_stream(answer.raw).read_all()
    types = {field.name: field.type for field in table.schema}
    assert types["trade_price"] == pyarrow.decimal128(20, 8) and types["sequential_id"] == pyarrow.int64()
    assert types["trade_timestamp"] == pyarrow.timestamp("ms", "UTC")
    assert as_rows(table) == expected

    frame = polars.read_ipc_stream(requests.post(f"{quiet.url}/api/sql?format=arrow", json={"sql": TRADES}, timeout=30).content)
    assert frame["trade_price"].dtype == polars.Decimal(20, 8) and frame.rows() == expected

    books = "SELECT market, timestamp, orderbook_units FROM upbit.orderbook ORDER BY market, timestamp"
    nested = pyarrow.ipc.open_stream(requests.post(f"{quiet.url}/api/sql?format=arrow", json={"sql": books}, timeout=30).content).read_all()
    level = nested["orderbook_units"][0].as_py()[0]
    assert isinstance(level["ask_price"], Decimal) and level["ask_price"] > level["bid_price"]
    assert nested.num_rows == quiet.query("SELECT count(*) FROM upbit.orderbook")[0][0]

    wrong = requests.post(f"{quiet.url}/api/sql?format=arrow", json={"sql": "SELECT nosuch FROM upbit.trade"}, timeout=30)
    assert wrong.status_code == 400 and "nosuch" in wrong.json()["error"]
    write = requests.post(f"{quiet.url}/api/sql?format=arrow", json={"sql": "INSERT INTO upbit.trade SELECT * FROM upbit.trade"}, timeout=30)
    assert write.status_code == 400, write.text


def test_a_failure_in_the_middle_is_noticed(quiet: Up):
    """Rows come, then one cannot be computed: the client gets an error, not an end."""
    fails = "SELECT n, 1 / (n - 900000) FROM (SELECT value AS n FROM generate_series(1, 1000000))"
    with requests.post(f"{quiet.url}/api/sql?format=arrow", json={"sql": fails}, stream=True, timeout=30) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.RequestException):
            for _ in answer.iter_content(1 << 16):
                pass


@pytest.mark.parametrize("where", ["running", "folder"])
def test_files_have_the_rows_of_psql(stage: Stage, quiet: Up, where: str):
    expected, sums = rows_of(quiet), quiet.query(SUMS)[0]
    place = ["--connect", quiet.url]
    if where == "folder":
        assert quiet.stop()[0] == 0
        place = ["--data", str(quiet.data_dir)]

    def export(name: str, *more: str) -> bytes:
        done = stage.run("export", *place, "--query", TRADES, "--out", name, *more)
        assert done.returncode == 0, done.stderr
        assert f"{len(expected)} rows" in done.stdout and done.stderr == ""
        return (stage.work_dir / name).read_bytes()

    table = pyarrow.parquet.read_table(io.BytesIO(export("t.parquet")))
    assert as_rows(table) == expected
    described = pyarrow.parquet.ParquetFile(stage.work_dir / "t.parquet").metadata.row_group(0)
    assert described.column(0).compression == "ZSTD" and described.column(2).statistics.has_min_max
    frame = polars.read_parquet(stage.work_dir / "t.parquet")
    total = sum((price * volume for price, volume in frame.select("trade_price", "trade_volume").rows()), Decimal(0))
    assert (frame.height, total, frame["trade_timestamp"].max()) == sums

    assert as_rows(pyarrow.ipc.open_file(io.BytesIO(export("t.arrow"))).read_all()) == expected
    assert as_rows(pyarrow.ipc.open_stream(export("t.arrows")).read_all()) == expected
    types = pyarrow.csv.ConvertOptions(column_types=table.schema)
    assert as_rows(pyarrow.csv.read_csv(io.BytesIO(export("t.csv")), convert_options=types)) == expected
    assert sorted(p.name for p in stage.work_dir.glob("*") if p.name.lstrip(".").startswith("t.")) == ["t.arrow", "t.arrows", "t.csv", "t.parquet"]


def test_standard_output_and_mistakes(stage: Stage, quiet: Up):
    place = ["--connect", quiet.url]
    piped = subprocess.run([find_binary(), "export", *place, "--query", TRADES, "--format", "arrow", "--out", "-"], capture_output=True, timeout=60)
    assert (piped.returncode, piped.stderr) == (0, b"")
    assert pyarrow.ipc.open_stream(piped.stdout).read_all().num_rows == len(rows_of(quiet))

    taken = stage.work_dir / "taken.csv"
    taken.write_text("mine")
    for args, code, word in (
        (["--query", TRADES, "--out", str(taken)], 2, "--force"),
        (["--query", TRADES, "--out", "a.xlsx"], 2, "--format"),
        (["--query", TRADES, "--out", "nowhere/a.csv"], 2, "nowhere"),
        (["--query", "SELECT nosuch FROM trade", "--out", "a.csv"], 2, "nosuch"),
        (["--query", "SELECT 1 / (value - 900000) FROM generate_series(1, 1000000)", "--out", "a.csv"], 3, "nothing was written"),
    ):
        answer = stage.run("export", *place, *args)
        assert (answer.returncode, word in answer.stderr) == (code, True), answer
    assert taken.read_text() == "mine" and not list(stage.work_dir.glob("*a.csv*"))
    assert stage.run("export", *place, "--query", "SELECT 1 AS one", "--out", str(taken), "--force").returncode == 0
    assert taken.read_text() == "one\n1\n"
    assert quiet.stop()[0] == 0
    gone = stage.run("export", *place, "--query", "SELECT 1", "--out", "a.csv")
    assert gone.returncode == 3 and "hoga up" in gone.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way_leaves_nothing(stage: Stage, quiet: Up, number: int):
    endless = "SELECT value, CAST(value AS VARCHAR) AS text FROM generate_series(1, 100000000000)"
    export = stage.program("export", "--connect", quiet.url, "--query", endless, "--out", "long.parquet", name="export")
    part = lambda: list(stage.work_dir.glob(".long.parquet.*"))  # noqa: E731
    wait_for(lambda: not export.running() or part() and part()[0].stat().st_size > 1 << 20, "some of the file", 30)
    assert export.running(), export.output
    memory = [line for line in open(f"/proc/{export.process.pid}/status") if line.startswith("VmHWM")]
    assert int(memory[0].split()[1]) < 400 << 10, memory
    export.signal(number)
    assert export.wait(10) == 3 and "nothing was written" in export.stderr
    assert not list(stage.work_dir.glob("*long.parquet*"))
    # the server has given the query up too
    wait_for(lambda: busy_cores(quiet) < 0.5, "the server to be at rest", 30)


def busy_cores(up: Up) -> float:
    def ticks() -> int:
        fields = open(f"/proc/{up.process.pid}/stat").read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(0.5)
    return (ticks() - before) / os.sysconf("SC_CLK_TCK") / 0.5
