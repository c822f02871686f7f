"""The page in a real browser: it moves, speaks Korean and English, says SIMULATED, and its console stays empty."""

import os
import time
from pathlib import Path

import pytest
from harness import Stage, wait_for
from selenium import webdriver
from selenium.webdriver.common.by import By

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1440,900", "--lang=en-US",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=CHROMEDRIVER))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def screenshots(tmp_path) -> Path:
    """Kept where HOGA_TEST_SCREENSHOTS says, else in the test's own folder."""
    folder = Path(os.environ.get("HOGA_TEST_SCREENSHOTS") or tmp_path / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def console_errors(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def text_of(browser) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def test_page(stage: Stage, browser, screenshots):
    up = stage.up("--source", "sim", "--markets", "KRW").wait_ready()
    browser.get(up.url)
    wait_for(lambda: "KRW" in text_of(browser), "the list of markets", 15)
    browser.save_screenshot(str(screenshots / "1-loaded.png"))
    assert "SIMULATED" in text_of(browser).upper()

    before = text_of(browser)
    wait_for(lambda: text_of(browser) != before, "prices to change", 10)
    canvas = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "canvas"), "the chart", 10)[0]
    assert canvas.size["width"] > 200 and canvas.size["height"] > 100
    time.sleep(3)
    browser.save_screenshot(str(screenshots / "2-moving.png"))
    assert not console_errors(browser)


def test_page_survives_a_restart_of_hoga(stage: Stage, browser):
    up = stage.up("--source", "sim").wait_ready()
    browser.get(up.url)
    wait_for(lambda: "KRW" in text_of(browser), "the list of markets", 15)
    up.stop()
    time.sleep(2)
    browser.get_log("browser")  # a refused connection is an error that the browser itself writes
    stage.up("--source", "sim", "--http", f"127.0.0.1:{up.http_port}", name="again")
    wait_for(lambda: len({text_of(browser) for _ in range(3) if time.sleep(1) is None}) > 1, "the page to move again by itself", 40)
