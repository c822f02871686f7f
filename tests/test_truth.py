"""A local exchange makes trades and writes each into a file; whatever hoga answers, at any moment after the last frame, is that file."""

from decimal import Decimal

import pytest
from harness import STOP_LIMIT_S, Stage, Up, slack, wait_for
from truth import BOTH_SQL, DISTINCT_SQL, FIGURES_SQL, differences, figures, from_disk, from_log, from_sql, read_truth

MARKETS, RATE, SECONDS = 50, 1_500, 25


def stable_figures(up: Up) -> tuple[int, Decimal]:
    """The figures once three answers in a row agree."""
    seen: list[tuple] = []

    def stable():
        seen.append(up.query(FIGURES_SQL)[0])
        return len(seen) >= 3 and seen[-1] == seen[-2] == seen[-3] and seen[-1][0] > 0

    wait_for(stable, "the counts to be stable", 30, every_s=0.3)
    return seen[-1]


def assert_truth(up: Up, truth) -> None:
    """Count and sum by psql, distinct keys, then every trade."""
    count, volume = figures(truth)
    out = up.psql("-At", "-c", FIGURES_SQL)
    assert out.returncode == 0, out.stderr
    shown_count, shown_volume = out.stdout.strip().split("|")
    assert (int(shown_count), Decimal(shown_volume)) == (count, volume)
    assert up.query(DISTINCT_SQL) == [(count,)]
    assert not differences(from_sql(up), truth)


@pytest.mark.parametrize("checkpoint_interval", ["5s", "60s"], ids=["committed on the way", "all live"])
def test_sql_equals_truth_live_committed_restarted_and_on_disk(stage: Stage, checkpoint_interval: str):
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim(
        "--markets", str(MARKETS), "--rate", str(RATE), "--seed", "7", "--duration", f"{SECONDS}s", truth=truth_path
    ).wait_ready()  # fmt: skip
    env = sim.env | {"HOGA_CHECKPOINT_INTERVAL": checkpoint_interval}
    up = stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()

    # While it runs: what is visible only grows, has no duplicate, and is never ahead of the truth.
    last = 0
    while sim.running():
        [(count, distinct)] = up.query(BOTH_SQL)
        assert count == distinct and count >= last
        last = count
    assert sim.wait() == 0
    truth = read_truth(truth_path)
    assert len(truth) > RATE * SECONDS / 20, "the simulator made hardly any trades"

    assert stable_figures(up) == figures(truth)
    for _ in range(8):  # 5 s and more: at the short interval a checkpoint falls into it
        assert_truth(up, truth)
    assert not differences(from_log(up.log_dir), truth)

    code, seconds = up.stop()
    assert code == 0 and seconds < STOP_LIMIT_S * slack()
    assert not differences(from_disk(up.warehouse), truth)

    again = stage.up("--source", "upbit", "--markets", "KRW", env=env, name="up-again").wait_ready()
    assert_truth(again, truth)
    code, _ = again.stop()
    assert code == 0
    assert not differences(from_disk(up.warehouse), truth)
