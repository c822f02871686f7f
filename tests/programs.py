"""Real programs beside hoga: a Flink cluster and a ClickHouse server, started by scripts/peers and stopped by whoever started them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import requests
from parity.flink import Session
from parity.peers import FLINK_PORTS, SCRIPTS, free_ports


class Flink:
    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_ports(FLINK_PORTS)
        folder.mkdir()
        # its daemons keep what they inherit: no pipe of ours may be among it
        with (folder / "start").open("w") as out:
            code = subprocess.run([SCRIPTS / "flink", "start", folder, "--port", str(self.port)], stdin=subprocess.DEVNULL, stdout=out, stderr=out).returncode
        assert code == 0, (folder / "start").read_text()[-3000:]

    def session(self) -> Session:
        return Session(f"http://127.0.0.1:{self.port + 2}", f"http://127.0.0.1:{self.port}", {"execution.checkpointing.interval": "500ms"})

    def cancel(self, job_id: str) -> None:
        requests.patch(f"http://127.0.0.1:{self.port}/jobs/{job_id}?mode=cancel", timeout=30)

    def stop(self) -> None:
        subprocess.run([SCRIPTS / "flink", "stop", self.folder], check=False)


class ClickHouse:
    """Its table functions open files below its folder only."""

    def __init__(self, folder: Path):
        self.folder, port = folder, free_ports(1)
        with folder.with_suffix(".start").open("w") as out:
            started = [SCRIPTS / "clickhouse", "start", folder, "--port", str(port)]
            code = subprocess.run(started, stdin=subprocess.DEVNULL, stdout=out, stderr=out).returncode
        assert code == 0, folder.with_suffix(".start").read_text()[-3000:]
        self.url = f"http://127.0.0.1:{port}/"

    def ask(self, statement: str) -> list[list]:
        answer = requests.post(self.url, data=statement.encode(), params={"default_format": "JSONCompactEachRow"}, timeout=60)
        assert answer.ok, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def stop(self) -> None:
        subprocess.run([SCRIPTS / "clickhouse", "stop", self.folder], check=False)
