"""Passwords and TLS on the Kafka listener, by real clients; and clients that are none, beside one that works."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import threading

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from harness import Up, free_port, librdkafka, wait_for
from kafka_clients import broker, create_topic, kcat, metric, produce

PASSWORD = "a:long secret"


class Refused(Exception):
    """The message was not delivered."""


def certificate(folder) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(cert), str(key)


def roundtrip(up: Up, **config) -> list[bytes]:
    producer = Producer({**librdkafka(up.kafka), "message.timeout.ms": 5_000, **config})
    errors = []
    producer.produce("upbit-dead-letter", b"hello", on_delivery=lambda error, _: errors.append(error))
    producer.flush(20)
    if [error is None for error in errors] != [True]:
        raise Refused(str(errors))
    consumer = Consumer({**librdkafka(up.kafka), "group.id": "x", **config})
    consumer.assign([TopicPartition("upbit-dead-letter", 0, 0)])
    found = []
    wait_for(lambda: found.extend(m.value() for m in consumer.consume(10, 1.0) if m.error() is None) or found, "the message")
    consumer.close()
    return found


@pytest.mark.parametrize("tls", [False, True])
def test_users_and_tls(stage, tls):
    users = stage.work_dir / "users"
    users.write_text(f"# who may\nann:{PASSWORD}\n")
    options, config = ["--kafka-users", str(users)], {"security.protocol": "SASL_PLAINTEXT"}
    if tls:
        cert, key = certificate(stage.work_dir)
        options += ["--kafka-tls-cert", cert, "--kafka-tls-key", key]
        config = {"security.protocol": "SASL_SSL", "ssl.ca.location": cert}
    up = broker(stage, *options)
    assert ("(SASL, TLS)" if tls else "(SASL)") in up.stdout
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        login = {"sasl.mechanism": mechanism, "sasl.username": "ann", "sasl.password": PASSWORD}
        assert b"hello" in roundtrip(up, **config, **login)
        with pytest.raises(Refused):
            roundtrip(up, **config, **login | {"sasl.password": "wrong"})
        with pytest.raises(Refused):
            roundtrip(up, **config, **login | {"sasl.username": "eve"})
    with pytest.raises(Refused):
        roundtrip(up)
    assert metric(up, "hoga_kafka_authentication_failures_total") >= 4
    assert PASSWORD not in up.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kafka", "0.0.0.0:0"], "--kafka-users"),
        (["--kafka-users", "/no/such/file"], "kafka-users"),
        (["--kafka-tls-cert", "cert.pem"], "needed together"),
        (["--kafka", "here"], "address and a port"),
        (["--kafka-advertised", "nowhere"], "host and a port"),
    ],
)
def test_a_listener_that_would_be_open_or_wrong_does_not_start(stage, options, message):
    args = ["--http", f"127.0.0.1:{free_port()}", "--postgres", f"127.0.0.1:{free_port()}"]
    if "--kafka" not in options:
        args += ["--kafka", f"127.0.0.1:{free_port()}"]
    refused = stage.program("up", "--data", str(stage.data_dir), "--source", "sim", *args, *options)
    assert refused.wait() == 2
    assert message in refused.stderr


def test_a_port_that_is_taken_is_named_and_off_is_off(stage):
    up = broker(stage)
    other = stage.program(
        "up", "--data", str(stage.work_dir / "other"), "--source", "sim", "--http", f"127.0.0.1:{free_port()}",
        "--postgres", f"127.0.0.1:{free_port()}", "--kafka", up.kafka, name="other",
    )  # fmt: skip
    assert other.wait() == 3
    assert "--kafka off" in other.stderr
    off = stage.up("--source", "sim", "--kafka", "off", data_dir=stage.work_dir / "off", name="off").wait_ready()
    assert "kafka     " not in off.stdout


def test_clients_that_are_none_disturb_nobody(stage):
    """Noise, frames that lie, clients that stand still: refused and counted, while a producer beside them loses nothing."""
    up = broker(stage)
    create_topic(up.kafka, "t", 1)
    seed = random.Random(7)
    stop, noise = threading.Event(), []

    def disturb():
        while not stop.is_set():
            with socket.socket() as s:
                s.settimeout(1)
                try:
                    s.connect(("127.0.0.1", up.kafka_port))
                    body = seed.randbytes(seed.randrange(1, 400))
                    length = seed.choice([len(body), len(body) + 1, 2**31 - 1, -1, 0])
                    key, version = seed.choice([seed.randrange(70), 1_000]), seed.randrange(14)
                    s.sendall(struct.pack(">ihhi", length, key, version, 1) + body)
                    noise.append(s.recv(10))
                except OSError:
                    noise.append(None)

    threads = [threading.Thread(target=disturb, daemon=True) for _ in range(3)]
    stuck = [socket.create_connection(("127.0.0.1", up.kafka_port)) for _ in range(20)]
    for thread in threads:
        thread.start()
    values = [b"%d" % n for n in range(5_000)]
    places = produce(up.kafka, "t", values, **{"enable.idempotence": True})
    assert sorted(offset for _, offset in places.values()) == list(range(5_000))
    wait_for(lambda: len(noise) > 200, "enough noise")
    stop.set()
    for thread in threads:
        thread.join(10)
    for s in stuck:
        s.close()
    assert kcat(up.kafka, "-C", "-t", "t", "-e", "-q").count("\n") == 5_000
    assert metric(up, "hoga_kafka_protocol_errors_total") > 50
    assert metric(up, "hoga_kafka_requests_too_large_total") > 5
    assert up.healthz() == 200
