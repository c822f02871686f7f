"""The completeness view in a real browser: markets by days, a hole in its colour and words, and what a tooltip says of it."""

import json
import time

import requests
from harness import Stage, librdkafka, wait_for
from selenium.webdriver.common.action_chains import ActionChains
from test_page import console_errors, on, press, text

CELLS = "return [...document.querySelectorAll('#completeness-grid td')].map(e => [e.dataset.market, e.dataset.day, e.className, e.textContent])"


def cells(browser) -> dict[tuple[str, str], tuple[str, str]]:
    return {(market, day): (name, shown) for market, day, name, shown in browser.execute_script(CELLS)}


def put_gap(up, market: str, from_ms: int, to_ms: int, state: str) -> None:
    from confluent_kafka import Producer

    gap = {"market": market, "channel": "trade", "gap_from": from_ms, "gap_to": to_ms, "cause": "stall", "state": state, "trades_repaired": 0}
    producer = Producer(librdkafka(up.kafka))
    producer.produce("upbit-gap", key=market.encode(), value=json.dumps(gap).encode())
    assert producer.flush(20) == 0


def test_holes_are_seen_and_told(stage: Stage, browser, screenshots):
    up = stage.up("--source", "sim", "--sim-markets", "30").wait_ready()
    found = wait_for(lambda: requests.get(f"{up.url}/api/completeness?days=14", timeout=10).json()["markets"], "markets in the ledger", 30)
    wait_for(lambda: len(requests.get(f"{up.url}/api/completeness", timeout=10).json()["markets"]) == 30, "all markets", 30)
    begin = {row["market"]: row["begin"] for row in found}["KRW-BTC"]
    # half of it is lost, a little of another, all of a third from yesterday on
    time.sleep(4)
    put_gap(up, "KRW-BTC", begin + 10, begin + 2_500, "lost")
    put_gap(up, "KRW-ETH", begin + 100, begin + 101, "lost")
    put_gap(up, "KRW-XRP", begin - 86_400_000, begin - 80_000_000, "repaired")
    today = requests.get(f"{up.url}/api/completeness", timeout=10).json()["days"][-1]

    def share(market):
        rows = requests.get(f"{up.url}/api/completeness?days=2", timeout=10).json()["markets"]
        return next(row for row in rows if row["market"] == market)["cells"][-1]

    wait_for(lambda: share("KRW-BTC")["missing_ms"] > 0 and share("KRW-ETH")["missing_ms"] > 0, "the holes in the table", 20)
    assert share("KRW-ETH")["missing_ms"] == 1 and 0.99 < share("KRW-ETH")["share"] < 1
    assert share("KRW-XRP")["missing_ms"] == 0
    for bad in ("days=0", "days=61", "days=x"):
        assert requests.get(f"{up.url}/api/completeness?{bad}", timeout=10).status_code == 400
    assert requests.get(f"{up.url}/api/completeness/KRW-BTC?day=2026-1-x", timeout=10).status_code == 400

    browser.get(up.url)
    press(browser, "[data-place=completeness]")
    wait_for(lambda: len(cells(browser)) == 30 * 14, "the cells", 20)
    assert browser.execute_script("return location.hash") == "#completeness"
    shown = cells(browser)
    name, number = shown["KRW-BTC", today]
    assert name in ("little", "half", "holes") and 0 <= float(number) < 99, (name, number)
    name, number = shown["KRW-ETH", today]
    assert name in ("almost", "most") and float(number) < 100, "less than whole is never told as whole"
    assert shown["KRW-XRP", today] == ("whole", "100")
    assert {shown[key] for key in shown if key[1] != today} == {("nothing", "")}
    assert "30 markets" in text(browser, "#completeness-summary") and "2 cells have holes" in text(browser, "#completeness-summary")

    # the tooltip: the share at once, then trades and gaps
    cell = f"#completeness-grid td[data-market='KRW-BTC'][data-day='{today}']"
    on(browser, cell, lambda element: ActionChains(browser).move_to_element(element).perform())
    tip = wait_for(lambda: "trades" in (shown := text(browser, "#completeness-tip")) and shown, "what the tooltip says", 15)
    assert "KRW-BTC" in tip and "lost (stall)" in tip and "missing 2.5 s" in tip and "(until now)" in tip, tip
    browser.save_screenshot(str(screenshots / "completeness-1.png"))

    # worst first, and by keyboard
    press(browser, "#completeness-order")
    order = lambda: [row[0] for row in browser.execute_script(CELLS)][::14]
    assert order()[:2] == ["KRW-BTC", "KRW-ETH"], order()
    press(browser, cell)
    on(browser, cell, lambda element: element.send_keys("\ue015"))  # arrow down
    wait_for(lambda: "KRW-ETH" in text(browser, "#completeness-tip"), "the cell below", 5)

    # Korean, and the address brings the view again
    press(browser, "button[data-language=ko]")
    browser.refresh()
    wait_for(lambda: len(cells(browser)) == 30 * 14, "the view of the address", 20)
    assert text(browser, "[data-place=completeness]") == "수집률" and "30개 마켓" in text(browser, "#completeness-summary").replace(" ", "").replace("개마켓", "개 마켓")
    browser.save_screenshot(str(screenshots / "completeness-2-korean.png"))
    press(browser, "[data-place=market]")
    wait_for(lambda: text(browser, "#price") not in ("", "–"), "the market again", 15)
    assert not console_errors(browser)


def test_on_a_phone(stage: Stage, browser, screenshots):
    up = stage.up("--source", "sim").wait_ready()
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(up.url)
    press(browser, "[data-show=completeness]")
    wait_for(lambda: len(cells(browser)) == 50 * 14, "the cells", 20)
    browser.save_screenshot(str(screenshots / "completeness-phone.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390, "nothing sticks out sideways"
    assert not console_errors(browser)
