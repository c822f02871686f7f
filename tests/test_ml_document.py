"""docs/examples/ml.py on the tables of a simulated run: docs/ml.md shows what it prints, and a tag is a training set that does not move."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness import Stage

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "ml.py"
PAGES = [ROOT / "docs" / "ml.md", ROOT / "docs" / "ml.ko.md"]


def example(data: Path, tag: str) -> str:
    command = [sys.executable, str(EXAMPLE), "--warehouse", str(data / "warehouse"), "--tag", tag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example(stage: Stage):
    """The commands of the page, which make the same records each time; committed often, so that there is a past."""
    data = stage.work_dir / "ml-data"

    def hoga(*args: str) -> str:
        done = stage.run(*args, timeout_s=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    hoga("sim", "--markets", "10", "--rate", "15", "--duration", "4h", "--record", "records.jsonl")
    hoga("run", "--pipeline", str(ROOT / "pipeline" / "upbit.sql"), "--input", "records.jsonl", "--data", str(data), "--checkpoint-interval", "300ms", "--rate", "60000")
    hoga("sql", "--data", str(data), "-c", "CALL sys.create_tag('upbit.trade', 'first-model')")
    hoga("sql", "--data", str(data), "-c", "CALL sys.create_tag('upbit.trade', 'early', 2)")
    printed, early = example(data, "first-model"), example(data, "early")
    trades = [int(re.search(r"trades +(\d+)", text)[1]) for text in (early, printed)]
    assert 0 < trades[0] < trades[1]
    assert int(hoga("sql", "--data", str(data), "--format", "csv", "-c", "SELECT count(*) FROM upbit.trade").split()[1]) == trades[1]

    for page in PAGES:
        shown = re.search(r"```text\n(.*?)```", page.read_text(), re.S)[1]
        # rows and fingerprint to the letter; the last digit of a weight may be another processor's
        assert shown.splitlines()[:2] == printed.splitlines()[:2], page
        assert [re.sub(r"[-+]?\d\.\d+", "#", line) for line in shown.splitlines()] == [re.sub(r"[-+]?\d\.\d+", "#", line) for line in printed.splitlines()], page
    assert float(re.search(r"asked ([\d.]+)", printed)[1]) < 0.65, "the target is among the features"

    hoga("sql", "--data", str(data), "-c", "CALL sys.compact('upbit.trade')")
    assert (example(data, "first-model"), example(data, "early")) == (printed, early), "other files, the same rows"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_pages_show_the_file(page: Path):
    """Every piece of Python that a page shows stands in the file, to the letter."""
    shown = re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    assert shown
    for piece in shown:
        assert piece in EXAMPLE.read_text(), piece
