"""The page in a real browser: it moves, speaks Korean and English, says SIMULATED, and its console stays empty."""

import time

from harness import Stage, free_port, wait_for
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By


def console_errors(browser) -> list[str]:
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


def on(browser, selector: str, action):
    """Does it with the element, and once more if the page has drawn that anew since it was found: it moves by itself."""
    for _ in range(20):
        try:
            return action(browser.find_element(By.CSS_SELECTOR, selector))
        except StaleElementReferenceException:
            time.sleep(0.1)
    return action(browser.find_element(By.CSS_SELECTOR, selector))


def text(browser, selector: str) -> str:
    return on(browser, selector, lambda element: element.text)


def press(browser, selector: str) -> None:
    on(browser, selector, lambda element: element.click())


def wait_for_movement(browser, selector: str, timeout_s: float = 60) -> None:
    before = text(browser, selector)
    wait_for(lambda: text(browser, selector) != before, f"{selector} to change", timeout_s)


def choose_another(browser, name: str) -> bool:
    """Whether a market other than `name` is shown; if not, clicks one. The list may be sorted anew before the click, and `name` be under it."""
    if text(browser, "#market-code") != name:
        return True
    browser.find_elements(By.CSS_SELECTOR, "#list [role=option][aria-selected=false]:not([hidden])")[3].click()
    return False


def test_page_moves_and_speaks_two_languages(stage: Stage, browser, screenshots):
    up = stage.up("--source", "sim", "--sim-markets", "80").wait_ready()
    browser.get(up.url)
    wait_for(lambda: "KRW" in text(browser, "#quotes") or "KRW" in text(browser, "#list"), "the list of markets", 15)
    wait_for(lambda: text(browser, "#source").startswith("SIMULATED"), "the source, which comes with the first status", 10)
    for selector in ("#list", "#price", "#ladder", "#tape"):
        wait_for_movement(browser, selector)
    canvas = wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, "#canvas canvas"), "the chart", 10)[0]
    assert canvas.size["width"] > 200 and canvas.size["height"] > 100
    # only the rows in sight are drawn, and until it has traded Bitcoin is not among the first by turnover
    wait_for(lambda: "Bitcoin" in text(browser, "#list"), "Bitcoin in the list", 30)
    browser.save_screenshot(str(screenshots / "1-english.png"))

    press(browser, "button[data-language=ko]")
    assert text(browser, "#source").startswith("모의 데이터")
    wait_for(lambda: "비트코인" in text(browser, "#list"), "Korean names", 5)
    assert text(browser, "[data-sort=turnover]").startswith("거래대금")
    time.sleep(2)
    browser.save_screenshot(str(screenshots / "2-korean.png"))
    press(browser, "button[data-language=en]")
    wait_for(lambda: "Bitcoin" in text(browser, "#list"), "English names", 5)

    # choosing another market shows its book and trades
    name = text(browser, "#market-code")
    wait_for(lambda: choose_another(browser, name), "another market", 15, every_s=0.5)
    wait_for_movement(browser, "#tape", 30)
    assert not console_errors(browser)


def test_rising_is_red_and_falling_is_blue(stage: Stage, browser):
    """As Korea reads it: the opposite of the West."""
    up = stage.up("--source", "sim", "--sim-markets", "80").wait_ready()
    browser.get(up.url)
    wait_for(lambda: "+" in text(browser, "#list") and "-" in text(browser, "#list").replace("KRW-", ""), "rising and falling markets", 30)
    script = """
      const signed = [...document.querySelectorAll('#list *')].filter(e => !e.children.length && /^[+-][0-9.]+%$/.test(e.textContent.trim()));
      return signed.map(e => [e.textContent.trim(), getComputedStyle(e).color]);"""
    for shown, colour in browser.execute_script(script):
        red, _green, blue = (int(part) for part in colour[colour.index("(") + 1 :].rstrip(")").split(",")[:3])
        if float(shown.rstrip("%")) != 0:
            assert (red > blue) == shown.startswith("+"), f"{shown} is shown in {colour}"


def test_exchange_unreachable_is_said_on_the_page(stage: Stage, browser, screenshots):
    port = free_port()
    env = {"HOGA_UPBIT_WS_URL": f"ws://127.0.0.1:{port}/websocket/v1", "HOGA_UPBIT_REST_URL": f"http://127.0.0.1:{port}"}
    up = stage.up("--source", "upbit", env=env).wait_ready()
    browser.get(up.url)
    wait_for(lambda: "cannot be reached" in text(browser, "#banner"), "the banner", 20)
    browser.save_screenshot(str(screenshots / "3-unreachable.png"))
    assert "SIMULATED" not in text(browser, "body").upper()
    assert not console_errors(browser)


def test_page_comes_back_by_itself_after_a_restart(stage: Stage, browser):
    up = stage.up("--source", "sim").wait_ready()
    browser.get(up.url)
    wait_for_movement(browser, "#list")
    up.stop()
    wait_for(lambda: "Reconnecting" in text(browser, "body"), "a word about the lost connection", 20)
    stage.up("--source", "sim", "--http", f"127.0.0.1:{up.http_port}", name="again")
    wait_for(lambda: "Reconnecting" not in text(browser, "body"), "the connection to be back", 40)
    wait_for_movement(browser, "#list")
