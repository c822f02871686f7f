"""What goes wrong at a user's desk: a clear sentence with the fix, the exit code of the contract, and nothing lost."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from confluent_kafka import KafkaError, Producer
from harness import STOP_LIMIT_S, STOP_TIMEOUT_S, Stage, find_binary, free_port, librdkafka, slack, wait_for
from kafka_clients import broker, consume, create_topic, metric
from truth import differences, from_disk, from_log, from_sql

USER_MISTAKE, OUTSIDE_FAILED = 2, 3
FIXTURES = Path(__file__).parent / "fixtures"


def refused(program, code: int, *words: str) -> str:
    """The program ends by itself with this code, and says these words (case does not matter) on stderr."""
    assert program.wait(STOP_TIMEOUT_S) == code, program.output
    for word in words:
        assert word.lower() in program.stderr.lower(), f"{word!r} is not in: {program.stderr}"
    return program.stderr


def test_unknown_market_code(stage: Stage):
    up = stage.up("--source", "sim", "--markets", "KRW-BTC,krw btc")
    refused(up, USER_MISTAKE, "krw btc", "KRW-BTC")


def test_market_that_the_exchange_does_not_have(stage: Stage):
    sim = stage.sim("--markets", "5", "--rate", "50").wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW-NOSUCHCOIN", env=sim.env)
    refused(up, USER_MISTAKE, "KRW-NOSUCHCOIN")


def test_exchange_unreachable_says_so_keeps_trying_and_serves(stage: Stage):
    port = free_port()
    env = {"HOGA_UPBIT_WS_URL": f"ws://127.0.0.1:{port}/websocket/v1", "HOGA_UPBIT_REST_URL": f"http://127.0.0.1:{port}"}
    up = stage.up("--source", "upbit", "--markets", "KRW", env=env).wait_ready()
    wait_for(lambda: f"127.0.0.1:{port}" in up.output, "the URL that cannot be reached in the output", 10)
    assert up.query("SELECT count(*) FROM upbit.trade") == [(0,)]
    assert requests.get(up.url, timeout=5).status_code == 200
    time.sleep(2)
    assert up.running() and up.healthz() == 200
    # and when it comes back, so do the trades
    stage.sim("--markets", "5", "--rate", "200", port=port)
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] > 0, "trades once the exchange is there", 60)


@pytest.mark.parametrize("option", ["--http", "--postgres"])
def test_port_in_use(stage: Stage, option: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        up = stage.up("--source", "sim", option, address)
        assert up.wait() in (USER_MISTAKE, OUTSIDE_FAILED), up.output
    assert address in up.stderr
    assert option in up.stderr, "the message names the option that mends it"


def test_data_directory_is_a_file(stage: Stage):
    in_the_way = stage.work_dir / "data"
    in_the_way.write_text("I am a file")
    up = stage.up("--source", "sim", data_dir=in_the_way)
    assert up.wait() in (USER_MISTAKE, OUTSIDE_FAILED), up.output
    assert str(in_the_way) in up.stderr
    assert in_the_way.read_text() == "I am a file"


def test_file_in_the_way_inside_the_data_directory(stage: Stage):
    (stage.data_dir).mkdir()
    (stage.data_dir / "warehouse").write_text("I am a file")
    up = stage.up("--source", "sim")
    assert up.wait() in (USER_MISTAKE, OUTSIDE_FAILED), up.output
    assert "warehouse" in up.stderr


@pytest.fixture
def small_disk(stage: Stage):
    """A file system of 12 MB, or a skip where mounting is not allowed."""
    where = stage.work_dir / "small"
    where.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(where)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no full disk can be simulated here: {mounted.stderr.strip()}")
    yield where
    stage.close()
    subprocess.run(["umount", str(where)], check=True)


def test_full_disk_is_said_and_loses_nothing_that_was_visible(stage: Stage, small_disk):
    data_dir = small_disk / "data"
    env = {"HOGA_CHECKPOINT_INTERVAL": "1s"}
    up = stage.up("--source", "sim", "--markets", "KRW", env=env, data_dir=data_dir).wait_ready()
    (small_disk / "ballast").write_bytes(b"\0" * (4 << 20))
    seen = 0

    def stopped_or_said():
        nonlocal seen
        if up.running():
            try:
                seen = max(seen, up.query("SELECT count(*) FROM upbit.trade")[0][0])
            except Exception:
                pass
        return not up.running() or re.search(r"no space|disk.*full", up.output, re.I)

    wait_for(stopped_or_said, "a word about the full disk", 90, every_s=0.2)
    assert re.search(r"no space left|disk.*full", up.output, re.I)
    assert seen > 0
    if up.running():
        up.stop()
    else:
        assert up.process.returncode == OUTSIDE_FAILED
    # with room again, what was visible is there
    (small_disk / "ballast").unlink()
    replay = stage.work_dir / "empty.jsonl"
    replay.write_text("")
    again = stage.up("--source", f"replay:{replay}", env=env, data_dir=data_dir, name="again").wait_ready()
    assert again.query("SELECT count(*) FROM upbit.trade")[0][0] >= seen


def test_full_disk_refuses_producers_and_takes_them_again(stage: Stage, small_disk):
    """A Kafka client on a file system that is full: Kafka's own error for it, what was acknowledged can be read meanwhile, and with room again
    the next record has the next offset."""
    (small_disk / "ballast").write_bytes(b"\0" * (4 << 20))
    up = broker(stage, data_dir=small_disk / "data")
    create_topic(up.kafka, "t", 1)
    producer = Producer({**librdkafka(up.kafka), "retries": 0, "linger.ms": 0})
    acknowledged: list[bytes] = []

    def send(value: bytes) -> KafkaError | None:
        """The error, or the value is acknowledged at the next offset."""
        outcome = []
        producer.produce("t", value, on_delivery=lambda error, message: outcome.append((error, message.offset())))
        producer.flush(60)
        [(error, offset)] = outcome
        if error is None:
            assert offset == len(acknowledged), "without a hole"
            acknowledged.append(value)
        return error

    error = None
    for n in range(200):
        error = send(b"%04d" % n * 16_384)
        if error is not None:
            break
    assert error is not None and error.code() == KafkaError.KAFKA_STORAGE_ERROR, error
    assert len(acknowledged) > 10
    assert [send(b"x" * 100_000).code() for _ in range(3)] == [KafkaError.KAFKA_STORAGE_ERROR] * 3
    assert [message.value() for message in consume(up.kafka, "t", len(acknowledged))] == acknowledged, "what is there can be read"
    (small_disk / "ballast").unlink()
    for n in range(10):
        assert send(b"again-%d" % n) is None
    assert metric(up, "hoga_kafka_errors_total") >= 4
    up.kill()
    up = broker(stage, data_dir=small_disk / "data", name="again")
    assert [message.value() for message in consume(up.kafka, "t", len(acknowledged))] == acknowledged


def run_for_a_while(stage: Stage, name: str, seconds: float = 3) -> object:
    up = stage.up("--source", "sim", "--markets", "KRW", env={"HOGA_CHECKPOINT_INTERVAL": "1s"}, name=name).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] > 50, "some trades")
    time.sleep(seconds)
    return up


def test_corrupt_segment_is_reported_and_the_rest_is_served(stage: Stage):
    up = run_for_a_while(stage, "first")
    assert up.stop()[0] == 0
    before = from_disk(up.warehouse)
    segment = max((up.log_dir / "upbit-trade-0").glob("*.log"), key=lambda p: p.stat().st_size)
    content = bytearray(segment.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(b ^ 0xFF for b in content[middle : middle + 8])
    segment.write_bytes(bytes(content))

    empty = stage.work_dir / "empty.jsonl"
    empty.write_text("")
    again = stage.up("--source", f"replay:{empty}", name="again").wait_ready()
    assert re.search(r"corrupt|crc|truncat|torn", again.output, re.I), again.output
    assert segment.name in again.output or "upbit-trade" in again.output
    assert not differences(from_sql(again), before), "what was committed does not depend on the log any more"


@pytest.mark.parametrize(
    ("mistake", "line", "column"),
    [("CREATE TABEL x (a INT);", 1, 8), ("\n\n  SELEKT 1;", 3, 3)],
    ids=["misspelt keyword", "on line 3"],
)
def test_pipeline_with_a_mistake(stage: Stage, mistake: str, line: int, column: int):
    path = stage.work_dir / "broken.sql"
    path.write_text(mistake + "\n")
    checked = stage.run("check", path)
    assert checked.returncode == USER_MISTAKE
    assert f"broken.sql:{line}:{column}" in checked.stderr + checked.stdout
    up = stage.up("--source", "sim", "--pipeline", str(path))
    refused(up, USER_MISTAKE, f"broken.sql:{line}:{column}")


# line:column of each, and a word of what is said
TEN_MISTAKES = {
    "9:40": "duration",
    "10:37": "STRNG",
    "11:75": "ms",
    "13:41": "idd",
    "14:41": "ambiguous",
    "15:41": "BIGINT",
    "16:48": "division by zero",
    "17:1": "PRIMARY KEY",
    "18:72": "JOIN",
    "19:27": "SELEC",
}


def test_ten_mistakes_are_told_at_once_each_at_its_place(stage: Stage):
    checked = stage.run("check", FIXTURES / "ten_mistakes.sql")
    assert checked.returncode == USER_MISTAKE
    told = re.findall(r"^\S*ten_mistakes\.sql:(\d+:\d+): (.*)$", checked.stderr, re.M)
    assert [place for place, _ in told] == list(TEN_MISTAKES), checked.stderr
    for (place, message), word in zip(told, TEN_MISTAKES.values(), strict=True):
        assert word in message, f"{place}: {message}"


@pytest.mark.parametrize("gone", ["stdout", "stderr"])
@pytest.mark.parametrize("arguments", [["check", "good.sql"], ["check", "bad.sql"], ["explain"], ["--help"], ["run", "--pipeline", "bad.sql", "--input", "none"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_panic(stage: Stage, arguments: list[str], gone: str):
    """`hoga explain | head`, made certain: the pipe has no reader from the start."""
    (stage.work_dir / "good.sql").write_text("CREATE TABLE t (`code` STRING) WITH ('connector' = 'kafka', 'topic' = 'upbit-trade', 'format' = 'json');\n")
    (stage.work_dir / "bad.sql").write_text("SELEKT 1;\nSELEKT 2;\n")
    whole = stage.run(*arguments)
    reading, writing = os.pipe()
    os.close(reading)
    with (stage.work_dir / "other.log").open("w") as other:
        streams = {"stdout": other, "stderr": other} | {gone: writing}
        code = subprocess.run([find_binary(), *arguments], cwd=stage.work_dir, stdin=subprocess.DEVNULL, timeout=60, **streams).returncode
    os.close(writing)
    assert code == whole.returncode, (stage.work_dir / "other.log").read_text()
    assert "panicked" not in (stage.work_dir / "other.log").read_text()


def test_pipeline_file_is_missing(stage: Stage):
    up = stage.up("--source", "sim", "--pipeline", "/nowhere/pipeline.sql")
    assert up.wait() in (USER_MISTAKE, OUTSIDE_FAILED)
    assert "/nowhere/pipeline.sql" in up.stderr


@pytest.mark.parametrize("value", ["abc", "-5s", "0s", "5"])
def test_wrong_environment_value(stage: Stage, value: str):
    up = stage.up("--source", "sim", env={"HOGA_CHECKPOINT_INTERVAL": value})
    refused(up, USER_MISTAKE, "HOGA_CHECKPOINT_INTERVAL", value)


@pytest.mark.parametrize("source", ["simulator", "replay:/nowhere/frames.jsonl", "replay:"])
def test_wrong_source(stage: Stage, source: str):
    up = stage.up("--source", source)
    assert up.wait() == USER_MISTAKE, up.output
    assert source.removeprefix("replay:") in up.stderr


def test_unknown_option_and_command(stage: Stage):
    for arguments in (["up", "--no-such-option"], ["nosuchcommand"], ["sql", "--format", "xml", "-c", "SELECT 1"]):
        assert stage.run(*arguments).returncode == USER_MISTAKE


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signals_flush_commit_and_exit_0(stage: Stage, number: int):
    up = stage.up("--source", "sim", "--markets", "KRW", env={"HOGA_CHECKPOINT_INTERVAL": "10m"}).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] > 100, "some trades")
    began = time.monotonic()
    up.signal(number)
    assert up.wait() == 0
    assert time.monotonic() - began < STOP_LIMIT_S * slack()
    received = from_log(up.log_dir)
    assert len(received) > 100
    assert not differences(from_disk(up.warehouse), received)


@pytest.mark.parametrize("option", ["--http", "--postgres"])
def test_listener_on_all_addresses_needs_a_password(stage: Stage, option: str):
    up = stage.up("--source", "sim", option, f"0.0.0.0:{free_port()}")
    refused(up, USER_MISTAKE, "0.0.0.0", f"HOGA_{option.strip('-').upper()}_")


def test_second_process_on_the_same_data_directory(stage: Stage):
    first = stage.up("--source", "sim").wait_ready()
    second = stage.up("--source", "sim", name="second")
    assert second.wait() in (USER_MISTAKE, OUTSIDE_FAILED), second.output
    assert str(stage.data_dir) in second.stderr
    assert re.search(r"another|in use|already|lock", second.stderr, re.I)
    assert first.running() and first.healthz() == 200
    first.kill()
    # the lock of a killed process is no obstacle
    stage.up("--source", "sim", name="third").wait_ready()


def test_replay_path_is_a_directory(stage: Stage):
    up = stage.up("--source", f"replay:{stage.work_dir}")
    assert up.wait() in (USER_MISTAKE, OUTSIDE_FAILED), up.output
    assert os.fspath(stage.work_dir) in up.stderr
