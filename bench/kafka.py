#!/usr/bin/env python3
"""Kafka's own perf tools against `hoga up` and one real Kafka node, one after the other, on the same machine with the same arguments.

Prints messages a second, how many cores the tool itself kept busy while it ran (where that is nearly all there are, the client is the limit, whatever the server does), the server's
CPU seconds (and the user part), how fast kcat reads the same topic (a C client, with its start: fewer messages say less), its memory (all of it, and RssAnon: without the pages of files, which for a server is mostly its
program and, in Kafka's case, mapped indexes), and end-to-end latency of both, and their ratios. Nothing passes or fails.
Needs Java, Maven (`scripts/peers/kafka install`) and kcat.    bench/kafka.py [--messages N] [--rounds N]
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harness import Program, find_binary, free_port, wait_for  # noqa: E402
from rig import cpu_times, heading, memory_mb  # noqa: E402

PEER = str(ROOT / "scripts" / "peers" / "kafka")
RECORD_BYTES = 347  # a trade of Upbit's, as JSON
LATENCY_MESSAGES = 3_000


class Server:
    """A broker under test, by the pid that is measured."""

    def __init__(self, name: str, bootstrap: str, pid: int):
        self.name, self.bootstrap, self.pid = name, bootstrap, pid


def tool(name: str, *args: str) -> str:
    environment = os.environ | {"KAFKA_TOOL_HEAP": "-Xmx512m"}
    done = subprocess.run([PEER, "tool", f"org.apache.kafka.tools.{name}", *map(str, args)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def measure(server: Server, messages: int, topic: str, codec: str) -> dict[str, float]:
    tool("TopicCommand", "--bootstrap-server", server.bootstrap, "--create", "--topic", topic, "--partitions", "3")
    before = cpu_times(server.pid)
    producer = ClientTime()
    out = tool(
        "ProducerPerformance", "--topic", topic, "--num-records", messages, "--throughput", -1, "--record-size", RECORD_BYTES,
        "--command-property", f"bootstrap.servers={server.bootstrap}", "acks=all", "linger.ms=5", f"compression.type={codec}",
    )  # fmt: skip
    produced = float(re.findall(r"([\d.]+) records/sec", out)[-1])
    middle, producer_cores = cpu_times(server.pid), producer.cores()
    consumer = ClientTime()
    out = tool("ConsumerPerformance", "--bootstrap-server", server.bootstrap, "--topic", topic, "--num-records", messages, "--timeout", 60_000)
    columns, values = [line.split(", ") for line in out.splitlines() if ", " in line][-2:]
    row = dict(zip((c.strip() for c in columns), values))
    consumed = float(row["fetch.nMsg.sec"])
    consumer_cores = consumer.cores()
    after, memory = cpu_times(server.pid), memory_mb(server.pid)
    by_kcat = messages / kcat_seconds(server, topic)
    return {
        "produce msg/s": produced, "producer's cores": producer_cores, **cpu("produce", before, middle),
        "consume msg/s": consumed, "consumer's cores": consumer_cores, **cpu("consume", middle, after),
        "consume by kcat msg/s": by_kcat, "RSS MB": memory["VmRSS"], "RssAnon MB": memory["RssAnon"],
    }  # fmt: skip


def kcat_seconds(server: Server, topic: str) -> float:
    """A client that does less with a message than Java's: from its start until it has seen all."""
    # by default it waits half a second at the end of each partition, and while it has 100,000 messages it asks for no more
    settings = ["-X", "fetch.wait.max.ms=5", "-X", "queued.min.messages=1000000"]
    began = time.monotonic()
    subprocess.run(["kcat", "-b", server.bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "", *settings], check=True)
    return time.monotonic() - began


class ClientTime:
    """How many cores a tool keeps busy, from here to its end, the start of its Java included."""

    def __init__(self):
        self.began, self.used = time.monotonic(), self._children()

    @staticmethod
    def _children() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    def cores(self) -> float:
        return (self._children() - self.used) / (time.monotonic() - self.began)


def cpu(what: str, before: tuple[float, float], after: tuple[float, float]) -> dict[str, float]:
    """All of it, and the program's own part: sockets and files cost the kernel the same for either server."""
    user, system = (end - begin for begin, end in zip(before, after))
    return {f"{what} CPU s": user + system, f"{what} user CPU s": user}


def latency(server: Server, topic: str) -> dict[str, float]:
    tool("TopicCommand", "--bootstrap-server", server.bootstrap, "--create", "--topic", topic, "--partitions", "1")
    out = tool(
        "EndToEndLatency", "--bootstrap-server", server.bootstrap, "--topic", topic, "--num-records", LATENCY_MESSAGES,
        "--producer-acks", "all", "--record-size", RECORD_BYTES,
    )  # fmt: skip
    mean = float(re.search(r"Avg latency: ([\d.]+)", out).group(1))
    p50, p99 = re.search(r"50th = (\d+), 99th = (\d+)", out).groups()
    return {"end to end mean ms": mean, "p50 ms": float(p50), "p99 ms": float(p99)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        kafka_port, http, postgres, port = (free_port() for _ in range(4))
        # pipeline, page and all, and no events of its own: a simulated exchange inside would be measured too
        recording = work / "empty.jsonl"
        recording.write_text("")
        hoga = Program(
            ["up", "--data", work / "data", "--source", f"replay:{recording}", "--http", f"127.0.0.1:{http}",
             "--postgres", f"127.0.0.1:{postgres}", "--kafka", f"127.0.0.1:{port}"], work, "up", binary=find_binary(),
        )  # fmt: skip
        try:
            bootstrap = subprocess.run([PEER, "start", str(work / "kafka"), "--port", str(kafka_port)], capture_output=True, text=True, check=True).stdout.strip()
            wait_for(lambda: "kafka     " in hoga.stdout, "hoga up")
            servers = [
                Server("hoga", f"127.0.0.1:{port}", hoga.process.pid),
                Server("kafka", bootstrap, int((work / "kafka/broker-1/pid").read_text())),
            ]
            report(servers, options)
        finally:
            hoga.stop()
            subprocess.run([PEER, "stop", str(work / "kafka")], check=False)


def report(servers: list[Server], options: argparse.Namespace) -> None:
    heading(f"{options.messages:,} messages of {RECORD_BYTES} bytes, {options.rounds} rounds, medians")
    for codec in ("none", "lz4"):
        rounds = {server.name: [] for server in servers}
        for number in range(options.rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                rounds[server.name].append(measure(server, options.messages, f"bench-{codec}-{number}", codec))
        show(codec, rounds)
    show("latency", {server.name: [latency(server, f"latency-{time.monotonic_ns()}")] for server in servers})


def show(title: str, rounds: dict[str, list[dict[str, float]]]) -> None:
    for key in rounds["hoga"][0]:
        ours, theirs = (statistics.median(run[key] for run in rounds[name]) for name in ("hoga", "kafka"))
        ratio = f"{ours / theirs:.3f}" if theirs else "-"
        print(f"{title:8} {key:20} hoga {ours:12.2f}   kafka {theirs:12.2f}   ratio {ratio}", flush=True)


if __name__ == "__main__":
    main()
