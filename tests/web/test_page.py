"""The page in real Chromium, against the replayed answers; screenshots go to the folder that SCREENSHOTS names."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.web.demo import demo_app

from .servers import uvicorn_serving

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The demonstration's address."""
    with uvicorn_serving(demo_app(pace=0.02)) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, site: str) -> Iterator[Any]:
    """The page, loaded; no error may stand in its console but those of failed requests."""
    context = chromium.new_context(viewport={"width": 1000, "height": 720})
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    told: list[str] = []
    tab.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: told.append(str(error)))
    opened(tab, site)
    yield tab
    context.close()
    assert [line for line in told if "status of 4" not in line] == []


def until(tab: Any, condition: str) -> None:
    """Wait for a condition in JavaScript; playwright's own waiting needs `eval`, which the page's policy forbids."""
    for _ in range(1000):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(10)
    pytest.fail(f"never came true: {condition}")


def opened(tab: Any, site: str) -> None:
    """Load the page and wait for its menus."""
    tab.goto(site)
    until(tab, "document.getElementById('model').options.length > 0")


def ask(tab: Any, model: str, text: str = "Why are there tides?") -> None:
    """Choose the scene and send, by the keyboard."""
    tab.select_option("#model", model)
    tab.fill("#text", text)
    tab.press("#text", "Enter")


def shot(tab: Any, name: str) -> None:
    """Keep a screenshot where the environment asks for it."""
    folder = os.environ.get("SCREENSHOTS")
    if folder:
        tab.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_streaming_is_seen(page: Any) -> None:
    """Reasoning and text are on the page before the end; then usage, first-token time and rate."""
    ask(page, "reasoning")
    until(page, "document.querySelector('.answer details p').textContent.length > 20")
    assert page.locator(".answer.busy").count() == 1
    until(page, "document.querySelector('.answer p.text').textContent.length > 20")
    assert page.locator(".facts").count() == 0
    shot(page, "streaming")
    page.wait_for_selector(".facts")
    assert page.inner_text(".answer p.text").endswith("spring tide. 🌊")
    facts = page.inner_text(".facts")
    assert all(word in facts for word in ("first token", "21 tokens in", "118 out", "26 reasoning", "tokens/s"))
    assert page.inner_text("#status").startswith("Answer: Tides")
    shot(page, "finished")


@pytest.mark.parametrize("by", ["button", "escape"])
def test_stop(page: Any, by: str) -> None:
    """Stopping keeps what came, says so, and lets one go on."""
    ask(page, "text")
    until(page, "document.querySelector('.answer p.text').textContent.length > 20")
    if by == "button":
        page.click("#stop")
    else:
        page.keyboard.press("Escape")
    page.wait_for_selector("[data-type=stopped]")
    assert not page.inner_text(".answer p.text").endswith("🌊")
    assert page.locator("#send").is_visible()
    assert page.evaluate("document.activeElement.id") == "text"
    ask(page, "text", "Go on")
    page.wait_for_selector(".answer:nth-of-type(4) .facts")


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [("cut-short", "interrupted", "broke off"), ("rate-limited", "rate_limited", "(in 20 s)")],
)
def test_failures_are_shown(page: Any, model: str, kind: str, words: str) -> None:
    """A cut answer and a provider's 429 are shown as what they are, and told to a screen reader."""
    ask(page, model)
    note = page.wait_for_selector(f".error[data-type={kind}][role=alert]")
    assert words in note.inner_text()
    assert page.locator(".answer .facts").count() == 0
    shot(page, model)


def test_tool_calls(page: Any) -> None:
    """Calls stand by name with their arguments, and the next question tells the model of them."""
    ask(page, "tool-calls")
    page.wait_for_selector(".facts")
    assert page.locator(".call").count() == 2
    assert '"harbour": "Husum"' in page.inner_text(".call >> nth=0")
    shot(page, "tool-calls")
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text", "And then?")
    roles = [message["role"] for message in sent.value.post_data_json["messages"]]
    assert roles == ["user", "assistant", "tool", "tool", "user"]
    page.wait_for_selector(".answer >> nth=1 >> .facts")


def test_an_image(page: Any) -> None:
    """An attached image is previewed, sent as a block and shown with the question."""
    page.set_input_files("#file", {"name": "pixel.png", "mimeType": "image/png", "buffer": PIXEL})
    page.wait_for_selector("#chosen:not([hidden])")
    shot(page, "attached")
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text", "What is it?")
    blocks = sent.value.post_data_json["messages"][0]["content"]
    assert [block["type"] for block in blocks] == ["text", "image_url"]
    assert page.locator(".user img").count() == 1
    page.wait_for_selector(".facts")


def test_two_tabs(page: Any, site: str) -> None:
    """Two tabs stream at once, each its own answer; closing one leaves the other going."""
    other = page.context.new_page()
    opened(other, site)
    ask(page, "text")
    ask(other, "reasoning")
    until(other, "document.querySelector('.answer details p').textContent.length > 20")
    other.close()
    page.wait_for_selector(".facts")
    assert page.inner_text(".answer p.text").endswith("🌊")


def test_small_and_dark(page: Any) -> None:
    """On a phone nothing is wider than the screen, and every control has a name, in the dark too."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 640})
    ask(page, "reasoning")
    page.wait_for_selector(".facts")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    named = "(e) => e.ariaLabel || e.innerText || e.labels?.length > 0"
    assert page.evaluate(f"[...document.querySelectorAll('button, select, textarea')].every({named})")
    shot(page, "phone-dark")
