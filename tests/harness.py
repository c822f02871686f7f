"""Starts hoga as a user would, on free loopback ports and its own data directory, and ends only what it started.

State: the processes of one test, each with its output in a file. Not here: what is expected of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import requests

READY_TIMEOUT_S = 60  # generous: the machine may be busy with a build
STOP_TIMEOUT_S = 20
STOP_LIMIT_S = 5  # what hoga promises for SIGTERM and Ctrl-C on a machine that has time for it


def slack() -> float:
    """How much longer things may take than on a quiet machine: 1 unless more runs than there are cores."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def librdkafka(bootstrap: str) -> dict:
    """Settings of a librdkafka client: for a broker that a test has ended it goes on trying, and says so only to itself."""
    return {"bootstrap.servers": bootstrap, "log_level": 2}


def target_folder() -> Path:
    """Where `scripts/test` builds."""
    cache = Path(os.environ.get("HOGA_CACHE") or Path.home() / ".cache" / "hoga")
    return Path(os.environ.get("CARGO_TARGET_DIR") or cache / "target")


def find_binary() -> Path:
    """The binary under test: `HOGA_BIN`, or what `scripts/test` has built."""
    return Path(os.environ.get("HOGA_BIN") or target_folder() / "release" / "hoga")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = READY_TIMEOUT_S, every_s: float = 0.05):
    """Polls until the condition gives something true, and returns it. Connection errors count as 'not yet'."""
    timeout_s *= slack()
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except (OSError, requests.RequestException, psycopg.Error) as error:
            last = error
        time.sleep(every_s)
    raise AssertionError(f"waited {timeout_s:.0f} s for {what}; last: {last!r}")


class Program:
    """One running hoga process. Its output goes to files, so that a full pipe never blocks it."""

    def __init__(self, args: list[str], work_dir: Path, name: str, env: dict[str, str] | None = None, binary: Path | None = None):
        self.name = name
        self.args = [str(a) for a in args]
        self.stdout_path = work_dir / f"{name}.stdout"
        self.stderr_path = work_dir / f"{name}.stderr"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOGA_")}
        with self.stdout_path.open("ab") as out, self.stderr_path.open("ab") as err:
            self.process = subprocess.Popen(
                [str(binary or find_binary()), *self.args],
                stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=work_dir, env=clean | (env or {}),
            )  # fmt: skip

    @property
    def stdout(self) -> str:
        return self.stdout_path.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text(errors="replace")

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    def running(self) -> bool:
        return self.process.poll() is None

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        return self.process.wait(timeout_s * slack())

    def signal(self, number: int) -> None:
        if self.running():
            self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait(STOP_TIMEOUT_S)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> tuple[int, float]:
        """SIGTERM; gives the exit code and the seconds it took."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout_s * slack()), time.monotonic() - began


class Up(Program):
    """`hoga up`, with its addresses."""

    def __init__(self, data_dir: Path, work_dir: Path, *args: str, env: dict[str, str] | None = None, name: str = "up"):
        self.data_dir = data_dir
        self.http_port, self.postgres_port, self.kafka_port = free_port(), free_port(), free_port()
        addresses = {"--http": self.http_port, "--postgres": self.postgres_port, "--kafka": self.kafka_port}
        listen = [part for option, port in addresses.items() if option not in args for part in (option, f"127.0.0.1:{port}")]
        super().__init__(["up", "--data", str(data_dir), *listen, *args], work_dir, name, env)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def kafka(self) -> str:
        """For a client's bootstrap.servers."""
        return f"127.0.0.1:{self.kafka_port}"

    def healthz(self) -> int:
        return requests.get(f"{self.url}/healthz", timeout=5).status_code

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> "Up":
        def ready():
            if not self.running():
                raise AssertionError(f"{self.name} exited with {self.process.returncode}:\n{self.output[-4000:]}")
            return self.healthz() == 200

        wait_for(ready, f"{self.name} to be ready", timeout_s)
        return self

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.postgres_port, dbname="hoga", user="tester", autocommit=True, connect_timeout=10, sslmode="disable",
        )  # fmt: skip

    def query(self, sql: str) -> list[tuple]:
        """One statement on a connection of its own."""
        with self.connect() as connection:
            return connection.execute(sql).fetchall()

    def psql(self, *args: str, password: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            ["psql", "-X", "-h", "127.0.0.1", "-p", str(self.postgres_port), "-U", "tester", "-d", "hoga", "-v", "ON_ERROR_STOP=1", *args],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, env=os.environ | {"PGPASSWORD": password},
        )  # fmt: skip

    def status(self) -> dict:
        return requests.get(f"{self.url}/api/status", timeout=5).json()

    @property
    def warehouse(self) -> Path:
        return self.data_dir / "warehouse"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "log"


class Sim(Program):
    """`hoga sim`: a local exchange. Gives the environment that points `hoga up --source upbit` at it."""

    def __init__(self, work_dir: Path, *args: str, port: int | None = None, truth: Path | None = None, name: str = "sim"):
        self.port = port or free_port()
        self.truth_path = truth
        extra = ["--truth", str(truth)] if truth else []
        super().__init__(["sim", "--listen", f"127.0.0.1:{self.port}", *extra, *args], work_dir, name)

    @property
    def env(self) -> dict[str, str]:
        return {"HOGA_UPBIT_WS_URL": f"ws://127.0.0.1:{self.port}/websocket/v1", "HOGA_UPBIT_REST_URL": f"http://127.0.0.1:{self.port}"}

    def wait_ready(self) -> "Sim":
        def ready():
            if not self.running():
                raise AssertionError(f"sim exited with {self.process.returncode}:\n{self.output[-4000:]}")
            return requests.get(f"http://127.0.0.1:{self.port}/v1/market/all", timeout=5).status_code == 200

        wait_for(ready, "the simulator to answer")
        return self


class Stage:
    """What one test may start; its end stops everything that still runs."""

    def __init__(self, work_dir: Path):
        self.work_dir = work_dir
        self.data_dir = work_dir / "data"
        self.programs: list[Program] = []

    def program(self, *args: str, name: str = "hoga", env: dict[str, str] | None = None) -> Program:
        return self._keep(Program(list(args), self.work_dir, name, env))

    def run(self, *args: str, env: dict[str, str] | None = None, timeout_s: float = 60) -> subprocess.CompletedProcess:
        """A command that ends by itself."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HOGA_")}
        return subprocess.run(
            [str(find_binary()), *map(str, args)], capture_output=True, text=True, timeout=timeout_s, cwd=self.work_dir,
            env=clean | (env or {}), stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def up(self, *args: str, env: dict[str, str] | None = None, data_dir: Path | None = None, name: str = "up") -> Up:
        return self._keep(Up(data_dir or self.data_dir, self.work_dir, *args, env=env, name=name))

    def sim(self, *args: str, **options) -> Sim:
        return self._keep(Sim(self.work_dir, *args, **options))

    def _keep(self, program):
        self.programs.append(program)
        return program

    def close(self) -> None:
        for program in reversed(self.programs):
            if program.running():
                program.signal(signal.SIGTERM)
        for program in self.programs:
            try:
                program.process.wait(10)
            except subprocess.TimeoutExpired:
                program.kill()

    def panics(self) -> list[str]:
        """Lines that no run may print, whatever it was given."""
        found = []
        for program in self.programs:
            found += [f"{program.name}: {line}" for line in program.output.splitlines() if re.search(r"panicked at|stack backtrace", line)]
        return found

    def logs(self, bytes_max: int = 6_000) -> str:
        parts = []
        for name in dict.fromkeys(p.name for p in self.programs):
            for stream in ("stdout", "stderr"):
                path = self.work_dir / f"{name}.{stream}"
                if path.exists() and path.stat().st_size:
                    parts.append(f"--- {path} ---\n{path.read_text(errors='replace')[-bytes_max:]}")
        return "\n".join(parts)


def read_jsonl(path: Path, **options) -> list[dict]:
    with path.open() as lines:
        return [json.loads(line, **options) for line in lines if line.strip()]
