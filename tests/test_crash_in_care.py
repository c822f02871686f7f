"""kill -9 while files are merged, snapshots expire and orphans are removed: the tables stay whole for every reader, and no file is left for ever."""

import os
import random
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from harness import Stage, Up, wait_for
from truth import BOTH_SQL, differences, from_disk, from_log, from_sql

KILLS = int(os.environ.get("HOGA_TEST_KILLS", "8"))
SEED = int(os.environ.get("HOGA_TEST_SEED", "20261127"))
LIFE_S = (0.3, 2.0)  # how long care goes on before the process is killed
TABLES = ("upbit.trade", "upbit.ticker", "upbit.gap")  # append-only, wide, and with a primary key
CARE = ("CALL sys.compact('{}')", "CALL sys.expire_snapshots('{}', retain_max => 3, retain_min => 1)", "CALL sys.remove_orphan_files('{}', older_than => '{hour_ago}')")


class Care(threading.Thread):
    """Calls one procedure after the other until the process is gone; what any of them says of itself is kept."""

    def __init__(self, up: Up, calls: random.Random):
        super().__init__(daemon=True)
        self.up, self.calls, self.done, self.refused = up, calls, 0, []
        self.start()

    def run(self) -> None:
        while True:
            try:
                with self.up.connect() as connection:
                    while True:
                        connection.execute(call(self.calls.choice(CARE), self.calls.choice(TABLES)))
                        self.done += 1
            except psycopg.errors.DatabaseError as error:
                if error.sqlstate:
                    self.refused.append(str(error))
                else:
                    return  # the process was killed


def call(procedure: str, table: str) -> str:
    """Orphans are files of more than an hour ago: `age_files` makes them so."""
    hour_ago = datetime.now(timezone.utc) - timedelta(minutes=61)
    return procedure.format(table, hour_ago=hour_ago.strftime("%Y-%m-%d %H:%M:%S"))


def age_files(warehouse: Path) -> None:
    """As if everything there had been written two hours ago."""
    for path in warehouse.rglob("*"):
        if path.is_file():
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 7_200))


def files_on_disk(warehouse: Path, table: str) -> set[str]:
    folder = warehouse / "upbit.db" / table
    return {path.name for path in folder.rglob("data-*") if path.is_file()}


def test_kill_9_in_care(stage: Stage):
    moments = random.Random(SEED)
    sim = stage.sim("--markets", "20", "--rate", "600", "--seed", "12", "--duration", "30m").wait_ready()
    env = sim.env | {"HOGA_CHECKPOINT_INTERVAL": "500ms"}
    done, refused = 0, []
    for number in range(KILLS):
        up = stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()
        [(rows, distinct)] = up.query(BOTH_SQL)
        assert rows == distinct, f"after kill {number}: {rows} rows, {distinct} trades"
        care = Care(up, random.Random(moments.random()))
        time.sleep(moments.uniform(*LIFE_S))
        up.kill()
        care.join(20)
        assert not care.is_alive()
        age_files(up.warehouse)
        done, refused = done + care.done, refused + care.refused
    assert done > KILLS, f"care was hardly at work when it was killed: {done} calls"
    assert not refused, refused[0]

    up = stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade WHERE recv_time > now() - interval '2 seconds'")[0][0] > 0, "new trades after the last kill")
    sim.stop()
    time.sleep(2)  # the last frames
    with pytest.raises(psycopg.Error, match="at least an hour ago"):
        up.query(CARE[2].format("upbit.trade", hour_ago=datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M:%S')))
    for table in TABLES:
        for procedure in CARE:
            up.query(call(procedure, table))
    found, received = from_sql(up), from_log(up.log_dir)
    assert len(found) > 100 and not differences(found, received)
    named = {table: {Path(path).name for (path,) in up.query(f'SELECT file_path FROM {table.replace(".", chr(46) + chr(34))}$files"')} for table in TABLES}
    code, _ = up.stop()
    assert code == 0
    assert not differences(from_disk(up.warehouse), received)
    for table, names in named.items():
        left = files_on_disk(up.warehouse, table.split(".")[1])
        assert names <= left, f"{table}: files of the newest snapshot are missing: {sorted(names - left)[:3]}"
        # three snapshots, the tail of the last run and what stopping committed: far fewer than all that were ever written
        assert len(left) < len(names) + 40, f"{table}: {len(left)} files, {len(names)} of them in the newest snapshot: what kills left behind is not removed"
