"""Badges of markets in a real browser: warned, cautioned, new; in both languages, as they come and go."""

from __future__ import annotations

import time

from fake_exchange import FakeExchange, past_trade, trade
from harness import Stage, wait_for
from test_market_list import WATCHED, listed
from test_page import console_errors, press, text

MARKS = """return [...document.querySelectorAll('#list [role=option]:not([hidden])')]
  .map(row => [row.dataset.market, [...row.querySelectorAll('.mark')].map(mark => [mark.textContent, mark.title])])"""
WORDS_AT = """const done = arguments[arguments.length - 1];
import('/assets/badges.js').then(({ badgesOf }) => done(arguments[0].map(listedAt => badgesOf({ warning: false, cautions: [], listedAt }, 1e13).map(([kind]) => kind))));"""
DAY_MS = 86_400_000


def marks(browser) -> dict[str, dict[str, str]]:
    return {market: dict(shown) for market, shown in browser.execute_script(MARKS)}


def test_what_the_exchange_says_of_a_market_is_a_badge(stage: Stage, browser, screenshots):
    def script(connection, number):
        for code in fake.clients[number].requests[0][1]["codes"]:
            connection.send(trade(code, int(time.time() * 1000) * 10_000, stream_type="SNAPSHOT").encode())
        while True:
            connection.recv(timeout=120)

    fake = FakeExchange(script, ticks={code: [past_trade(code, int(time.time() * 1000) * 10_000)] for code in ("KRW-BTC", "KRW-ETH")})
    try:
        up = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env | WATCHED).wait_ready()
        browser.get(up.url)
        wait_for(lambda: set(marks(browser)) == {"KRW-BTC", "KRW-ETH"}, "the markets", 30)
        assert marks(browser) == {"KRW-BTC": {}, "KRW-ETH": {}}, "what was there at the first look is not new"

        btc, eth, _ = fake.markets
        btc["market_event"] = {"warning": True, "caution": {"PRICE_FLUCTUATIONS": True, "SOMETHING_ELSE": True}}
        eth["market_event"] = {"warning": False, "caution": {"GLOBAL_PRICE_DIFFERENCES": True}}
        fake.markets.append(listed("KRW-NEW"))
        wait_for(lambda: "KRW-NEW" in marks(browser) and marks(browser)["KRW-BTC"], "the news", 30)
        shown = marks(browser)
        assert list(shown["KRW-BTC"]) == ["Warning", "Caution"] and shown["KRW-BTC"]["Caution"] == "price moves sharply, SOMETHING_ELSE"
        assert shown["KRW-ETH"] == {"Caution": "price differs from other exchanges"}
        assert list(shown["KRW-NEW"]) == ["New"] and shown["KRW-NEW"]["New"].startswith("listed (KST) ")
        browser.save_screenshot(str(screenshots / "badges-english.png"))
        press(browser, "button[data-language=ko]")
        wait_for(lambda: list(marks(browser)["KRW-BTC"]) == ["유의", "주의"] and list(marks(browser)["KRW-NEW"]) == ["신규"], "Korean", 10)
        assert marks(browser)["KRW-ETH"] == {"주의": "글로벌 시세 차이"}
        press(browser, "#list [data-market=KRW-BTC]")
        wait_for(lambda: text(browser, "#market-marks").split() == ["유의", "주의"], "the chosen market's", 10)
        browser.save_screenshot(str(screenshots / "badges-korean.png"))

        btc["market_event"] = {"warning": False, "caution": {}}
        wait_for(lambda: marks(browser)["KRW-BTC"] == {} and text(browser, "#market-marks") == "", "the release", 30)
        # a restart knows when it was listed
        assert up.stop()[0] == 0
        up = stage.up("--source", "upbit", "--markets", "KRW", env=fake.env | WATCHED, name="again").wait_ready()
        browser.get(up.url)
        wait_for(lambda: list(marks(browser).get("KRW-NEW", [])) == ["New"], "the badge after a restart", 30)
        times = [1e13 - 1, 1e13 - 7 * DAY_MS + 1, 1e13 - 7 * DAY_MS, None]
        assert browser.execute_async_script(WORDS_AT, times) == [["new"], ["new"], [], []]
        assert not console_errors(browser)
    finally:
        fake.close()
