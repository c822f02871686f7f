"""A case in hoga itself, three ways: straight; with a checkpoint every few records; killed with -9 at seeded moments and gone on with."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

from case import Case, write_records
from compare import canonical_rows
from harness import find_binary
from judge import row_of_record
from kafka_batches import read_topic
from lake_rows import read_warehouse
from outcome import Outcome

WAYS = ("straight", "checkpoints", "killed")
RUN_TIMEOUT_S = 120
FEED_S = 0.35  # how long the input takes when it is fed slowly, so that checkpoints and kills fall into it
CHECKPOINT = "20ms"
KILLS = 2
KILL_BETWEEN_S = (0.05, 0.40)
USER_MISTAKE = 2
RECORDS_FOR_CHECKPOINTS = 20  # so many records take long enough for the checkpoints below
CHECKPOINTS_MIN = 2  # one at the end, and one before it even on a machine that is busy

kills = {"running": 0, "over": 0}  # whether a killed process still ran: what the last test looks at


class Crashed(Exception):
    """hoga ended with something else than success or a user's mistake."""


def run_embedded(case: Case, zone: str, way: str, work_dir: Path, seed: int) -> Outcome:
    folder = work_dir / way
    folder.mkdir(parents=True)
    pipeline, records, data = folder / f"{case.name}.sql", folder / "input.jsonl", folder / "data"
    pipeline.write_text(case.pipeline)
    write_records(case.records, records)
    command = [find_binary(), "run", "--pipeline", pipeline, "--input", records, "--data", data]
    if way != "straight":
        command += ["--checkpoint-interval", CHECKPOINT, "--rate", str(max(len(case.records) / FEED_S, 1.0))]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HOGA_")} | {"TIME_ZONE": zone}
    if way == "killed":
        moments = random.Random(f"{seed} {case.name} {zone}")
        for _ in range(KILLS):
            ran = _killed_after(command, folder, clean, moments.uniform(*KILL_BETWEEN_S))
            kills["running" if ran else "over"] += 1
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=RUN_TIMEOUT_S, env=clean, cwd=folder, stdin=subprocess.DEVNULL)
    output = done.stdout + done.stderr
    if re.search(r"panicked at|stack backtrace", output):
        raise Crashed(f"{way}: a panic:\n{output[-4000:]}")
    # a refusal names its place in the file; a wrong command line has the same exit code
    if done.returncode == USER_MISTAKE and re.match(rf"\S*{case.name}\.sql:\d+:\d+: ", done.stderr):
        return Outcome(error=done.stderr.strip().replace(f"{folder}/", ""))
    if done.returncode != 0:
        raise Crashed(f"{way}: exit code {done.returncode}:\n{output[-4000:]}")
    newest = max((int(re.sub(r"\D", "", path.stem)) for path in (data / "checkpoints").glob("*.json")), default=0)
    if way == "checkpoints" and len(case.records) >= RECORDS_FOR_CHECKPOINTS and newest < CHECKPOINTS_MIN:
        raise Crashed(f"{way}: only {newest} checkpoints while {len(case.records)} records were fed")
    results = read_warehouse(data / "warehouse")
    log = data / "log"
    for topic in case.result_topics():
        results[topic] = canonical_rows([row_of_record(r.key, r.value) for r in read_topic(log, topic)])
    letters = len(read_topic(log, "upbit-dead-letter"))
    shutil.rmtree(data)
    return Outcome(results=results, dead_letters=letters)


def _killed_after(command: list, folder: Path, environment: dict[str, str], after_s: float) -> bool:
    """True if it still ran when it was killed."""
    with (folder / "killed.log").open("ab") as log:
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, env=environment, cwd=folder, stdin=subprocess.DEVNULL)
        time.sleep(after_s)
        ran = process.poll() is None
        process.kill()
        process.wait()
    return ran
