"""The lake in a real MinIO: it checks signatures, and one of four nodes may die.

scripts/test builds MinIO from its Go module the first time, which takes minutes.
"""

from __future__ import annotations

import contextlib
import random
import socket
import subprocess
from pathlib import Path

import pytest
from harness import Stage, wait_for
from truth import BOTH_SQL, FIGURES_SQL, from_log

MINIO = Path(__file__).parent.parent / "scripts" / "peers" / "minio"
USER, PASSWORD = "hoga-test", "hoga-test-secret"


def minio(*args) -> str:
    return subprocess.run([str(MINIO), *map(str, args)], check=True, capture_output=True, text=True, timeout=900).stdout.strip()


def free_ports_in_a_row(count: int) -> int:
    """The first of them; below those that the kernel gives to clients, which may take the next one any time."""
    for first in random.sample(range(20_000, 30_000, count), 200):
        with contextlib.ExitStack() as taken:
            try:
                for port in range(first, first + count):
                    taken.enter_context(socket.socket()).bind(("127.0.0.1", port))
                return first
            except OSError:
                continue
    raise AssertionError("no free ports in a row")


@pytest.fixture(params=[1, 4], ids=["one node", "four nodes"])
def cluster(tmp_path, request):
    folder = tmp_path / "minio"
    url = minio("start", folder, "--nodes", request.param, "--port", free_ports_in_a_row(4), "--bucket", "lake")
    yield request.param, folder, url
    minio("stop", folder)


def read_by_pypaimon(url: str, table: str) -> int:
    from pypaimon import CatalogFactory

    options = {"fs.s3.endpoint": url, "fs.s3.accessKeyId": USER, "fs.s3.accessKeySecret": PASSWORD, "fs.s3.region": "us-east-1"}
    found = CatalogFactory.create({"warehouse": "s3://lake/warehouse", **options}).get_table(f"upbit.{table}")
    builder = found.new_read_builder()
    return builder.new_read().to_arrow(builder.new_scan().plan().splits()).num_rows


def test_commits_care_and_a_node_that_dies(stage: Stage, cluster):
    nodes, folder, url = cluster
    env = {"HOGA_WAREHOUSE": "s3://lake/warehouse", "HOGA_S3_ENDPOINT": url, "HOGA_S3_ACCESS_KEY": USER, "HOGA_S3_SECRET_KEY": PASSWORD}
    env["HOGA_CHECKPOINT_INTERVAL"] = "1s"
    args = ("--source", "sim", "--sim-markets", "12", "--sim-rate", "300")
    first = stage.up(*args, env=env).wait_ready()
    commits = lambda up: next(table["last_snapshot_id"] or 0 for table in up.status()["tables"] if table["name"].endswith("trade"))
    wait_for(lambda: commits(first) >= 2, "two commits")
    if nodes == 4:
        minio("kill", folder, 3)
    first.kill()
    up = stage.up(*args, env=env, name="second").wait_ready()
    at = commits(up)
    wait_for(lambda: commits(up) >= at + 3, "commits after the death", 60)
    assert up.query("CALL sys.compact('upbit.trade')")
    assert up.query("CALL sys.expire_snapshots('upbit.trade', retain_max => 2, retain_min => 1)")
    if nodes == 4:
        minio("restart", folder, 3)
    [(rows, distinct)] = up.query(BOTH_SQL)
    assert rows == distinct > 0
    wait_for(lambda: up.query(FIGURES_SQL)[0][0] > rows, "more rows")
    assert up.stop()[0] == 0
    received = from_log(up.log_dir)
    assert read_by_pypaimon(url, "trade") == len(received)
    assert PASSWORD not in first.output + up.output
