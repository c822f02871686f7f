"""The lake in an object store: the same rows as on disk, whatever the store does, and whoever else commits.

The store is `s3_store.py`, in this process; its objects, saved as files, are read by pypaimon. MinIO is `test_minio.py`'s.
"""

from __future__ import annotations

import re
import time

import pytest
from harness import Stage, wait_for
from s3_store import ACCESS_KEY, SECRET_KEY, Faults, Store
from truth import BOTH_SQL, differences, from_disk, from_log, from_sql


@pytest.fixture
def store():
    store = Store()
    yield store
    store.close()


def up(stage: Stage, store: Store, *args: str, name: str = "up", **env: str):
    environment = store.env() | {"HOGA_CHECKPOINT_INTERVAL": "1s"} | env
    return stage.up("--source", "sim", "--sim-markets", "12", "--sim-rate", "300", *args, env=environment, name=name)


def metric(up, name: str) -> float:
    import requests

    text = requests.get(f"{up.url}/metrics", timeout=5).text
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} "))


def snapshots(store: Store, table: str = "trade") -> int:
    return len(store.keys(f"/upbit.db/{table}/snapshot/snapshot-"))


def assert_all_there(stage: Stage, store: Store, running, folder: str = "copy"):
    """Stops it; then SQL, the log and the tables say the same."""
    found = from_sql(running)
    assert running.stop()[0] == 0
    received = from_log(running.log_dir)
    assert len(received) > 100 and not differences({key: received[key] for key in found}, found)
    assert not differences(from_disk(store.save(stage.work_dir / folder)), received)


def test_commits_restarts_and_deaths(stage: Stage, store: Store):
    first = up(stage, store).wait_ready()
    wait_for(lambda: snapshots(store) >= 2, "two commits")
    [(rows, distinct)] = first.query(BOTH_SQL)
    assert rows == distinct > 0
    first.kill()
    second = up(stage, store, name="second").wait_ready()
    [(after, distinct)] = second.query(BOTH_SQL)
    assert after == distinct >= rows
    merged = second.query("CALL sys.compact('upbit.trade')")
    assert merged, "nothing was merged"
    wait_for(lambda: snapshots(store) >= 5, "commits after the merge")
    before = len(store.keys("/upbit.db/trade/"))
    second.query("CALL sys.expire_snapshots('upbit.trade', retain_max => 2, retain_min => 1)")
    assert len(store.keys("/upbit.db/trade/")) < before and snapshots(store) < 5
    [(rows, distinct)] = second.query(BOTH_SQL)
    assert rows == distinct > after
    assert_all_there(stage, store, second)
    users = {line for name in ("up", "second") for line in (stage.data_dir / "commit-user").read_text().split()}
    assert len(users) == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_store_that_fails_now_and_then(stage: Stage, store: Store, seed: int):
    running = up(stage, store).wait_ready()  # a start asks once: its tables' creation goes through the crate's own catalog
    store.faults = Faults(seed, error=0.05, busy=0.1, slow=0.05, closed=0.05, lost=0.05)
    wait_for(lambda: snapshots(store) >= 4, "four commits", 60)
    [(rows, distinct)] = running.query(BOTH_SQL)
    assert rows == distinct > 0
    assert all(store.counts.get(fault) for fault in ("error", "busy", "slow", "closed", "lost")), store.counts
    wait_for(lambda: running.query(BOTH_SQL)[0][0] > rows, "more rows")
    store.faults = Faults()
    assert_all_there(stage, store, running)


TROUBLES = {
    "busy": ((503, "SlowDown", "Please reduce your request rate."), "SlowDown"),
    "no bucket": ((404, "NoSuchBucket", "The specified bucket does not exist"), "create the bucket"),
    "expired": ((403, "ExpiredToken", "The provided token has expired."), "give credentials"),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_store_that_fails_for_a_while(stage: Stage, store: Store, trouble: str):
    refusal, said = TROUBLES[trouble]
    running = up(stage, store).wait_ready()
    wait_for(lambda: snapshots(store) >= 1, "a commit")
    store.refuses = refusal
    wait_for(lambda: metric(running, "hoga_checkpoint_failing") == 1, "the failure to be told", 60)
    status = running.status()
    assert said in status["checkpoint"]["error"], status["checkpoint"]
    assert any(said in (job["error"] or "") for job in status["jobs"])
    assert running.healthz() == 200
    before, received = snapshots(store), metric(running, "hoga_checkpoint_failing")
    collected = len(from_log(running.log_dir))
    wait_for(lambda: len(from_log(running.log_dir)) > collected + 20, "rows to reach the log meanwhile")
    assert snapshots(store) == before and received == 1
    store.refuses = None
    wait_for(lambda: metric(running, "hoga_checkpoint_failing") == 0, "it to heal by itself", 60)
    wait_for(lambda: snapshots(store) > before, "a commit", 60)
    assert_all_there(stage, store, running)
    assert SECRET_KEY not in running.output


MISTAKES = {
    "another key": ({"HOGA_S3_ACCESS_KEY": "who"}, "give credentials", 2),
    "another bucket": ({"HOGA_WAREHOUSE": "s3://pond/x"}, "create the bucket", 2),
    "half a key": ({"HOGA_S3_SECRET_KEY": ""}, "needed together", 2),
    "no store": ({"HOGA_S3_ENDPOINT": "http://127.0.0.1:1"}, "Connection refused", 3),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_told_with_the_fix(stage: Stage, store: Store, mistake: str):
    env, said, code = MISTAKES[mistake]
    env = {**store.env(), **env}
    if mistake == "half a key":
        del env["HOGA_S3_SECRET_KEY"]
    result = stage.run("up", "--source", "sim", "--data", stage.data_dir, "--http", "127.0.0.1:0", "--kafka", "off", "--postgres", "127.0.0.1:0", env=env, timeout_s=90)
    assert result.returncode == code, result.stderr
    assert said.lower() in result.stderr.lower() and SECRET_KEY not in result.stderr + result.stdout, result.stderr


def test_a_store_that_ignores_the_condition_is_refused(stage: Stage, store: Store):
    store.is_conditional = False
    result = stage.run("up", "--source", "sim", "--data", stage.data_dir, "--kafka", "off", env=store.env(), timeout_s=60)
    assert result.returncode == 2 and "If-None-Match" in result.stderr, result.stderr
    assert not store.keys("probe"), "the probe stays"


def test_two_processes_commit_to_one_table(stage: Stage, store: Store):
    """Each has a log of its own; every acknowledged commit of both is in the tables."""
    one = up(stage, store, "--sim-seed", "1", name="one").wait_ready()
    environment = store.env() | {"HOGA_CHECKPOINT_INTERVAL": "1s"}
    two = stage.up(
        "--source", "sim", "--sim-markets", "12", "--sim-rate", "300", "--sim-seed", "2", env=environment, name="two", data_dir=stage.work_dir / "other",
    ).wait_ready()  # fmt: skip
    time.sleep(6)
    assert one.stop()[0] == 0 and two.stop()[0] == 0
    logs = [from_log(running.log_dir) for running in (one, two)]
    from pypaimon import CatalogFactory

    table = CatalogFactory.create({"warehouse": str(store.save(stage.work_dir / "copy"))}).get_table("upbit.trade")
    builder = table.new_read_builder()
    assert builder.new_read().to_arrow(builder.new_scan().plan().splits()).num_rows == len(logs[0]) + len(logs[1])
    assert ACCESS_KEY not in one.output + two.output


def test_a_footer_is_asked_for_once(stage: Stage, store: Store):
    """A query that was asked before fetches the columns of each file, and not what the file says of itself."""
    first = up(stage, store).wait_ready()
    wait_for(lambda: snapshots(store) >= 3, "three commits")
    assert first.stop()[0] == 0
    nowhere = {"HOGA_UPBIT_WS_URL": "ws://127.0.0.1:9/websocket/v1", "HOGA_UPBIT_REST_URL": "http://127.0.0.1:9"}
    quiet = stage.up("--source", "upbit", env=store.env() | nowhere, name="quiet").wait_ready()
    [(files,)] = quiet.query('SELECT count(*) FROM "trade$files"')

    def requests_of_a_query() -> int:
        before = store.requests
        quiet.query("SELECT market, sum(trade_volume) FROM upbit.trade GROUP BY market")
        return store.requests - before

    # hoga asks the store for itself, too, now and then
    assert files >= 2
    wait_for(lambda: requests_of_a_query() <= files, "one request for a file")
    assert quiet.stop()[0] == 0


def test_its_tables_are_read_without_hoga_running(stage: Stage, store: Store):
    """`hoga sql`, `export`, `audit` and `replay` of a data folder whose tables are in the store."""
    running = up(stage, store).wait_ready()
    wait_for(lambda: snapshots(store) >= 2, "two commits")
    assert running.stop()[0] == 0
    received = from_log(running.log_dir)
    count = "SELECT count(*) FROM upbit.trade"
    named = [name for name in store.env() if name != "HOGA_WAREHOUSE"]
    for options, env in (((), store.env()), (("--warehouse", store.env()["HOGA_WAREHOUSE"]), {name: store.env()[name] for name in named})):
        answer = stage.run("sql", "--data", stage.data_dir, *options, "--format", "csv", "-c", count, env=env)
        assert answer.stdout.split()[1:] == [str(len(received))], answer
    file = stage.work_dir / "trades.parquet"
    answer = stage.run("export", "--data", stage.data_dir, "--query", "SELECT * FROM upbit.trade", "--out", file, env=store.env())
    assert answer.returncode == 0, answer.stderr
    import pyarrow.parquet

    assert pyarrow.parquet.read_metadata(file).num_rows == len(received)
    answer = stage.run("audit", "--data", stage.data_dir, "--no-rest", env=store.env(), timeout_s=120)
    # the first gaps may still be open when it was stopped: those are differences
    assert answer.returncode in (0, 1) and re.search(rf"trades +{len(received)} of ", answer.stdout), answer.stdout + answer.stderr
    answer = stage.run("sql", "--data", stage.data_dir, "-c", count)
    assert answer.returncode == 2 and "--warehouse" in answer.stderr, answer.stderr
