"""Fixtures of the black-box tests: a stage per test, its logs shown when the test fails, no panic ever allowed."""

from __future__ import annotations

import pytest
from harness import Stage, find_binary


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
