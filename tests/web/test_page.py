"""The page in real Chromium, against the replayed answers; screenshots go to the folder that SCREENSHOTS names."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from miiflow_llm.web.demo import demo_app

from .pages import LOW, ask, echoing, opened, shot, tab_at, until
from .servers import uvicorn_serving

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The demonstration's address; its models are quick."""
    with uvicorn_serving(demo_app(pace=0.001)) as url:
        yield url


@pytest.fixture(scope="module")
def slow_site() -> Iterator[str]:
    """The demonstration's address; its models are slow enough to be watched."""
    with uvicorn_serving(demo_app(pace=0.03)) as url:
        yield url


@pytest.fixture
def page(chromium: Any, site: str) -> Iterator[Any]:
    """The page on the demonstration."""
    with tab_at(chromium, site) as tab:
        yield tab


@pytest.fixture
def slow_page(chromium: Any, slow_site: str) -> Iterator[Any]:
    """The page on slow models."""
    with tab_at(chromium, slow_site) as tab:
        yield tab


def test_streaming_is_seen(slow_page: Any) -> None:
    """Reasoning and text are on the page before the end; then usage, first-token time and rate."""
    page = slow_page
    ask(page, "reasoning")
    until(page, "document.querySelector('.answer details p')?.textContent.length > 20")
    assert page.locator(".answer.busy").count() == 1
    until(page, "document.querySelector('.answer .text').textContent.length > 20")
    assert page.locator(".facts").count() == 0
    shot(page, "streaming")
    page.wait_for_selector(".facts")
    assert page.inner_text(".answer .text").endswith("spring tide. 🌊")
    facts = page.inner_text(".facts")
    assert all(word in facts for word in ("first token", "21 tokens in", "118 out", "26 reasoning", "tokens/s"))
    assert page.inner_text("#status").startswith("Answer: Tides")
    shot(page, "finished")


@pytest.mark.parametrize("by", ["button", "escape"])
def test_stop(slow_page: Any, by: str) -> None:
    """Stopping keeps what came, says so, and lets one go on."""
    page = slow_page
    ask(page, "text")
    until(page, "document.querySelector('.answer .text').textContent.length > 20")
    if by == "button":
        page.click("#stop")
    else:
        page.keyboard.press("Escape")
    page.wait_for_selector("[data-type=stopped]")
    assert not page.inner_text(".answer .text").endswith("🌊")
    assert page.locator("#send").is_visible()
    assert page.evaluate("document.activeElement.id") == "text"
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text", "Go on")
    said = sent.value.post_data_json["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    assert said[1]["content"].startswith("Tides come")
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


def test_trying_again(page: Any) -> None:
    """A failed answer can be asked for again, of another model too; the failure gives way to the answer."""
    ask(page, "rate-limited")
    page.wait_for_selector(".error")
    page.select_option("#model", "text")
    with page.expect_request("**/chat/stream") as sent:
        page.get_by_role("button", name="Try again").click()
    assert [message["role"] for message in sent.value.post_data_json["messages"]] == ["user"]
    page.wait_for_selector(".facts")
    assert (page.locator(".error").count(), page.locator(".answer").count()) == (0, 1)


def test_markdown(page: Any) -> None:
    """Headings, lists, tables, code, quotes and links are drawn as what they are."""
    ask(page, "markdown")
    page.wait_for_selector(".facts")
    counts = {
        tag: page.locator(f".answer .text {tag}").count() for tag in ("h3", "ol > li", "li li", "tr", "blockquote")
    }
    assert counts == {"h3": 1, "ol > li": 2, "li li": 2, "tr": 3, "blockquote": 1}
    assert page.inner_text(".answer strong") == "12 h 25 min"
    assert page.inner_text(".answer figure pre").startswith("def next_high_water(last: datetime) -> datetime:\n    ")
    assert page.get_attribute(".answer a", "href") == "https://en.wikipedia.org/wiki/Tide"
    shot(page, "markdown")


ODD = [
    "<script>document.title = 'mine'</script> and <img src=x onerror=alert(1)> &amp; <b>bold</b>",
    "**open bold and `open code",
    "```\nopen fence\n# no heading\n\nstill code",
    "a | b\n--- | ---\none | two",
    "- a\n    - b\n  - c\n\ttail\nend",
    "> quote\nlazy line\n\n\n***both*** ~~~\nx",
    "snake_case_name and 2 * 3 * 4 and *x* **y*",
    "#hash\n####### seven\n# \n-\n1.\n>",
    "[x](javascript:alert) https://a.example/c_(d) [label](https://b.example)",
    "*" * 300 + "`" * 300 + "word" + "[" * 300,
]


def test_no_word_of_an_answer_is_lost(chromium: Any) -> None:
    """Whatever a model writes stands there as text: half Markdown, and HTML, of which nothing becomes an element."""
    with uvicorn_serving(echoing()) as url, tab_at(chromium, url) as tab:
        for place, text in enumerate(ODD):
            ask(tab, "echo", text)
            tab.wait_for_selector(f".answer >> nth={place} >> .facts")
            seen = tab.text_content(f".answer >> nth={place} >> .text")
            wanted = re.sub(r"\]\(https[^)]*\)", "", text)
            assert [word for word in re.findall(r"[a-z]+", wanted) if word not in seen] == []
        assert tab.evaluate("document.querySelectorAll('.text :is(script, img, b)').length") == 0
        assert tab.evaluate("[...document.querySelectorAll('.text a')].every((a) => a.protocol === 'https:')")
        assert tab.title().endswith(" · miiflow-llm")


def test_the_keyboard_alone(page: Any) -> None:
    """A question from the suggestions, a line break, the way to every control, and the reasoning, without a mouse."""
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    assert page.input_value("#text") == "one\ntwo"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "attach"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "send"
    page.keyboard.press("Enter")
    page.wait_for_selector(".facts")
    page.wait_for_selector("#text:focus")
    page.focus(".answer summary")
    page.keyboard.press("Space")
    assert page.is_visible(".answer details p")


def test_a_screen_reader_finds_its_way(page: Any) -> None:
    """Controls, the conversation and its parts have names; what is said while it comes is announced politely."""
    shot(page, "empty")
    for role, name in [
        ("combobox", "Provider"),
        ("combobox", "Model"),
        ("textbox", "Message"),
        ("button", "Attach files"),
        ("button", "New chat"),
        ("button", "Send"),
    ]:
        assert page.get_by_role(role, name=name, exact=True).count() == 1, name
    ask(page, "tool-calls")
    page.wait_for_selector(".facts")
    names = page.evaluate("[...document.querySelectorAll('#log, #log article')].map((each) => each.ariaLabel)")
    assert names == ["Conversation", "You", "Answer"]
    assert page.get_attribute(".answer", "aria-busy") == "false"
    assert page.text_content(".call figcaption").startswith("Tool call")
    assert page.get_attribute("#status", "aria-live") == "polite"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page: Any, scheme: str) -> None:
    """Text stands out from what is behind it by 4.5 to 1 at least, in both colour schemes."""
    page.emulate_media(color_scheme=scheme)
    ask(page, "cut-short")
    page.wait_for_selector(".error")
    page.fill("#text", "x")
    assert page.evaluate(LOW, "h1, select, button, .user p, .text p, .error span, small, textarea") == []


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
    assert [block["type"] for block in blocks] == ["image_url", "text"]
    assert page.locator(".user img").count() == 1
    page.wait_for_selector(".facts")


def test_two_tabs(slow_page: Any, slow_site: str) -> None:
    """Two tabs stream at once, each its own answer; closing one leaves the other going."""
    page, site = slow_page, slow_site
    other = page.context.new_page()
    opened(other, site)
    ask(page, "text")
    ask(other, "reasoning")
    until(other, "document.querySelector('.answer details p')?.textContent.length > 20")
    other.close()
    page.wait_for_selector(".facts")
    assert page.inner_text(".answer .text").endswith("🌊")


def test_small_and_dark(page: Any) -> None:
    """On a phone nothing is wider than the screen, and every control has a name, in the dark too."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 640})
    ask(page, "reasoning")
    page.wait_for_selector(".facts")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 25)"
    named = "(e) => e.ariaLabel || e.innerText || e.labels?.length > 0"
    assert page.evaluate(f"[...document.querySelectorAll('button, select, textarea')].every({named})")
    shot(page, "phone-dark")


HOSTILE = {
    "quotes": ">" * 3000 + " deep",
    "quoted lines": "\n".join(">" * depth + " x" for depth in range(1, 400)),
    "bullets": "\n".join(" " * depth + "- x" for depth in range(1500)),
    "heading": "# a" + " " * 100_000 + "b",
    "closing marks": "# a" + " #" * 50_000 + "b",
    "ticks": "`" * 50_000,
    "stars": "**a" * 20_000,
    "brackets": "[" * 50_000,
    "links": "http://" * 8_000,
    "dashes": "a | b\n" + "-" * 50_000 + "x",
    "rules": "- " * 30_000 + "x",
    "lines": "\n".join("> x" for _ in range(3000)),
    "formula": "$$" + ")" * 128_000 + "$$",
    "rows of a formula": "$$" + "\\\\" * 32_000 + "$$",
    "formulas": "~~$$" * 32_000,
    "cells": "a|b\n-|-\n" + "|" * 100_000,
    "rows": "a|b\n-|-\n" + "x|y\n" * 130_000,
    "paragraphs": "x\n\n" * 130_000,
    "quoted paragraphs": "> x\n>\n" * 130_000,
    "words of code": ("```java\n" + "$" * 19_900 + "\n```\n\n") * 4,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_answer_does_not_kill_the_tab(chromium: Any, site: str, kind: str) -> None:
    """Markdown that is nested without end, or made for backtracking, is drawn in a bounded time, its words kept."""
    context = chromium.new_context(bypass_csp=True)  # the page's own functions are called by the test
    tab = context.new_page()
    opened(tab, site)
    drawn = tab.evaluate(
        r"""async (text) => {
            const html = await (await fetch("./")).text();
            const script = html.match(/<script type="module">([^]*?)<\/script>/)[1];
            const body = script.slice(script.indexOf("const make ="), script.indexOf("const IDEAS"))
                + script.slice(script.indexOf("const DEEPEST"), script.indexOf("/** Where the last blank"));
            const elements = new Function(`const say = () => {}; ${body}; return elements;`)();
            await elements(["$$a$$", "", "```java", "a", "```"]);
            const later = (ms) => new Promise((next) => setTimeout(next, ms));
            for (let tries = 0; !globalThis.katex && tries < 1000; tries++) await later(10);
            await import(new URL("vendor/highlight.js", document.baseURI).href);
            await later(10);
            const began = performance.now();
            const made = elements(text.split("\n"));
            const box = document.createElement("div");
            for (const one of made) box.append(one);
            await later(0);
            const deepest = (node) => { let most = 0; const todo = [[node, 0]];
                while (todo.length) { const [at, depth] = todo.pop(); most = Math.max(most, depth);
                    for (const child of at.children) todo.push([child, depth + 1]); }
                return most; };
            return { ms: performance.now() - began, depth: deepest(box), words: box.textContent.length };
        }""",
        HOSTILE[kind],
    )
    context.close()
    assert drawn["ms"] < 10_000
    assert drawn["depth"] < 60
    assert drawn["words"] > 0
