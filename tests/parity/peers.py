"""Starts real Kafka and Flink when the first case asks for them, and ends what it started.

`HOGA_PARITY_PEERS=KAFKA_PORT,FLINK_PORT` names peers that run already (scripts/peers/kafka and scripts/peers/flink), and leaves them alone.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from pathlib import Path

SCRIPTS = Path(__file__).parent.parent.parent / "scripts" / "peers"
FLINK_PORTS = 3
KAFKA_PORTS = 101  # its controller listens 100 above
SMALL_KAFKA = {"KAFKA_HEAP": "-Xms256m -Xmx512m"}


def free_ports(count: int, spread: int = 1) -> int:
    """The first of `count` ports, each `spread` above the one before, that nobody listens on; below the ephemeral ones."""
    for first in range(21_200 + os.getpid() % 400 * 8, 32_000, 8):
        if all(_is_free(first + i * spread) for i in range(count)):
            return first
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


class Peers:
    def __init__(self, folder: Path):
        self.folder = folder
        self.kafka_port = self.flink_port = 0
        self._started: list[tuple[str, Path]] = []
        self._starting = threading.Lock()

    def start(self) -> Peers:
        with self._starting:
            return self if self.kafka_port else self._start_both()

    def _start_both(self) -> Peers:
        if running := os.environ.get("HOGA_PARITY_PEERS"):
            self.kafka_port, self.flink_port = map(int, running.split(","))
            return self
        kafka_port = free_ports(2, spread=100)
        self._start("kafka", kafka_port, SMALL_KAFKA)
        flink_port = free_ports(FLINK_PORTS)  # looked for when Kafka has taken its own
        self._start("flink", flink_port, {})
        self.kafka_port, self.flink_port = kafka_port, flink_port
        return self

    def _start(self, name: str, port: int, environment: dict[str, str]) -> None:
        folder = self.folder / name
        self._started.append((name, folder))
        # their daemons keep what they inherit: no pipe of ours may be among it
        with (self.folder / f"{name}.start").open("w") as out:
            code = subprocess.run([SCRIPTS / name, "start", folder, "--port", str(port)], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=os.environ | environment).returncode
        assert code == 0, f"{name} did not start:\n{(self.folder / f'{name}.start').read_text()[-3000:]}"

    def stop(self) -> None:
        for name, folder in reversed(self._started):
            subprocess.run([SCRIPTS / name, "stop", folder], check=False, stdin=subprocess.DEVNULL)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def flink_url(self) -> str:
        return f"http://127.0.0.1:{self.flink_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.flink_port + 2}"
