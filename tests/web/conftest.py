"""A headless Chromium for all tests of the page, and graphs to show in it.

Without Chromium the tests are skipped; with ``CACHEPY_NEEDS_BROWSER=1`` (continuous integration) they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphs import pipeline

from cachepy.views.page import page

NEEDED = os.environ.get("CACHEPY_NEEDS_BROWSER") == "1"
MEDIA = "Emulation.setEmulatedMedia"


def lacking(what: str) -> None:
    """Skip, or fail where a browser is promised."""
    if NEEDED:
        pytest.fail(f"CACHEPY_NEEDS_BROWSER=1, but {what}")
    pytest.skip(f"{what}: the page is not tested in a browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    try:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
    except ImportError:
        lacking("selenium is not installed (pip install selenium)")
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        lacking("Chromium and its driver are not installed (Debian packages chromium and chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1440,900", "--lang=en-US"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(driver))
    yield running
    running.quit()


class Browser:
    """The page of a graph, open in Chromium."""

    def __init__(self, driver: Any, folder: Path) -> None:
        self.driver, self.folder, self.opened = driver, folder, 0
        self.window(1440, 900)
        self.media()

    def window(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def media(self, scheme: str = "light") -> None:
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        self.driver.execute_cdp_cmd(MEDIA, {"features": [{"name": n, "value": v} for n, v in features.items()]})

    def open(self, nodes: dict[str, Any], stale: dict[str, Any] | None = None, title: str = "test") -> None:
        self.opened += 1
        file = self.folder / f"{self.opened}.html"
        file.write_text(page(nodes, stale, title=title), encoding="utf-8")
        self.show(file)

    def show(self, file: Path) -> None:
        self.driver.get_log("browser"), self.driver.get_log("performance")  # what was told before is no matter
        self.driver.get(file.as_uri())

    def js(self, code: str, *values: Any) -> Any:
        return self.driver.execute_script(code, *values)

    def ask(self, expression: str) -> Any:
        return self.js(f"const page = cachepy.page; return {expression}")

    def find(self, css: str) -> Any:
        return self.driver.find_element("css selector", css)

    def text(self, css: str) -> str:
        return self.js("return document.querySelector(arguments[0]).innerText", css)

    def click(self, target: int | str) -> None:
        """A real click on what is drawn: an item's number, or ``group:`` and its number."""
        self.press(*self.js("return cachepy.spotOf(arguments[0])", target))

    def press(self, x: float, y: float, times: int = 1) -> None:
        """A real click at a place in the window; apart from the one before, so that two are no double click."""
        from selenium.webdriver.common.action_chains import ActionChains

        self.js("return new Promise(done => setTimeout(done, Math.max(0, (window.pressed || 0) + 400 - performance.now())))")
        actions = ActionChains(self.driver, duration=0)
        for _ in range(times):
            actions.w3c_actions.pointer_action.move_to_location(round(x), round(y)).click()
        actions.perform()
        self.js("window.pressed = performance.now()")

    def keys(self, *keys: str) -> None:
        """Keys as typed, to whatever has the focus."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture
def browser(chromium: Any, tmp_path: Path) -> Browser:
    return Browser(chromium, tmp_path)


@pytest.fixture
def opened(browser: Browser) -> Browser:
    browser.open(*pipeline(), title="Flights")
    return browser
