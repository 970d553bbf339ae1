"""The page in a tab of real Chromium, for the tests that drive it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.web import create_app

LOW = """(chosen) => {
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (each) => {
        const color = getComputedStyle(each).backgroundColor;
        return channels(color)[3] === 0 ? behind(each.parentElement) : color;
    };
    return [...document.querySelectorAll(chosen)]
        .filter((each) => each.checkVisibility() && !each.disabled)
        .map((each) => [each.outerHTML, getComputedStyle(each).color, behind(each)])
        .map(([each, ...colors]) => [each, ...colors.map((color) => light(channels(color)))])
        .filter(([, one, other]) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5);
}"""
"""The elements among the chosen ones whose text stands out from what is behind it by less than 4.5 to 1."""


@contextmanager
def tab_at(chromium: Any, site: str, **options: Any) -> Iterator[Any]:
    """The page, loaded; no error may stand in its console but those of failed requests."""
    context = chromium.new_context(**{"viewport": {"width": 1000, "height": 720}, **options})
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
        tab.screenshot(path=str(Path(folder) / f"{name}.png"))  # makes the folder too


def echoing(**settings: Any) -> Any:
    """A service whose model says what it is told, three characters at a time."""
    return create_app(echoing_client("echo"), **settings)


def echoing_client(model: str, change: Callable[[str], str] = lambda text: text) -> LLMClient:
    """A client of a model that says what it is told, or what `change` makes of it, three characters at a time."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = msgspec.json.decode(request.content)["messages"][-1]["content"]
        text = change(said if isinstance(said, str) else "".join(block.get("text", "") for block in said))

        async def body() -> AsyncIterator[bytes]:
            for at in range(0, len(text), 3):
                choice = {"index": 0, "delta": {"content": text[at : at + 3]}}
                yield b"data: " + msgspec.json.encode({"choices": [choice]}) + b"\n\n"
            yield b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

        return httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})

    http_client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return LLMClient.create("openai-compatible", model, base_url="http://here/v1", http_client=http_client)
