"""`hoga collect` and `hoga up --brokers` against real Kafka brokers: whoever dies in the middle, what the exchange made is in the topics, each once.

Three KRaft brokers with 512 MB each. HOGA_TEST_CLUSTER_SECONDS sets how long the exchange of the longest test makes events (default 90).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from confluent_kafka.admin import (
    AclBinding, AclOperation, AclPermissionType, NewTopic, ResourcePatternType, ResourceType, ScramCredentialInfo, ScramMechanism,
    UserScramCredentialUpsertion,
)  # fmt: skip
from faulty_exchange import MARKETS, assert_ledger, gaps, start, wait_for_the_truth
from harness import Program, Stage, Up, free_port, slack, target_folder, wait_for
from kafka_cluster import KafkaCluster, free_port_range
from truth import BOTH_SQL, FIGURES_SQL, Trade, Trades, differences, figures, from_sql, read_truth
from upbit_frames import Event, read_frame, row

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

SECONDS = int(os.environ.get("HOGA_TEST_CLUSTER_SECONDS", "90"))
TAKE_OVER_MAX_S = 10  # what hoga promises
BROKER_REPLACED_S = 12  # what Kafka needs
STATE_TOPIC = "upbit-collector"


class Collector(Program):
    """`hoga collect`, with its metrics."""

    def __init__(self, stage: Stage, name: str, brokers: str, *args: str, env: dict[str, str] | None = None):
        self.url = f"http://127.0.0.1:{free_port()}"
        listen = self.url.removeprefix("http://")
        super().__init__(["collect", "--brokers", brokers, "--http", listen, *args], stage.work_dir, name, env)
        stage.programs.append(self)

    def metrics(self) -> dict[str, float]:
        lines = requests.get(f"{self.url}/metrics", timeout=5).text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def is_leading(self) -> bool:
        assert self.running(), f"{self.name} exited with {self.process.returncode}:\n{self.output[-4000:]}"
        return self.metrics()["hoga_collector_leading"] == 1

    def received(self) -> float:
        return sum(value for name, value in self.metrics().items() if name.startswith("hoga_events_received_total"))


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kafka")
    properties = folder / "more.properties"
    # Kafka looks every five minutes for what retention deletes, which a test meets now and then; here it meets it always
    properties.write_text("log.retention.check.interval.ms=1000\nlog.initial.task.delay.ms=1000\n")
    cluster = KafkaCluster(folder, brokers=3, properties=properties)
    try:
        yield cluster.start()
    finally:
        cluster.stop()


@pytest.fixture
def cluster(brokers: KafkaCluster) -> KafkaCluster:
    brokers.delete_topics()
    return brokers


def test_the_log_in_a_cluster_conforms(cluster: KafkaCluster):
    """The conformance suite of the log, and what only a cluster can do: the tests of crates/log/tests/cluster.rs that cargo ignores."""
    command = "cargo test --release --workspace --locked --exclude hoga-upbit --test cluster -- --ignored --test-threads 1"
    env = os.environ | {"HOGA_TEST_KAFKA": cluster.bootstrap, "CARGO_TARGET_DIR": str(target_folder())}
    out = subprocess.run(command.split(), cwd=Path(__file__).parent.parent, env=env, capture_output=True, text=True, timeout=1200)
    assert out.returncode == 0, out.stdout[-4000:] + out.stderr[-2000:]
    assert re.search(r"test result: ok\. [1-9]\d* passed; 0 failed; 0 ignored", out.stdout), out.stdout


def trades_in(cluster: KafkaCluster) -> tuple[Trades, list]:
    """The trades of the topic, and those that are there more than once."""
    trades: Trades = {}
    repeated = []
    for message in cluster.read("upbit-trade"):
        [event] = read_frame(message.value.decode())
        assert isinstance(event, Event) and event.kind == "trade" and message.key == event.market.encode()
        values = row(event)
        key = event.market, values["sequential_id"]
        trade = Trade(values["trade_price"], values["trade_volume"], values["ask_bid"], values["trade_timestamp"])
        if key in trades:
            repeated.append((key, message))
        trades[key] = trade
    return trades, repeated


def repeated_states(cluster: KafkaCluster, kind: str) -> list:
    """Tickers or books that are in their topic more than once, whatever connection they came by."""
    values = (message.value.replace(b'"SNAPSHOT"', b'"REALTIME"') for message in cluster.read(f"upbit-{kind}"))
    return [value for value, count in Counter(values).items() if count > 1]


def wait_settled(cluster: KafkaCluster, truth: Trades) -> None:
    """Until the topic holds as many trades as were made, or nothing is added any more."""
    seen: list[int] = []

    def settled():
        seen.append(len(cluster.read("upbit-trade")))
        return seen[-1] >= len(truth) or (len(seen) > 8 and len(set(seen[-8:])) == 1)

    wait_for(settled, "the topics to settle", 60, every_s=1)


def assert_topics_are_truth(cluster: KafkaCluster, truth: Trades) -> None:
    wait_settled(cluster, truth)
    found, repeated = trades_in(cluster)
    assert not differences(found, truth)
    assert not repeated, f"{len(repeated)} trades are there twice, such as {repeated[0]}"
    for kind in ("ticker", "orderbook"):
        assert len(cluster.read(f"upbit-{kind}")) > 100
        assert not repeated_states(cluster, kind)


def leader_of(collectors: list[Collector]) -> Collector:
    def one_leads():
        leading = [collector for collector in collectors if collector.is_leading()]
        assert len(leading) < 2, "two lead at once"
        return leading

    return wait_for(one_leads, "one collector to lead")[0]


def test_a_broker_and_the_leader_die_and_nothing_is_lost_or_repeated(stage: Stage, cluster: KafkaCluster):
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "30", "--rate", "600", "--seed", "5", "--duration", f"{SECONDS}s", truth=truth_path).wait_ready()
    began = time.monotonic()
    first, second = (Collector(stage, name, cluster.bootstrap, env=sim.env) for name in ("first", "second"))
    leading = leader_of([first, second])
    wait_for(lambda: first.received() > 100 and second.received() > 100, "the standby to hear the exchange")
    # what only the leader has heard, before the standby was there, is safe when it is written
    wait_for(lambda: leading.metrics()["hoga_collector_waiting_events"] == 0, "the leader to write", 30)

    time.sleep(max(0.0, began + SECONDS * 0.1 - time.monotonic()))
    cluster.kill_broker(2)
    # if it was the group's coordinator, another broker is that first: Kafka's own 9 s (broker.session.timeout.ms)
    time.sleep(min(BROKER_REPLACED_S * slack(), SECONDS * 0.25))
    # a machine slower than that lets the lease run out, and then either of the two may lead next
    leading = leader_of([first, second])
    waiting = second if leading is first else first
    leading.kill()
    killed_at = time.monotonic()
    wait_for(waiting.is_leading, "the standby to lead", 30, every_s=0.1)
    took_s = time.monotonic() - killed_at
    print(f"the standby led {took_s:.1f} s after the leader was killed")
    assert took_s < TAKE_OVER_MAX_S * slack()

    # a third comes, listens, and is handed the lead by a leader that is told to stop
    third = Collector(stage, "third", cluster.bootstrap, env=sim.env)
    wait_for(lambda: third.received() > 100, "the third to hear the exchange")
    time.sleep(5)
    assert waiting.is_leading() and not third.is_leading(), "who leads goes on leading when another comes"
    stopped_at = time.monotonic()
    code, seconds = waiting.stop(30)
    assert code == 0, waiting.output[-3000:]
    wait_for(third.is_leading, "the third to lead", 30, every_s=0.1)
    print(f"stopped in {seconds:.1f} s, handed over in {time.monotonic() - stopped_at:.1f} s")

    assert sim.wait(SECONDS + 60) == 0
    truth = read_truth(truth_path)
    assert len(truth) > SECONDS * 10
    assert_topics_are_truth(cluster, truth)
    code, _ = third.stop(30)
    assert code == 0
    assert_topics_are_truth(cluster, truth)
    cluster.restart_broker(2)


def test_leaders_killed_over_and_over(stage: Stage, cluster: KafkaCluster):
    """Each leader is killed soon after it began to lead, some before they wrote anything. The one that comes in its place has not heard what
    the killed one heard, and must not lead while there is one that has."""
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "20", "--rate", "400", "--seed", "6", "--duration", "45m", truth=truth_path).wait_ready()
    collectors = [Collector(stage, f"collector-{number}", cluster.bootstrap, env=sim.env) for number in range(2)]
    wait_for(lambda: all(collector.received() > 100 for collector in collectors), "both to hear the exchange")
    killed_at = None
    for number in range(2, 5):
        leading = leader_of(collectors)
        if killed_at is not None:
            took_s = time.monotonic() - killed_at
            print(f"another led {took_s:.1f} s after the leader was killed")
            assert took_s < TAKE_OVER_MAX_S * slack()
        if number > 2:
            # the one that was killed before it may have written nothing, and who comes in its place has not heard what it heard
            wait_for(lambda: leading.metrics()["hoga_collector_waiting_events"] == 0, "the leader to write what it took over", 30)
        time.sleep([0.0, 0.7, 2.5][number - 2])
        leading.kill()
        killed_at = time.monotonic()
        collectors.remove(leading)
        collectors.append(Collector(stage, f"collector-{number}", cluster.bootstrap, env=sim.env))
        wait_for(lambda: collectors[-1].received() > 100, "the new standby to hear the exchange")
    leader_of(collectors)
    time.sleep(3)
    sim.stop()
    assert_topics_are_truth(cluster, read_truth(truth_path))


def test_what_nobody_heard_is_in_the_ledger_and_repaired(stage: Stage, cluster: KafkaCluster):
    """One collector whose exchange misbehaves, and which is killed and away for a while: all trades are in the topic, each once, and every
    hole is in `upbit.gap`."""
    sim, truth_path = start(stage, "disconnect=6,lost=0.02,late=0.05", seed=11, seconds=40)
    env = sim.env | {"HOGA_VERIFY_INTERVAL": "2s", "HOGA_CHECKPOINT_INTERVAL": "2s"}
    collector = Collector(stage, "first", cluster.bootstrap, env=env)
    leader_of([collector])
    wait_for(lambda: len(cluster.read("upbit-trade")) > 50, "the first to write", every_s=0.5)
    collector.kill()
    time.sleep(4)
    collector = Collector(stage, "second", cluster.bootstrap, env=env)
    leader_of([collector])
    # its own collector waits behind the second, and hears holes of its own
    up = stage.up("--source", "upbit", "--markets", "KRW", "--brokers", cluster.bootstrap, env=env).wait_ready(120)
    time.sleep(5)
    collector.kill()
    # the pipeline's own collector leads from here on, and repairs
    wait_for(lambda: up.status()["collector"]["leading"], "it to lead", 60)
    truth = wait_for_the_truth(up, sim, truth_path)
    assert not differences(from_sql(up), truth)
    assert_topics_are_truth(cluster, truth)
    # a ledger that was written by three leaders: a repair may be told by one that was killed before its gap was settled
    assert_ledger(up, sim, exact_counts=False)
    causes = {gap["cause"] for gap in gaps(up)}
    assert {"begin", "restart", "disconnect"} <= causes, causes
    listed = up.query("SELECT count(*) FROM upbit.market")
    assert listed == [(MARKETS,)], "the exchange's list of markets is kept, too"
    assert up.status()["gaps"]["trades_repaired_total"] > 0
    assert up.stop(60)[0] == 0
    assert_topics_are_truth(cluster, truth)


def records_shown(up: Up) -> dict[str, int]:
    """Of the topics that the page shows."""
    return {topic["name"]: topic["records"] for topic in requests.get(f"{up.url}/api/topics", timeout=30).json()["topics"]}


def test_up_reads_from_the_cluster_and_survives_kill_9(stage: Stage, cluster: KafkaCluster):
    """The engine of `hoga up` on a cluster: what a standing collector writes is in its tables, across kill -9, each once."""
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "20", "--rate", "500", "--seed", "8", "--duration", "40s", truth=truth_path).wait_ready()
    env = sim.env | {"HOGA_CHECKPOINT_INTERVAL": "2s"}
    collector = Collector(stage, "collector", cluster.bootstrap, env=sim.env)
    leader_of([collector])
    args = ("--source", "upbit", "--markets", "KRW", "--brokers", cluster.bootstrap)
    up = stage.up(*args, env=env).wait_ready(120)
    assert not (stage.data_dir / "log").exists(), "no log of its own"
    assert "nothing listens here: Kafka clients connect to the cluster" in up.output
    assert "upbit-alert" in cluster.topics(), "what the pipeline writes is made"
    wait_for(lambda: records_shown(up)["upbit-trade"] > 100, "the page to show the cluster's topics")
    found = requests.get(f"{up.url}/api/topics/upbit-trade/messages?from=oldest&limit=5", timeout=30).json()
    assert len(found["messages"]) == 5, found
    for moment in (4, 2):
        time.sleep(moment)
        [(rows, distinct)] = up.query(BOTH_SQL)
        assert rows == distinct
        up.kill()
        up = stage.up(*args, env=env).wait_ready(120)
    assert sim.wait(120) == 0
    truth = read_truth(truth_path)
    assert_topics_are_truth(cluster, truth)

    count, volume = figures(truth)
    wait_for(lambda: up.query(FIGURES_SQL) == [(count, volume)], "the tables to have all trades")
    out = up.psql("-At", "-c", FIGURES_SQL)
    shown_count, shown_volume = out.stdout.strip().split("|")
    assert (int(shown_count), Decimal(shown_volume)) == (count, volume)
    assert not differences(from_sql(up), truth)
    code, _ = up.stop(60)
    assert code == 0
    collector.stop(30)


def test_up_leads_when_nobody_else_does(stage: Stage, cluster: KafkaCluster):
    """`hoga up --brokers` alone collects too; killed and started again it writes no trade twice."""
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "10", "--rate", "300", "--seed", "9", "--duration", "45m", truth=truth_path).wait_ready()
    args = ("--source", "upbit", "--markets", "KRW", "--brokers", cluster.bootstrap)
    up = stage.up(*args, env=sim.env).wait_ready(120)
    wait_for(lambda: up.query(FIGURES_SQL)[0][0] > 100, "trades")
    up.kill()
    up = stage.up(*args, env=sim.env).wait_ready(120)
    before = up.query(FIGURES_SQL)[0][0]
    wait_for(lambda: up.query(FIGURES_SQL)[0][0] > before + 50, "more trades")
    code, _ = up.stop(60)
    assert code == 0
    found, repeated = trades_in(cluster)
    truth = read_truth(truth_path)
    assert not repeated
    assert found.items() <= truth.items()
    # a stopped process has committed everything
    again = stage.up(*args, env=sim.env, name="up-again").wait_ready(120)
    assert found.items() <= from_sql(again).items()


WITH_COPY = """CREATE TEMPORARY TABLE copied (code STRING, sequential_id BIGINT) WITH ('connector' = 'kafka', 'topic' = 'copied',
  'properties.bootstrap.servers' = '127.0.0.1:9092', 'format' = 'json', 'key.format' = 'raw', 'key.fields' = 'code');
EXECUTE STATEMENT SET BEGIN
INSERT INTO copied SELECT code, sequential_id FROM trade_topic;"""


def test_two_ups_write_each_row_of_a_topic_once(stage: Stage, cluster: KafkaCluster):
    """Two `hoga up` with the same pipeline compute the same rows; the one that writes them is killed, and comes back: each row is in the topic once."""
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "20", "--rate", "400", "--seed", "10", "--duration", "50s", truth=truth_path).wait_ready()
    collector = Collector(stage, "collector", cluster.bootstrap, env=sim.env)
    leader_of([collector])
    pipeline = stage.work_dir / "copy.sql"
    built_in = (Path(__file__).parent.parent / "pipeline" / "upbit.sql").read_text()
    pipeline.write_text(built_in.replace("EXECUTE STATEMENT SET BEGIN", WITH_COPY))
    args = ("--source", "upbit", "--markets", "KRW", "--brokers", cluster.bootstrap, "--pipeline", str(pipeline))

    def start(name: str, run: str = "") -> Up:
        data = stage.work_dir / f"data-{name}"
        return stage.up(*args, env=sim.env | {"HOGA_CHECKPOINT_INTERVAL": "2s"}, data_dir=data, name=name + run).wait_ready(120)

    def writes(up: Up) -> bool:
        return bool(re.search(r"this process writes the pipeline's topic\S* topic=\S*copied", re.sub(r"\x1b\[[0-9;]*m", "", up.output)))

    ups = {name: start(name) for name in ("one", "two")}
    wait_for(lambda: len(cluster.read("copied")) > 200, "rows in the topic", every_s=1)
    [first] = [name for name, up in ups.items() if writes(up)]
    [second] = ups.keys() - {first}
    ups[first].kill()
    wait_for(lambda: writes(ups[second]), "the other one to write", 60)
    ups[first] = start(first, "-again")
    assert sim.wait(180) == 0
    truth = read_truth(truth_path)

    def rows() -> Counter:
        values = (json.loads(message.value) for message in cluster.read("copied"))
        return Counter((value["code"], value["sequential_id"]) for value in values)

    wait_for(lambda: len(rows()) >= len(truth), "all rows in the topic", 90, every_s=1)
    time.sleep(3)
    found = rows()
    assert found.keys() == truth.keys()
    assert not [row for row, count in found.items() if count > 1]
    for up in ups.values():
        assert up.stop(60)[0] == 0
    assert rows() == found
    collector.stop(30)


# What the user can do wrong, and what is out of the user's hands.


def collect_once(stage: Stage, *args: str, env: dict[str, str] | None = None, timeout_s: float = 60) -> subprocess.CompletedProcess:
    listen = f"127.0.0.1:{free_port()}"
    out = stage.run("collect", "--source", "sim", "--http", listen, *args, env=env, timeout_s=timeout_s * slack())
    assert "panicked" not in out.stderr
    return out


def test_brokers_that_nobody_can_reach(stage: Stage):
    out = collect_once(stage, "--brokers", f"127.0.0.1:{free_port()}")
    assert out.returncode == 3
    assert "refused" in out.stderr and "--brokers" in out.stderr.splitlines()[-1], out.stderr
    for command in ("collect", "up"):
        out = stage.run(command, "--brokers", "kafka-1")
        assert out.returncode == 2 and "HOST:PORT" in out.stderr, out.stderr
    out = stage.run("collect", "--source", "sim")
    assert out.returncode == 2 and "--brokers is missing" in out.stderr


def test_a_topic_with_another_number_of_partitions(stage: Stage, cluster: KafkaCluster):
    for future in cluster.admin().create_topics([NewTopic("upbit-trade", 2, 1)]).values():
        future.result(60)
    for command in (("collect",), ("up", "--data", "data", "--postgres", f"127.0.0.1:{free_port()}")):
        out = stage.run(*command, "--source", "sim", "--http", f"127.0.0.1:{free_port()}", "--brokers", cluster.bootstrap, timeout_s=90 * slack())
        assert out.returncode == 2 and 'topic "upbit-trade" exists with 2 partitions, not 3' in out.stderr, out.stderr


class Secured(NamedTuple):
    cluster: KafkaCluster
    sasl: str
    tls: str
    certificate: Path


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """One broker with TLS, users and permissions. `ada` may do everything, `reader` reads."""
    folder = tmp_path_factory.mktemp("secured")
    port, sasl, tls = free_port_range(1), free_port(), free_port()
    store, certificate = folder / "broker.p12", folder / "broker.pem"
    secret = ["-storepass", "changeit", "-alias", "broker"]
    subprocess.run(
        ["keytool", "-genkeypair", "-keyalg", "EC", "-dname", "CN=localhost", "-ext", "SAN=ip:127.0.0.1", "-validity", "30", "-storetype", "PKCS12",
         "-keystore", str(store), *secret], check=True, capture_output=True,
    )  # fmt: skip
    exported = subprocess.run(["keytool", "-exportcert", "-rfc", "-keystore", str(store), *secret], check=True, capture_output=True)
    certificate.write_bytes(exported.stdout)
    plain = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_ada="geheim" user_reader="geheim";'
    properties = folder / "more.properties"
    properties.write_text(f"""
listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{port + 100}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={plain}
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.plain.sasl.jaas.config={plain}
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={store}
ssl.keystore.password=changeit
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:ada
""")
    cluster = KafkaCluster(folder / "brokers", brokers=1, port=port, properties=properties)
    try:
        cluster.start()
        user = UserScramCredentialUpsertion("ada", ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096), b"geheim")
        for future in cluster.admin().alter_user_scram_credentials([user]).values():
            future.result(60)
        yield Secured(cluster, f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}", certificate)
    finally:
        cluster.stop()


def login(user: str, password: str, mechanism: str = "plain") -> dict[str, str]:
    return {"HOGA_KAFKA_SASL": mechanism, "HOGA_KAFKA_USERNAME": user, "HOGA_KAFKA_PASSWORD": password}


def test_tls_and_scram(stage: Stage, secured: Secured):
    secured.cluster.delete_topics()
    env = login("ada", "geheim", "scram-sha-512") | {"HOGA_KAFKA_TLS": "on", "HOGA_KAFKA_CA": str(secured.certificate)}
    collector = Collector(stage, "collector", secured.tls, "--source", "sim", env=env)
    leader_of([collector])
    wait_for(lambda: len(secured.cluster.read("upbit-trade")) > 20, "trades in the topic", every_s=1)
    code, _ = collector.stop(30)
    assert code == 0
    assert "geheim" not in collector.output
    assert "fewer copies" in collector.output, "one broker is said aloud"


@pytest.mark.parametrize("mechanism", ["plain", "scram-sha-512"])
def test_a_wrong_password(stage: Stage, secured: Secured, mechanism: str):
    out = collect_once(stage, "--brokers", secured.sasl, env=login("ada", "falsch", mechanism))
    assert out.returncode == 2, out.stderr
    assert "HOGA_KAFKA_PASSWORD" in out.stderr and "falsch" not in out.stderr


def test_a_listener_that_wants_a_login(stage: Stage, secured: Secured):
    out = collect_once(stage, "--brokers", secured.sasl)
    assert out.returncode == 3 and "--kafka-sasl" in out.stderr, out.stderr


def test_a_certificate_of_an_unknown_authority(stage: Stage, secured: Secured):
    env = login("ada", "geheim", "scram-sha-512") | {"HOGA_KAFKA_TLS": "on"}
    out = collect_once(stage, "--brokers", secured.tls, env=env)
    # the certificate is named (2, --kafka-ca) if the handshake got that far before the patience ended, which a busy machine may not
    assert out.returncode in (2, 3) and "--kafka-tls" in out.stderr, out.stderr


def test_a_user_who_may_only_read(stage: Stage, secured: Secured):
    secured.cluster.delete_topics()
    collector = Collector(stage, "collector", secured.cluster.bootstrap, "--source", "sim")
    leader_of([collector])
    collector.stop(30)
    allowed = [
        AclBinding(kind, name, pattern, "User:reader", "*", operation, AclPermissionType.ALLOW)
        for kind, name, pattern, operation in (
            (ResourceType.TOPIC, "upbit-", ResourcePatternType.PREFIXED, AclOperation.READ),
            (ResourceType.TOPIC, "upbit-", ResourcePatternType.PREFIXED, AclOperation.DESCRIBE),
            (ResourceType.GROUP, "hoga-collector", ResourcePatternType.LITERAL, AclOperation.READ),
            (ResourceType.TRANSACTIONAL_ID, "hoga-", ResourcePatternType.PREFIXED, AclOperation.WRITE),
            (ResourceType.TRANSACTIONAL_ID, "hoga-", ResourcePatternType.PREFIXED, AclOperation.DESCRIBE),
        )
    ]
    for future in secured.cluster.admin().create_acls(allowed).values():
        future.result(60)
    out = collect_once(stage, "--brokers", secured.sasl, env=login("reader", "geheim"))
    assert out.returncode == 2, out.stderr
    assert "upbit-" in out.stderr and "Write" in out.stderr.splitlines()[-1], out.stderr
