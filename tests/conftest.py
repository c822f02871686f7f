"""Fixtures of the black-box tests: a stage per test, its logs shown when the test fails, no panic ever allowed; a browser."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from harness import Stage, find_binary
from selenium import webdriver

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


# Tests that share brokers, Flink or a table stay in one process, and what starts Java by the dozen is two groups: never more than two of those at once.
TOGETHER = {
    "test_parity.py": "flink", "test_kafka_programs.py": "flink",
    "test_collect.py": "cluster", "test_cluster_bars.py": "cluster", "test_lake_readers.py": "cluster",
    "test_keyed_tables.py": "keyed tables",
}  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With `-n N`: the groups first, every other test by itself to whoever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER.get(Path(nodeid.split("::")[0]).name, nodeid)

    return Groups(config, log)


def pytest_configure(config):
    config.addinivalue_line("markers", "cluster: needs real Kafka brokers (minutes, 2 GB); leave out with -m 'not cluster'")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    stage = getattr(item, "hoga_stage", None)
    if report.failed and stage is not None:
        report.sections.append(("output of the programs", stage.logs()))
    return report


@pytest.fixture
def stage(tmp_path, request):
    binary = find_binary()
    if not binary.exists():
        pytest.fail(f"{binary} does not exist; run scripts/test, or set HOGA_BIN")
    stage = Stage(tmp_path)
    request.node.hoga_stage = stage
    yield stage
    stage.close()
    assert not stage.panics()


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1440,900", "--lang=en-US",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Kept where HOGA_TEST_SCREENSHOTS says, else in the test's own folder."""
    folder = Path(os.environ.get("HOGA_TEST_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
