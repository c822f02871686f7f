"""A case on real Flink: its records in real Kafka, its statements through the gateway, its results from Paimon and Kafka.

Outcomes are kept in `$HOGA_CACHE/parity` under a hash of all that they depend on, so that only what changed runs again; a new machine
runs every case. Flink is given the file as it stands but for four things: topics get a prefix, so that cases share a cluster; topics
without `scan.bounded.mode` get 'latest-offset', so that the job ends; the checkpoint interval is the cluster's; and no partition is ever idle:
on a busy machine one that is not read yet would be, and its rows late (an end that is reached holds nothing back anyway).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path

from case import FOLDER, Case, Record
from compare import canonical_rows
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from flink import FlinkError, Session, statements
from lake_rows import read_warehouse
from outcome import Outcome
from peers import SCRIPTS, Peers

READ_TIMEOUT_S = 30
INSERTS = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(INSERT|EXECUTE)\b", re.S | re.I)


def cached_outcome(case: Case, zone: str, peers: Peers, work_dir: Path) -> Outcome:
    """From the cache, or by running it now."""
    cache = Path(os.environ.get("HOGA_CACHE") or Path.home() / ".cache" / "hoga") / "parity"
    path = cache / f"{case.name}-{_key(case, zone)}.json"
    if path.exists():
        return Outcome(**json.loads(path.read_text()))
    outcome = run_on_flink(case, zone, peers.start(), work_dir)
    if outcome.error and case.fails is None:
        return outcome  # may be Flink's mood, not its answer
    cache.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(outcome.to_json()))
    fresh.rename(path)
    # as it reads next time: tuples are lists in JSON
    return Outcome(**json.loads(path.read_text()))


def _key(case: Case, zone: str) -> str:
    parts = [case.pipeline, zone, repr(case.records), (SCRIPTS / "flink").read_text()]
    parts += [(FOLDER / name).read_text() for name in ("judge.py", "flink.py", "lake_rows.py", "compare.py")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


def run_on_flink(case: Case, zone: str, peers: Peers, work_dir: Path) -> Outcome:
    prefix = f"{case.name}.{zone.replace('/', '-')}.{os.getpid()}.{time.time_ns() // 1_000_000 % 10**9}."
    warehouse = work_dir / "flink-warehouse"
    warehouse.mkdir(parents=True)
    variables = {"TIME_ZONE": zone, "WAREHOUSE": f"file://{warehouse}", "KAFKA_BOOTSTRAP": peers.bootstrap}
    text = for_flink(substitute(case.pipeline, variables), prefix)
    produce(case.records, sorted(_topics(case.pipeline)), prefix, peers.bootstrap)
    try:
        with Session(peers.gateway_url, peers.flink_url) as session:
            jobs = []
            for statement in statements(text):
                result = session.execute(statement)
                if INSERTS.match(statement):
                    jobs.append(result.job_id)
            for job in jobs:
                session.wait_for_job(job)
    except FlinkError as error:
        return Outcome(error=str(error))
    results = read_warehouse(warehouse)
    for topic in case.result_topics():
        results[topic] = consume(prefix + topic, peers.bootstrap)
    return Outcome(results=results)


def substitute(text: str, variables: dict[str, str]) -> str:
    """`${NAME}` and `${NAME:-default}`, as hoga does it before either reads the file."""

    def value(match: re.Match) -> str:
        name, default = match[1], match[2]
        assert name in variables or default is not None, f"${{{name}}} has no value"
        return variables.get(name, default)

    return re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", value, text)


def for_flink(text: str, prefix: str) -> str:
    text = re.sub(r"SET\s+'(execution\.checkpointing\.interval|table\.exec\.source\.idle-timeout)'[^;]*;", "", text, flags=re.I)
    text = re.sub(r"('topic'\s*=\s*')", rf"\g<1>{prefix}", text)
    bounded = "'connector' = 'kafka', 'scan.bounded.mode' = 'latest-offset'"
    tables = re.split(r"(?=\bCREATE\b)", text)
    return "".join(part if "scan.bounded.mode" in part else re.sub(r"'connector'\s*=\s*'kafka'", bounded, part) for part in tables)


def _topics(pipeline: str) -> set[str]:
    return set(re.findall(r"'topic'\s*=\s*'([^']+)'", pipeline))


def produce(records: list[Record], declared: list[str], prefix: str, bootstrap: str) -> None:
    """Creates every topic of the case with the partitions its records name, and sends them in order with their timestamps."""
    partitions = dict.fromkeys(declared, 1)
    for record in records:
        partitions[record.topic] = max(partitions.get(record.topic, 1), record.partition + 1)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    # timestamps are the records' own, however old: none may be deleted for its age
    keep = {"retention.ms": "-1", "message.timestamp.before.max.ms": str(2**63 - 1), "message.timestamp.after.max.ms": str(2**63 - 1)}
    for future in admin.create_topics([NewTopic(prefix + name, count, 1, config=keep) for name, count in partitions.items()]).values():
        future.result(READ_TIMEOUT_S)
    failed: list[str] = []
    delivered = lambda error, _: failed.append(str(error)) if error else None
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "queue.buffering.max.messages": 1_000_000})
    for record in records:
        fields = {"key": record.key and record.key.encode(), "partition": record.partition, "timestamp": record.timestamp_ms, "on_delivery": delivered}
        while True:
            try:
                producer.produce(prefix + record.topic, record.value.encode(), **fields)
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(READ_TIMEOUT_S) == 0 and not failed, failed[:3]


def consume(topic: str, bootstrap: str) -> list[dict]:
    """Every committed record of a topic as canonical rows: key, value."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "parity", "enable.auto.commit": False, "isolation.level": "read_committed"})
    try:
        rows = []
        for partition in consumer.list_topics(topic, READ_TIMEOUT_S).topics[topic].partitions:
            place = TopicPartition(topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, READ_TIMEOUT_S)
            consumer.assign([place])
            deadline = time.monotonic() + READ_TIMEOUT_S
            while consumer.position([place])[0].offset < end and time.monotonic() < deadline:
                for message in consumer.consume(1000, 0.2):
                    assert message.error() is None, message.error()
                    rows.append(row_of_record(message.key(), message.value()))
        return canonical_rows(rows)
    finally:
        consumer.close()


def row_of_record(key: bytes | None, value: bytes | None) -> dict:
    """A record of a result topic as a row. The value is read as JSON: blanks and the order of fields have no meaning."""
    text = lambda raw: None if raw is None else raw.decode()
    return {"key": text(key), "value": None if value is None else json.dumps(json.loads(value, parse_float=str), ensure_ascii=False, sort_keys=True)}
