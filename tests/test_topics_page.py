"""The topic view in a real browser: topics and readers listed, messages live and searched for, dead letters in plain words."""

import json
import time

import pytest
import requests
from fake_exchange import FakeExchange, trade
from harness import Stage, librdkafka, wait_for
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select
from test_page import console_errors, on, press, text

FIRST_ID = 17_853_950_437_790_001  # no double holds it


def rows(browser, selector: str = "#message-list .message .line") -> list[list[str]]:
    """Time, place, key and value of each message on the page, read in one go: they move."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => [...e.children].map(c => c.textContent))"
    return browser.execute_script(script, selector)


def keys(browser) -> set[str]:
    return {row[2] for row in rows(browser)}


def fill(browser, selector: str, value: str) -> None:
    on(browser, selector, lambda field: (field.clear(), field.send_keys(value)))


def choose(browser, name: str) -> None:
    press(browser, f"#topics .entry[data-name='{name}']")
    wait_for(lambda: text(browser, "#topic-name") == name, f"{name} to be shown", 10)


def test_topics_are_listed_and_messages_move_and_filter(stage: Stage, browser, screenshots):
    up = stage.up("--source", "sim", "--sim-markets", "40").wait_ready()
    browser.get(up.url)
    press(browser, "[data-place=topics]")
    wait_for(lambda: "upbit-trade" in text(browser, "#topic-list"), "the topics", 15)
    assert {"upbit-ticker", "upbit-trade", "upbit-orderbook", "upbit-dead-letter"} <= set(text(browser, "#topic-list").split("\n"))
    assert "source upbit-trade" in text(browser, "#group-list"), "the pipeline is a reader of its topics"
    choose(browser, "upbit-trade")
    assert "7d" in text(browser, "#topic-facts"), "its retention"

    # live: newer messages come in at the top by themselves
    first = wait_for(lambda: rows(browser), "messages", 15)[0]
    wait_for(lambda: rows(browser)[0] != first and len(keys(browser)) > 3, "newer messages of several markets", 15)
    assert len(rows(browser)) <= 200
    browser.save_screenshot(str(screenshots / "topics-1-live.png"))

    # the filter: only that market, still live
    fill(browser, "#message-filter [name=key]", "KRW-BTC")
    press(browser, "#message-filter [type=submit]")
    wait_for(lambda: keys(browser) == {"KRW-BTC"}, "only the market that was asked for", 15)
    before = rows(browser)[0]
    wait_for(lambda: rows(browser)[0] != before, "a newer message of that market", 30)
    assert keys(browser) == {"KRW-BTC"}

    # opening a message holds it still, and shows every digit
    press(browser, "#message-list .message .line")
    shown = text(browser, "#message-list .opened .json")
    assert json.loads(shown)["code"] == "KRW-BTC" and shown.count("\n") > 5, shown
    assert text(browser, "#message-filter [name=pause]") == "Resume"
    held = rows(browser)
    time.sleep(1)
    assert rows(browser) == held
    browser.save_screenshot(str(screenshots / "topics-2-opened.png"))

    # partitions add up to what the log has
    press(browser, "[data-tab=partitions]")
    ends = wait_for(lambda: rows(browser, "#partition-pane tbody tr"), "partitions", 10)
    assert [row[0] for row in ends] == ["0", "1", "2"]
    offsets = {p["partition"]: p["end_offset"] for p in requests.get(f"{up.url}/api/topics/upbit-trade", timeout=10).json()["partitions"]}
    assert all(0 < int(row[2].replace(",", "")) <= offsets[int(row[0])] for row in ends)
    browser.save_screenshot(str(screenshots / "topics-3-partitions.png"))
    press(browser, "[data-tab=readers]")
    wait_for(lambda: rows(browser, "#reader-pane tbody tr"), "the readers of the topic", 10)
    choose(browser, "source upbit-trade")
    assert len(wait_for(lambda: rows(browser, "#group-pane tbody tr"), "lag by partition", 10)) == 3
    browser.save_screenshot(str(screenshots / "topics-3-group.png"))

    # Korean, and the address brings the same topic again
    browser.get(f"{up.url}/#topics/upbit-ticker")
    browser.refresh()
    wait_for(lambda: text(browser, "#topic-name") == "upbit-ticker" and rows(browser), "the topic of the address", 15)
    press(browser, "button[data-language=ko]")
    assert "건/초" in text(browser, "#topic-list") and text(browser, "[data-place=topics]") == "토픽"
    time.sleep(1)
    browser.save_screenshot(str(screenshots / "topics-4-korean.png"))
    press(browser, "[data-place=market]")
    wait_for(lambda: text(browser, "#price") not in ("", "–"), "the market again", 15)
    assert not console_errors(browser)


def test_searches_and_dead_letters(stage: Stage, browser, screenshots):
    count, dead = 300, '{"type":"candle.1m","code":"KRW-BTC","timestamp":1}'
    # a job cannot read this price: the collector looks at the fields it needs only
    unreadable = trade("KRW-ETH", FIRST_ID + 10_000_000, price='"soon"')

    def script(connection, number):
        if number == 0:
            for n in range(count):
                connection.send(trade("KRW-BTC" if n % 3 else "KRW-ETH", FIRST_ID + n))
            connection.send(dead)
            connection.send(unreadable)
        while True:
            connection.recv(timeout=300)

    exchange = FakeExchange(script)
    try:
        up = stage.up("--source", "upbit", "--markets", "KRW", env=exchange.env).wait_ready()
        wait_for(lambda: up.status()["dead_letters_total"] == 2, "two dead letters", 20)
        browser.get(f"{up.url}/#topics/upbit-trade")
        wait_for(lambda: len(rows(browser)) == 50, "the newest messages", 15)

        # from the oldest on, page by page, by key
        fill(browser, "#message-filter [name=key]", "KRW-ETH")
        Select(browser.find_element(By.CSS_SELECTOR, "#message-filter [name=from]")).select_by_value("oldest")
        wait_for(lambda: len(rows(browser)) == 50 and keys(browser) == {"KRW-ETH"}, "the first page", 15)
        press(browser, "#message-more")
        wait_for(lambda: len(rows(browser)) == 100, "the second page", 15)
        press(browser, "#message-more")
        wait_for(lambda: len(rows(browser)) == 101, "the rest", 15)
        assert not browser.find_element(By.CSS_SELECTOR, "#message-more").is_displayed()
        assert "that is all" in text(browser, "#message-note")

        # a text in the value: one message, its id exact
        fill(browser, "#message-filter [name=contains]", str(FIRST_ID + 33))
        press(browser, "#message-filter [type=submit]")
        wait_for(lambda: len(rows(browser)) == 1, "the one message", 15)
        press(browser, "#message-list .message .line")
        assert f'"sequential_id": {FIRST_ID + 33}' in text(browser, "#message-list .opened .json")
        copied = text(browser, "#message-list .opened .json")
        press(browser, "#message-list .value-head button")
        wait_for(lambda: text(browser, "#message-list .value-head button") == "Copied", "the copy", 5)
        assert json.loads(copied)["sequential_id"] == FIRST_ID + 33

        # dead letters: why, who found it, and where it lies, one click away
        choose(browser, "upbit-dead-letter")
        wait_for(lambda: len(rows(browser)) == 2, "both dead letters", 15)
        listed = "\n".join(row[3] for row in rows(browser))
        assert 'no topic for type "candle.1m"' in listed and "trade_price" in listed, listed
        for line in browser.find_elements(By.CSS_SELECTOR, "#message-list .message .line"):
            line.click()
        letters = [e.text for e in browser.find_elements(By.CSS_SELECTOR, "#message-list .letter")]
        collected = next(letter for letter in letters if "candle.1m" in letter)
        assert "the collector, before it reached a topic" in collected and "the exchange, as it was received" in collected
        from_job = next(letter for letter in letters if "trade_price" in letter)
        assert "source upbit-trade" in from_job and "upbit-trade · partition" in from_job
        browser.execute_script("document.querySelector('.pane.messages .scroll').scrollTop = 0")
        browser.save_screenshot(str(screenshots / "topics-5-dead-letters.png"))
        press(browser, "button[data-language=ko]")
        korean = text(browser, "#message-list")
        assert '"candle.1m" 유형을 담을 토픽이 없습니다' in korean and "이유" in korean, korean
        assert '"soon"은(는) 숫자가 아닙니다' in korean, korean
        browser.save_screenshot(str(screenshots / "topics-6-dead-letters-korean.png"))
        press(browser, "#message-list .letter .place")
        wait_for(lambda: text(browser, "#topic-name") == "upbit-trade" and rows(browser), "the message it came from", 15)
        press(browser, "#message-list .message .line")
        assert '"trade_price": "soon"' in text(browser, "#message-list .opened .json")
        assert not console_errors(browser)
    finally:
        exchange.close()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_on_a_phone(stage: Stage, browser, screenshots, language: str):
    up = stage.up("--source", "sim").wait_ready()
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(up.url)
    press(browser, f"button[data-language={language}]")
    press(browser, "[data-show=topics]")
    wait_for(lambda: "upbit-trade" in text(browser, "#topic-list"), "the topics", 15)
    browser.save_screenshot(str(screenshots / f"topics-phone-1-{language}.png"))
    choose(browser, "upbit-trade")
    wait_for(lambda: len(rows(browser)) > 10, "messages", 15)
    press(browser, "#message-list .message .line")
    wait_for(lambda: text(browser, "#message-list .opened .json"), "an opened message", 5)
    browser.save_screenshot(str(screenshots / f"topics-phone-2-{language}.png"))
    width = browser.execute_script("return document.documentElement.scrollWidth")
    assert width <= 390, "nothing sticks out sideways"
    press(browser, "#topic-back")
    assert "upbit-orderbook" in text(browser, "#topic-list")
    assert not console_errors(browser)


def test_a_lost_server_is_said_and_found_again(stage: Stage, browser):
    up = stage.up("--source", "sim").wait_ready()
    browser.get(f"{up.url}/#topics/upbit-trade")
    wait_for(lambda: rows(browser), "messages", 15)
    up.stop()
    wait_for(lambda: "cannot be reached" in text(browser, "#topic-list-note"), "a word about the lost server", 20)
    stage.up("--source", "sim", "--http", f"127.0.0.1:{up.http_port}", name="again")
    first = wait_for(lambda: rows(browser), "messages again", 40)[0]
    wait_for(lambda: rows(browser) and rows(browser)[0] != first, "newer messages again", 30)
    wait_for(lambda: "cannot be reached" not in text(browser, "#topic-list-note"), "no word about it any more", 15)


def test_a_kafka_consumer_is_shown_with_its_lag(stage: Stage, browser, screenshots):
    from confluent_kafka import Consumer

    sim = stage.sim("--markets", "10", "--rate", "200").wait_ready()
    up = stage.up("--source", "upbit", "--markets", "KRW", env=sim.env).wait_ready()
    wait_for(lambda: up.query("SELECT count(*) FROM upbit.trade")[0][0] > 50, "some trades")
    settings = {**librdkafka(up.kafka), "group.id": "analysts", "client.id": "notebook", "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.subscribe(["upbit-trade"])
    wait_for(lambda: consumer.consume(20, 0.5), "messages for the consumer", 30)
    consumer.commit(asynchronous=False)
    browser.get(f"{up.url}/#topics/upbit-trade")
    wait_for(lambda: "analysts" in text(browser, "#group-list"), "the group in the list", 15)
    assert "No Kafka consumer" not in text(browser, "#topics")
    choose(browser, "analysts")
    member, *lags = wait_for(lambda: [row for row in rows(browser, "#group-pane tbody tr") if row], "the group", 10)
    assert member[1] == "notebook" and member[3] == "upbit-trade-0, upbit-trade-1, upbit-trade-2"
    behind = sum(int(row[4].replace(",", "")) for row in lags)
    assert lags and behind > 0 and {row[0] for row in lags} == {"upbit-trade"}
    assert all(int(row[3].replace(",", "")) - int(row[2].replace(",", "")) == int(row[4].replace(",", "")) for row in lags)
    browser.save_screenshot(str(screenshots / "topics-8-consumer.png"))
    consumer.close()
    wait_for(lambda: "empty" in text(browser, "#topic-facts"), "the group without members, still with its offsets", 30)
    assert rows(browser, "#group-pane tbody tr")
    assert not console_errors(browser)
