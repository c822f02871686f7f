"""Killed with a long log behind: from the start of the next process to the first 200 of /healthz, which says that queries see all that was received.

The tickers are in the log before anything runs. `hoga up` reads them; it is killed with -9 after its first checkpoint, and what it had not committed is
what the next one has to read again.
"""

import argparse
import time

from records import records
from rig import ROOT, cpu_seconds, heading, result, rss_mb, stage
from case import write_records  # of tests/parity, found by records

TOPICS_ONLY = "DROP CATALOG"
FRAMES = ROOT / "tests" / "fixtures" / "recorded"


def fill(place, pipeline: str, megabytes: int) -> int:
    """Tickers of the last minutes into the log, by a pipeline that has topics alone. Returns how many."""
    count = megabytes * 1_000_000 // 950
    topics, input_path = place.work_dir / "topics.sql", place.work_dir / "input.jsonl"
    topics.write_text(pipeline[: pipeline.index(TOPICS_ONLY)])
    write_records(records("ticker", count, int(time.time() * 1000) - 600_000, count / 600), input_path)
    filled = place.run("run", "--pipeline", topics, "--input", input_path, "--data", place.data_dir, timeout_s=600)
    assert filled.returncode == 0, filled.stderr
    input_path.unlink()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1_300, help="of records in the log")
    options = parser.parse_args()
    heading(f"kill -9 with {options.megabytes:,} MB of tickers in the log, then the start until everything is seen")
    with stage() as place:
        count = fill(place, (ROOT / "pipeline" / "upbit.sql").read_text(), options.megabytes)
        source = ("--source", f"replay:{sorted(FRAMES.glob('*.jsonl'))[0]}")
        killed = place.up(*source, name="killed")
        while not list((place.data_dir / "checkpoints").glob("*.json")):
            assert killed.running(), killed.output
            time.sleep(0.005)
        killed.kill()
        began = time.monotonic()
        up = place.up(*source, name="again").wait_ready(timeout_s=120)
        took, cpu = time.monotonic() - began, cpu_seconds(up.process.pid)
        found = up.query("SELECT count(*) FROM upbit.ticker")[0][0]
        result("killed process: records in the log", f"{count:,}")
        result("read again", next((line for line in up.stderr.splitlines() if "records_to_replay" in line), "nothing")[-60:])
        result("start until everything is seen", f"{took:.2f} s", "target < 5 s")
        result("CPU of it", f"{cpu:.2f} s")
        result("memory then", f"{rss_mb(up.process.pid):,.0f} MB")
        assert found >= count, f"{found} of {count} rows are seen"


if __name__ == "__main__":
    main()
