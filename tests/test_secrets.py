"""A hoga whose listeners ask for a token and passwords: every command that asks it says what is missing, works with it, and prints none of it."""

from __future__ import annotations

import subprocess

from harness import Stage, free_port, wait_for

TOKEN, PASSWORD, KAFKA_PASSWORD = "geheim-token-of-24-bytes", "geheim-password-of-24-bytes", "geheim-kafka-of-24-bytes"
SECRETS = {"HOGA_HTTP_TOKEN": TOKEN, "HOGA_POSTGRES_PASSWORD": PASSWORD}
WRONG = {"HOGA_HTTP_TOKEN": "geheim-too-but-another", "HOGA_POSTGRES_PASSWORD": "geheim-too-but-another"}


def test_commands_say_what_is_missing_and_work_with_it(stage: Stage):
    sim = stage.sim("--markets", "4", "--rate", "200").wait_ready()
    users = stage.work_dir / "users"
    users.write_text(f"ann:{KAFKA_PASSWORD}\n")
    env = sim.env | SECRETS | {"HOGA_CHECKPOINT_INTERVAL": "1s"}
    up = stage.up("--source", "upbit", "--markets", "KRW", "--kafka-users", str(users), env=env).wait_ready()
    page, url = f"127.0.0.1:{up.http_port}", f"postgres://hoga@127.0.0.1:{up.postgres_port}/hoga"
    said: list[str] = []

    def run(*args: str, env: dict | None = None, timeout_s: float = 120) -> subprocess.CompletedProcess:
        done = stage.run(*args, env=env, timeout_s=timeout_s)
        said.append(done.stdout + done.stderr)
        return done

    sql = ("sql", "--connect", url, "--format", "csv", "-c", "SELECT count(*) FROM upbit.trade")
    audit = ("audit", "--no-rest", "--connect", url, "--http", page)
    status = ("status", "--http", page)
    backfill = ("backfill", "--http", page, "--markets", "KRW-BTC", "--from", "10m", "--no-wait")
    export = ("export", "--connect", f"http://{page}", "--query", "SELECT market FROM upbit.trade", "--out", "-", "--format", "csv")
    for command, variable in ((sql, "HOGA_POSTGRES_PASSWORD"), (audit, "HOGA_POSTGRES_PASSWORD"), (status, "HOGA_HTTP_TOKEN"), (backfill, "HOGA_HTTP_TOKEN"), (export, "HOGA_HTTP_TOKEN")):
        for given, words in (({}, "asks for a"), (WRONG, "has another")):
            refused = run(*command, env=given)
            assert refused.returncode == 2 and variable in refused.stderr and words in refused.stderr, (command, refused)

    wait_for(lambda: int(run(*sql, env=SECRETS).stdout.split()[-1]) > 50, "trades, asked for with the password")
    assert "source" in run(*status, env=SECRETS).stdout
    assert run(*export, env=SECRETS).stdout.count("KRW-") > 50
    asked = run(*backfill, env=SECRETS)
    assert asked.returncode == 0, asked.stderr
    wait_for(lambda: run(*backfill[:-1], env=SECRETS).returncode == 0, "the backfill to be done", 60, every_s=1)
    audited = run(*audit, env=SECRETS)
    assert audited.returncode == 0 and "result     clean" in audited.stdout and "token" not in audited.stdout, audited.stdout + audited.stderr
    # the tables can be audited without the page, and it is said what is not known then
    half = run(*audit, env={"HOGA_POSTGRES_PASSWORD": PASSWORD})
    assert half.returncode == 0 and "HOGA_HTTP_TOKEN" in half.stdout, half.stdout + half.stderr
    in_url = ("sql", "--connect", url.replace("hoga@", f"hoga:{PASSWORD}@"), "-c", "SELECT 1")
    assert run(*in_url).returncode == 0
    nobody = run("sql", "--connect", f"postgres://hoga:{PASSWORD}@127.0.0.1:{free_port()}/hoga", "-c", "SELECT 1")
    assert nobody.returncode == 3 and "no hoga answers" in nobody.stderr

    ports = ("--http", f"127.0.0.1:{free_port()}", "--postgres", f"127.0.0.1:{free_port()}", "--kafka", "off")
    replay = ("replay", "--brokers", up.kafka, "--exit", *ports)
    refused = run(*replay, "--into", str(stage.work_dir / "refused"))
    assert refused.returncode == 3 and refused.stderr, refused
    login = {"HOGA_KAFKA_SASL": "scram-sha-256", "HOGA_KAFKA_USERNAME": "ann"}
    wrong = run(*replay, "--into", str(stage.work_dir / "wrong"), env=login | {"HOGA_KAFKA_PASSWORD": "geheim-too-but-another"})
    assert wrong.returncode != 0 and wrong.stderr, wrong
    replayed = run(*replay, "--into", str(stage.work_dir / "replayed"), env=SECRETS | login | {"HOGA_KAFKA_PASSWORD": KAFKA_PASSWORD})
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr

    for command in ("sql", "audit", "status", "backfill", "export", "replay", "up"):
        run(command, "--help", env=SECRETS | {"HOGA_CONNECT": in_url[2], "HOGA_KAFKA_PASSWORD": KAFKA_PASSWORD})
    assert not [line for text in (*said, up.output) for line in text.splitlines() if "geheim" in line]
