"""`hoga backfill`: trades that nobody collected are the exchange's, each once, whatever dies on the way."""

from __future__ import annotations

import time

import requests
from harness import Stage, Up, wait_for
from truth import differences, from_sql, read_truth

SECONDS = 20


def backfill_gaps(up: Up) -> dict[str, int]:
    return dict(up.query("SELECT state, count(*) FROM upbit.gap WHERE cause = 'backfill' GROUP BY 1"))


def ask(up: Up, stage: Stage, *args: str):
    return stage.program("backfill", "--http", f"127.0.0.1:{up.http_port}", *args, name=f"backfill-{len(stage.programs)}")


def start(stage: Stage, *faults: str):
    truth_path = stage.work_dir / "truth.jsonl"
    sim = stage.sim("--markets", "12", "--rate", "600", "--seed", "5", "--duration", f"{SECONDS}s", "--grace", "600s", *faults, truth=truth_path).wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW-BTC", env=sim.env | {"HOGA_CHECKPOINT_INTERVAL": "2s"}).wait_ready()
    wait_for(lambda: "duration is over" in sim.stderr, "the exchange's duration", SECONDS + 60)
    return sim, up, truth_path


def test_a_market_that_nobody_collected(stage: Stage):
    sim, up, truth_path = start(stage)
    truth = read_truth(truth_path)
    wanted = {key: trade for key, trade in truth.items() if key[0] in ("KRW-BTC", "KRW-ETH", "KRW-XRP")}
    done = ask(up, stage, "--markets", "KRW-ETH,KRW-XRP,KRW-BTC", "--from", "10m")
    assert done.wait(120) == 0, done.output
    wait_for(lambda: len(from_sql(up)) >= len(wanted), "the trades in the table", 30)
    assert not differences(from_sql(up), wanted)
    marked = dict(up.query("SELECT market, count(*) FROM upbit.trade WHERE stream_type = 'REST' GROUP BY 1"))
    assert marked["KRW-ETH"] == sum(1 for market, _ in wanted if market == "KRW-ETH")
    assert f"{marked['KRW-ETH'] + marked['KRW-XRP']} trades" in done.stdout or marked.get("KRW-BTC"), done.stdout
    assert set(backfill_gaps(up)) == {"repaired"}

    # asked again: nothing is there twice, and a market that is not collected is no hole after a restart
    again = ask(up, stage, "--markets", "KRW-ETH", "--from", "10m")
    assert again.wait(60) == 0, again.output
    assert up.stop()[0] == 0
    up = stage.up("--source", "upbit", "--markets", "KRW-BTC", env=sim.env, name="up-again").wait_ready()
    assert up.query("SELECT count(*) FROM upbit.gap WHERE market = 'KRW-ETH' AND cause <> 'backfill'") == [(0,)]
    third = ask(up, stage, "--markets", "KRW-ETH", "--from", "10m")
    assert third.wait(60) == 0, third.output
    assert not differences(from_sql(up), wanted)


def test_killed_in_the_middle_it_goes_on(stage: Stage):
    sim, up, truth_path = start(stage)
    truth = read_truth(truth_path)
    # ten hours of twelve markets: at nine calls a second, about fifteen seconds
    asked = ask(up, stage, "--markets", "all", "--from", "10h")
    wait_for(lambda: backfill_gaps(up).get("repaired", 0) >= 20, "some hours to be repaired", 120, every_s=0.2)
    up.kill()
    assert asked.running(), f"the command waits for hoga: {asked.output}"
    time.sleep(1)
    up = stage.up("--source", "upbit", "--markets", "KRW-BTC", "--http", f"127.0.0.1:{up.http_port}", env=sim.env, name="up-again")
    up.http_port = int(up.args[up.args.index("--http") + 1].split(":")[1])
    up.wait_ready()
    assert backfill_gaps(up).get("pending", 0) > 10, "it was in the middle"
    assert asked.wait(240) == 0, asked.output
    wait_for(lambda: len(from_sql(up)) >= len(truth), "all trades", 60)
    assert not differences(from_sql(up), truth)
    assert set(backfill_gaps(up)) == {"repaired"}
    assert "12 markets" in asked.stderr, asked.stderr


def test_what_cannot_be_asked_for(stage: Stage):
    sim = stage.sim("--markets", "3").wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW", env=sim.env).wait_ready()
    for args, code, says in [
        (["--markets", "KRW-BTC", "--from", "9d"], 2, "trades of the last 7 days"),
        (["--markets", "KRW-NONE", "--from", "1h"], 2, "is not listed"),
        (["--markets", "KRW-BTC", "--from", "soon"], 2, "is not a time"),
        (["--markets", "KRW-BTC", "--from", "1h", "--to", "2h"], 2, "--from has to be before --to"),
    ]:
        done = stage.run("backfill", "--http", f"127.0.0.1:{up.http_port}", *args)
        assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    other_site = requests.post(f"{up.url}/api/backfill", json={"markets": "all", "from_ms": 0, "to_ms": 1}, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10)
    assert other_site.status_code == 403
    up.stop()
    done = stage.run("backfill", "--http", f"127.0.0.1:{up.http_port}", "--markets", "KRW-BTC", "--from", "1h")
    assert done.returncode == 3 and "no hoga answers" in done.stderr
