"""The laminar-db crate against hoga's engine, on the same cores and the same trades: one-minute bars; rows a second, CPU a row, peak memory, equal or not.

    json      bytes of JSON into bars, both. hoga reads its log, writes a Paimon table and checkpoints; laminar reads lines of a file, keeps its bars in memory
    typed     Arrow batches, made before the clock starts, into bars: laminar alone, as its own figures are. hoga's engine takes no batches from outside

In: bench/laminar (a crate of its own, built here; its source files say what differs from pipeline/upbit.sql), the release binary, the records of
bench/flink.py. hoga's time is that of the process, start and stop included; laminar's is from its first batch, with the query planned and started, to its last bar.
laminar's prices are DOUBLE, since its JSON decoder has no DECIMAL; `--numbers decimal` reads them as text and casts them in the query, which gives hoga's bars
to the last digit.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from records import Record, records
from rig import ROOT, heading, result, stage

CRATE = ROOT / "bench" / "laminar"
COLUMNS = ("open", "high", "low", "close", "volume", "turnover", "trade_count", "buy_volume")
SUMS = ("volume", "turnover", "buy_volume")


def bench_flink():
    """bench/flink.py under another name: tests/parity has a flink.py too."""
    spec = importlib.util.spec_from_file_location("bench_flink", ROOT / "bench" / "flink.py")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class Run:
    seconds: float
    cpu: float
    peak_mb: float
    bars: dict[tuple[str, int], dict[str, Decimal]]


def program_to_run() -> Path:
    """LAMINAR_BIN, or what is built here: the first build takes half an hour on two cores."""
    if given := os.environ.get("LAMINAR_BIN"):
        return Path(given)
    target = Path(os.environ.get("HOGA_CACHE") or Path.home() / ".cache" / "hoga") / "laminar-target"
    subprocess.run(["cargo", "build", "--release", "--locked", "-q", "--target-dir", target], cwd=CRATE, check=True)
    return target / "release" / "laminar-bars"


def on_laminar(program: Path, level: str, numbers: str, batch_rows: int, lines: Path) -> Run:
    done = subprocess.run([program, level, numbers, str(batch_rows), lines], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *rows = done.stdout.splitlines()
    seconds, cpu, peak_mb, input_mb, given, counted = map(float, first.split())
    assert given == counted, f"laminar's bars hold {counted:,.0f} of {given:,.0f} trades: {done.stderr}"
    bars = {}
    for row in rows:
        market, start, *values = row.split(" ")
        bars[market, int(start)] = dict(zip(COLUMNS, map(Decimal, values), strict=True))
    return Run(seconds, cpu, peak_mb - (input_mb if level == "typed" else 0), bars)


def on_hoga(given: list[Record], place) -> Run:
    flink = bench_flink()
    case = flink.CASES["bars"]
    text = ";\n".join(flink.part_of((ROOT / "pipeline" / "upbit.sql").read_text(), case.statements)) + ";\n"
    run = flink.embedded(case, text, given, place)
    shutil.rmtree(place.work_dir / case.kind)
    names = sorted((*COLUMNS, "market", "window_start", "window_end", "state", "dt"))
    bars = {}
    for row in (dict(zip(names, values, strict=True)) for values in run.rows):
        bars[row["market"], milliseconds(row["window_start"])] = {name: Decimal(row[name]) for name in COLUMNS}
    return Run(run.seconds, run.cpu, run.peak_mb, bars)


def disordered(given: list[Record], places: float) -> list[Record]:
    """Each up to so many places later: then open and close by arrival are not those by trade time."""
    dice = random.Random(2)
    places_then = [number + dice.random() * places for number in range(len(given))]
    return [given[number] for number in sorted(range(len(given)), key=places_then.__getitem__)]


def milliseconds(at: datetime) -> int:
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def compared(hoga: Run, laminar: Run) -> str:
    """Bars, prices and counts must be equal; sums of DOUBLE differ in their last digits."""
    assert hoga.bars.keys() == laminar.bars.keys(), f"hoga has {len(hoga.bars):,} bars, laminar {len(laminar.bars):,}"
    worst = Decimal(0)
    for key, ours in hoga.bars.items():
        theirs = laminar.bars[key]
        for name in COLUMNS:
            if name in SUMS:
                worst = max(worst, abs(ours[name] - theirs[name]) / max(ours[name], Decimal("1e-8")))
            else:
                assert ours[name] == theirs[name], f"{key}: {name} is {ours[name]} here and {theirs[name]} there"
    assert worst < Decimal("1e-9"), f"sums differ by {worst:.1e}"
    return "equal" if worst == 0 else f"equal but for sums, by {worst:.0e} at most"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_500_000)
    parser.add_argument("--numbers", choices=["double", "decimal"], default="double")
    parser.add_argument("--batch-rows", type=int, default=8_192, help="rows of a batch that laminar's source gives")
    parser.add_argument("--disorder-ms", type=int, default=0, help="trades come late by up to so much, at random; both wait 5 s for them")
    parser.add_argument("--runs", type=int, default=2, help="of each; the better one counts")
    options = parser.parse_args()
    program = program_to_run()
    flink = bench_flink()
    with stage() as place:
        heading(f"{options.records:,} trades into one-minute bars: hoga's engine and laminar-db, prices as {options.numbers}")
        rate = flink.CASES["bars"].rate
        given = disordered(list(records("trade", options.records, flink.START_MS, rate)), options.disorder_ms * rate / 1_000)
        record_bytes = sum(len(record.value) for record in given) // len(given)
        lines = place.work_dir / "trades.jsonl"
        with lines.open("w") as out:
            out.writelines(record.value + "\n" for record in given)
        best: dict[str, Run] = {}
        for _ in range(options.runs):
            runs = {"hoga json": on_hoga(given, place)}
            for level in ("json", "typed"):
                runs[f"laminar {level}"] = on_laminar(program, level, options.numbers, options.batch_rows, lines)
            best = {name: min(run, best.get(name, run), key=lambda run: run.cpu) for name, run in runs.items()}
        tell(best, len(given), record_bytes)


def tell(runs: dict[str, Run], count: int, record_bytes: int) -> None:
    for name, run in runs.items():
        of = f" of {record_bytes} bytes" if name.endswith("json") else ""
        result(f"{name}: rows/s{of}", f"{count / run.seconds:,.0f}", f"load {os.getloadavg()[0]:.1f}")
        result(f"{name}: CPU a row", f"{run.cpu / count * 1e6:.2f} µs", f"{run.cpu / run.seconds:.2f} cores busy")
        result(f"{name}: most memory", f"{run.peak_mb:,.0f} MB", "above the batches of its input" if name.endswith("typed") else "")
    hoga, laminar = runs["hoga json"], runs["laminar json"]
    result("bars", f"{len(hoga.bars):,}", compared(hoga, laminar))
    result("hoga's rows/s over laminar's, from JSON", f"{laminar.seconds / hoga.seconds:.2f}x")
    result("hoga's rows a CPU second over laminar's, from JSON", f"{laminar.cpu / hoga.cpu:.2f}x")
    result("hoga's memory over laminar's, from JSON", f"{hoga.peak_mb / laminar.peak_mb:.2f}")


if __name__ == "__main__":
    main()
