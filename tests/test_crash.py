"""kill -9 at random moments, 20 times in a row: nothing that was received is lost, nothing is there twice."""

import os
import random
import time

from harness import Stage, wait_for
from truth import BOTH_SQL, FIGURES_SQL, differences, from_disk, from_log, from_sql, read_truth

KILLS = int(os.environ.get("HOGA_TEST_KILLS", "20"))
SEED = int(os.environ.get("HOGA_TEST_SEED", "20261121"))
LIFE_S = (0.05, 2.5)  # how long a process lives after it is ready
LAST_STRETCH_S = 6


def test_kill_9_loses_nothing_and_repeats_nothing(stage: Stage):
    moments = random.Random(SEED)
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "30", "--rate", "800", "--seed", "11", "--duration", "30m", truth=truth_path).wait_ready()
    env = sim.env | {"HOGA_CHECKPOINT_INTERVAL": "1s"}

    seen_before_the_kill = 0
    for number in range(KILLS):
        up = stage.up("--source", "upbit", "--markets", "KRW", env=env)
        if number % 4 != 3:  # each fourth is killed while it starts and recovers
            up.wait_ready()
            [(count, _)] = up.query(FIGURES_SQL)
            assert count >= seen_before_the_kill, f"after kill {number}: {count} rows, {seen_before_the_kill} before it"
            [(rows, distinct)] = up.query(BOTH_SQL)
            assert rows == distinct, f"after kill {number}: {rows} rows, {distinct} trades"
        time.sleep(moments.uniform(*LIFE_S))
        if number % 4 != 3:
            [(seen_before_the_kill, _)] = up.query(FIGURES_SQL)
        up.kill()

    up = stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()
    wait_for(lambda: up.query(FIGURES_SQL)[0][0] > seen_before_the_kill, "trades after the last restart")
    reconnected_at = max(trade.executed for trade in from_sql(up).values())
    time.sleep(LAST_STRETCH_S)
    sim.stop()
    settled: list = []

    def stable():
        settled.append(up.query(FIGURES_SQL))
        return len(settled) > 2 and settled[-1] == settled[-2] == settled[-3]

    wait_for(stable, "the counts to be stable", every_s=0.4)

    truth = read_truth(truth_path)
    found = from_sql(up)
    strangers = {key: trade for key, trade in found.items() if truth.get(key) != trade}
    assert not strangers, f"{len(strangers)} rows that the exchange never sent, such as {next(iter(strangers.items()))}"
    lost = [key for key, trade in truth.items() if trade.executed > reconnected_at and key not in found]
    assert not lost, f"{len(lost)} trades made after the last reconnection are missing, such as {lost[0]}"
    assert sum(trade.executed > reconnected_at for trade in truth.values()) > 100

    code, _ = up.stop()
    assert code == 0
    received = from_log(up.log_dir)
    assert not differences(found, received)
    assert not differences(from_disk(up.warehouse), received)
