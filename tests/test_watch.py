"""What tells how it is: the lines at the start, /healthz, /metrics, /api/status, `hoga status`; and who may ask."""

import json
import re

import requests
from fake_exchange import trade
from harness import Stage, free_port, wait_for


def test_one_line_for_each_listener_when_ready(stage: Stage):
    up = stage.up("--source", "sim").wait_ready()
    lines = wait_for(lambda: up.stdout.splitlines(), "the lines on standard output", 5)
    assert any(re.search(rf"http://127\.0\.0\.1:{up.http_port}\b", line) for line in lines)
    assert any(re.search(rf"-p {up.postgres_port}\b", line) for line in lines)
    assert "SIMULATED" in up.stdout


def test_metrics_and_status_agree_with_sql(stage: Stage):
    path = stage.work_dir / "three.jsonl"
    path.write_text("\n".join([*(trade("KRW-BTC", 17853950437790001 + n) for n in range(3)), "not JSON"]) + "\n")
    up = stage.up("--source", f"replay:{path}", env={"HOGA_CHECKPOINT_INTERVAL": "500ms"}).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade") == [(3,)], "three trades", 10)

    status = wait_for(lambda: (s := up.status())["tables"] and sum(t["committed_rows"] for t in s["tables"]) == 3 and s, "the commit", 15)
    assert status["source"]["simulated"] and status["source"]["name"].startswith("replay:")
    assert status["dead_letters_total"] == 1
    assert {t["name"].split(".")[-1] for t in status["tables"]} == {"ticker", "trade", "orderbook", "candle_1m", "candle_5m", "candle_15m", "candle_1h", "candle_1d", "gap", "market"}
    [trade_stream] = [s for s in status["streams"] if s["name"] == "trade"]
    assert trade_stream["received_total"] == 3
    [topic] = [t for t in status["topics"] if t["name"] == "upbit-trade"]
    assert sum(p["end_offset"] - p["start_offset"] for p in topic["partitions"]) == 3
    assert status["process"]["resident_bytes"] > 1_000_000

    text = requests.get(f"{up.url}/metrics", timeout=5).text
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(samples) > 10
    for line in samples:
        assert re.fullmatch(r'[a-zA-Z_:][\w:]*(\{(\w+="[^"]*",?)*\})? [-+0-9.eEinfNa]+', line), f"not Prometheus: {line}"
    assert all(line.startswith(("hoga_", "process_")) for line in samples)

    shown = stage.run("status", "--json", "--http", f"127.0.0.1:{up.http_port}")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["dead_letters_total"] == 1
    assert "trade" in stage.run("status", "--http", f"127.0.0.1:{up.http_port}").stdout


def test_status_of_nothing(stage: Stage):
    port = free_port()
    answer = stage.run("status", "--http", f"127.0.0.1:{port}")
    assert answer.returncode == 3 and str(port) in answer.stderr


def test_token_and_password_are_asked_for(stage: Stage):
    up = stage.up("--source", "sim", env={"HOGA_HTTP_TOKEN": "a-long-token-of-24-bytes", "HOGA_POSTGRES_PASSWORD": "a-long-password-of-24-bytes"})
    wait_for(lambda: up.healthz() == 200, "health, which needs no token")
    for path in ("/api/status", "/api/board", "/metrics"):
        assert requests.get(up.url + path, timeout=5).status_code == 401, path
        with_token = requests.get(up.url + path, timeout=5, headers={"Authorization": "Bearer a-long-token-of-24-bytes"})
        assert with_token.status_code == 200, path
        assert requests.get(up.url + path, timeout=5, headers={"Authorization": "Bearer wrong"}).status_code == 401, path
    refused = up.psql("-w", "-c", "SELECT 1")
    assert refused.returncode == 2 and "password" in refused.stderr
    with_password = up.psql("-c", "SELECT 1", password="a-long-password-of-24-bytes")
    assert with_password.returncode == 0, with_password.stderr
    assert up.psql("-c", "SELECT 1", password="wrong").returncode == 2
    assert "a-long" not in up.output, "secrets are not printed"


def test_other_sites_cannot_reach_in(stage: Stage):
    """A page elsewhere can point its own name at 127.0.0.1, or make the browser post to it."""
    up = stage.up("--source", "sim").wait_ready()
    rebound = requests.get(f"{up.url}/api/status", timeout=5, headers={"Host": f"evil.example:{up.http_port}"})
    assert rebound.status_code == 403
    foreign = requests.get(f"{up.url}/api/status", timeout=5, headers={"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 403
