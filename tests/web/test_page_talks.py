"""The page's second day, in real Chromium: history, branches, two models, signing in, files, settings, odd answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from miiflow_llm.trials import open_log
from miiflow_llm.trials.records import Score
from miiflow_llm.web import Rejected, create_app
from miiflow_llm.web.demo import demo_app

from .pages import LOW, ask, echoing, echoing_client, opened, shot, tab_at, until
from .servers import uvicorn_serving
from .talking import Talking, calls, says
from .test_hooks import high_water

PDF = b"%PDF-1.4\n%%EOF\n"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The demonstration's address; its models are quick."""
    with uvicorn_serving(demo_app(pace=0.001)) as url:
        yield url


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """A service that says what it is told."""
    with uvicorn_serving(echoing()) as url:
        yield url


@pytest.fixture
def page(chromium: Any, site: str) -> Iterator[Any]:
    """The page on the demonstration."""
    with tab_at(chromium, site) as tab:
        yield tab


@pytest.fixture
def parrot(chromium: Any, echo: str) -> Iterator[Any]:
    """The page on the service that says what it is told."""
    with tab_at(chromium, echo) as tab:
        yield tab


def answered(tab: Any, count: int = 1) -> None:
    """Wait until so many answers are whole and kept."""
    until(tab, f"document.querySelectorAll('.answer .facts').length >= {count} && !document.querySelector('.busy')")
    until(tab, "document.getElementById('log').dataset.kept === 'yes'")


def titles(tab: Any) -> list[str]:
    """The conversations in the list, the latest first."""
    found: list[str] = tab.evaluate("[...document.querySelectorAll('#talks a')].map((each) => each.textContent)")
    return found


def test_history_outlives_a_reload(page: Any, site: str) -> None:
    """Conversations stand there again, whole, each under its own address; the next question goes on from there."""
    ask(page, "reasoning", "Why are there tides?")
    answered(page)
    page.click("#clear")
    assert page.locator("#log article").count() == 0
    ask(page, "markdown", "And a table?")
    answered(page)
    until(page, "document.querySelectorAll('#talks a').length === 2")
    assert titles(page) == ["And a table?", "Why are there tides?"]
    page.reload()
    until(page, "document.querySelectorAll('.answer table').length === 1")
    assert page.input_value("#model") == "markdown"
    page.click("#talks a:text-is('Why are there tides?')")
    until(page, "document.querySelector('.answer .text').textContent.endsWith('🌊')")
    assert page.locator(".answer details").count() == 1
    assert "26 reasoning" in page.inner_text(".facts")
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text", "Go on")
    assert [message["role"] for message in sent.value.post_data_json["messages"]] == ["user", "assistant", "user"]
    assert sent.value.post_data_json["conversation"] == page.evaluate("location.hash.slice(1)")
    answered(page, 2)
    shot(page, "history")


def test_search_delete_and_undo(page: Any) -> None:
    """Search looks into titles and answers; what is deleted is gone after a reload, unless it was taken back."""
    for model, text in (("text", "One"), ("markdown", "Two")):
        page.click("#clear")
        ask(page, model, text)
        answered(page)
    until(page, "document.querySelectorAll('#talks a').length === 2")
    page.fill("#search", "rule of thumb")
    until(page, "document.querySelectorAll('#talks a').length === 1")
    assert titles(page) == ["Two"]
    page.fill("#search", "nowhere")
    until(page, "document.querySelectorAll('#talks a').length === 0")
    assert page.inner_text("#none") == "Nothing found."
    page.fill("#search", "")
    until(page, "document.querySelectorAll('#talks a').length === 2")
    page.get_by_role("button", name="Delete: Two").click()
    until(page, "document.querySelectorAll('#talks a').length === 1")
    assert page.locator("#log article").count() == 0  # it was the one that was shown
    page.get_by_role("button", name="Undo").click()
    until(page, "document.querySelectorAll('#talks a').length === 2")
    page.get_by_role("button", name="Delete: One").click()
    until(page, "document.querySelectorAll('#talks a').length === 1")
    page.reload()
    until(page, "document.querySelectorAll('#talks a').length === 1")
    assert titles(page) == ["Two"]


def test_export(page: Any) -> None:
    """Markdown reads as it is shown; JSON has everything, the messages as the service takes them."""
    page.click("#settings")
    page.fill("[name=system]", "Be brief.")
    page.get_by_role("button", name="Done").click()
    ask(page, "tool-calls", "When is high water?")
    answered(page)
    with page.expect_download() as started:
        page.get_by_role("button", name="Export as Markdown").click()
    assert started.value.suggested_filename == "When-is-high-water.md"
    text = Path(started.value.path()).read_text()
    assert text.startswith("# When is high water?\n\n*System prompt:*\n\n> Be brief.\n\n## You\n\nWhen is high water?")
    assert "*Tool call* `tide_table`" in text
    assert '"harbour": "Husum"' in text
    with page.expect_download() as started:
        page.get_by_role("button", name="Export as JSON").click()
    whole = msgspec.json.decode(Path(started.value.path()).read_bytes())
    assert [message["role"] for message in whole["messages"]] == ["user", "assistant", "tool", "tool"]
    assert whole["settings"] == {"system": "Be brief."}


def test_edit_and_regenerate(parrot: Any) -> None:
    """A question that is edited and an answer that is made anew are branches: the old ones can be had again."""
    ask(parrot, "echo", "first")
    answered(parrot)
    parrot.get_by_role("button", name="Regenerate").click()
    until(parrot, "document.querySelector('.answer .acts')?.textContent.includes('2/2')")
    parrot.get_by_role("button", name="The version before").click()
    assert "1/2" in parrot.inner_text(".answer .acts")
    parrot.get_by_role("button", name="Edit").click()
    assert parrot.input_value(".user textarea") == "first"
    parrot.fill(".user textarea", "second")
    shot(parrot, "editing")
    with parrot.expect_request("**/chat/stream") as sent:
        parrot.locator(".user").get_by_role("button", name="Send").click()
    assert [message["content"] for message in sent.value.post_data_json["messages"]] == ["second"]
    answered(parrot)
    assert parrot.inner_text(".answer .text") == "second"
    parrot.locator(".turned").get_by_role("button", name="The version before").click()
    assert parrot.inner_text(".answer .text") == "first"
    answered(parrot)
    parrot.reload()
    until(parrot, "document.querySelector('.answer .text')?.textContent === 'first'")


def test_an_edit_can_be_left(parrot: Any) -> None:
    """Escape and Cancel leave the question as it was."""
    ask(parrot, "echo", "first")
    answered(parrot)
    for leave in ("Escape", "Cancel"):
        parrot.get_by_role("button", name="Edit").click()
        parrot.fill(".user textarea", "other")
        if leave == "Escape":
            parrot.keyboard.press("Escape")
        else:
            parrot.get_by_role("button", name="Cancel").click()
        assert parrot.inner_text(".user") == "first"


def test_system_prompt_and_parameters(page: Any) -> None:
    """They go with every request of the conversation, are there after a reload, and can be cleared."""
    page.click("#settings")
    page.fill("[name=system]", "Be brief.")
    page.fill("[name=temperature]", "0.3")
    page.fill("[name=max_tokens]", "500")
    page.select_option("[name=verbosity]", "low")
    shot(page, "settings")
    page.keyboard.press("Enter")
    assert page.get_attribute("#settings", "aria-pressed") == "true"
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text")
    body = sent.value.post_data_json
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["max_tokens"], body["verbosity"]) == (0.3, 500, "low")
    answered(page)
    page.reload()
    until(page, "document.querySelector('#settings').ariaPressed === 'true'")
    page.click("#settings")
    assert page.input_value("[name=system]") == "Be brief."
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Done").click()
    assert page.get_attribute("#settings", "aria-pressed") == "false"


def test_signing_in(chromium: Any) -> None:
    """A service that wants a token is given one, kept in this tab unless asked otherwise; signing out forgets it."""

    async def authorize(headers: Any, request: Any) -> None:
        if headers.get("authorization") != "Bearer let-me-in":
            raise Rejected(401, "unauthorized", "Sign in first.")

    with uvicorn_serving(echoing(authorize=authorize)) as url:
        context = chromium.new_context(viewport={"width": 1000, "height": 720})
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("#signing[open]")
        shot(tab, "sign-in")
        tab.fill("[name=token]", "wrong")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("#signing[open]")
        tab.fill("[name=token]", "let-me-in")
        tab.keyboard.press("Enter")
        until(tab, "document.getElementById('model').options.length > 0")
        ask(tab, "echo", "Hello")
        answered(tab)
        assert "let-me-in" not in tab.evaluate("JSON.stringify(localStorage)")
        tab.reload()
        until(tab, "document.getElementById('model').options.length > 0")
        tab.get_by_role("button", name="Sign out").click()
        tab.wait_for_selector("#signing[open]")
        assert "let-me-in" not in tab.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        context.close()


@pytest.mark.parametrize(("address", "link"), [("/login", True), ("javascript:alert(1)", False), ("//evil", False)])
def test_signing_in_elsewhere(chromium: Any, address: str, link: bool) -> None:
    """A service that has a page for it sends people there, but never to an address that is not a page's."""

    async def authorize(headers: Any, request: Any) -> None:
        raise Rejected(401, "unauthorized", "Sign in first.", sign_in=address)

    with uvicorn_serving(echoing(authorize=authorize)) as url:
        context = chromium.new_context()
        tab = context.new_page()
        tab.goto(url)
        tab.wait_for_selector("#signing[open]")
        assert tab.locator("#signing [name=token]").is_visible() is not link
        if link:
            tab.get_by_role("button", name="Sign in").click()
            tab.wait_for_url("**/login")
        context.close()


def test_files(page: Any) -> None:
    """PDF, text and images go together; what cannot be read is refused with a word; a file can be taken off again."""
    given = [("a.pdf", "application/pdf", PDF), ("b.md", "text/markdown", b"# b"), ("c.zip", "application/zip", b"PK")]
    page.set_input_files("#file", [{"name": name, "mimeType": kind, "buffer": data} for name, kind, data in given])
    until(page, "document.querySelectorAll('#chosen > .file').length === 2")
    assert "c.zip" in page.inner_text("#toast")
    page.get_by_role("button", name="Remove b.md").click()
    page.set_input_files("#file", {"name": "b.csv", "mimeType": "text/csv", "buffer": b"x,y"})
    until(page, "document.querySelectorAll('#chosen > .file').length === 2")
    shot(page, "attached-pdf")
    with page.expect_request("**/chat/stream") as sent:
        ask(page, "text", "What is in them?")
    blocks = sent.value.post_data_json["messages"][0]["content"]
    assert [(block["type"], block.get("document_type"), block.get("filename")) for block in blocks] == [
        ("document", "pdf", "a.pdf"), ("document", "text", "b.csv"), ("text", None, None),
    ]  # fmt: skip
    assert blocks[1]["document_url"].startswith("data:text/plain;base64,")
    until(page, "!document.querySelector('.busy')")
    assert page.inner_text(".user .file >> nth=0") == "a.pdf"


def test_two_models_side_by_side(chromium: Any, tmp_path: Path) -> None:
    """Both answer at once, unnamed where preferences are kept; the choice goes to the log and decides what goes on."""
    clients = {"loud": echoing_client("loud", str.upper), "calm": echoing_client("calm")}
    models = {"loud": ["loud"], "calm": ["calm"]}
    log = tmp_path / "log.jsonl"
    with uvicorn_serving(create_app(clients, models=models, trial_log=log)) as url, tab_at(chromium, url) as tab:
        tab.click("#compare")
        tab.select_option("#provider2", "calm")
        ask(tab, "loud", "hello there")
        answered(tab, 2)
        until(tab, "document.querySelector('.votes')")
        shot(tab, "side-by-side")
        assert tab.evaluate("[...document.querySelectorAll('.who')].map((each) => each.textContent)") == [
            "Model A",
            "Model B",
        ]
        texts = tab.evaluate("[...document.querySelectorAll('.answer .text')].map((each) => each.textContent)")
        assert sorted(texts) == ["HELLO THERE", "hello there"]
        place = "First" if texts[0] == "HELLO THERE" else "Second"
        with tab.expect_response("**/preferences") as kept:
            tab.get_by_role("button", name=f"{place} is better").click()
        assert kept.value.status == 204
        assert set(tab.evaluate("[...document.querySelectorAll('.who')].map((each) => each.textContent)")) == {
            "loud · openai-compatible", "calm · openai-compatible",
        }  # fmt: skip
        tab.click("#compare")
        answered(tab, 2)
        with tab.expect_request("**/chat/stream") as sent:
            ask(tab, "loud", "and then")
        assert sent.value.post_data_json["messages"][1]["content"] == "HELLO THERE"
        answered(tab, 3)
        tab.reload()
        until(tab, "document.querySelectorAll('.pair .chosen .text')[0]?.textContent === 'HELLO THERE'")
    found = open_log(log)
    scores = [record for record in found.read() if isinstance(record, Score)]
    found.close()
    assert [score.trial for score in scores] == ["calm:calm | loud:loud"]


def test_two_models_on_a_phone(page: Any) -> None:
    """They stand one above the other, and stopping stops both."""
    page.set_viewport_size({"width": 375, "height": 700})
    page.click("#compare")
    page.select_option("#model2", "markdown")
    ask(page, "text")
    answered(page, 2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    boxes = page.evaluate(
        "[...document.querySelectorAll('.pair article')].map((each) => each.getBoundingClientRect().left)"
    )
    assert boxes[0] == boxes[1]
    shot(page, "side-by-side-375")


def frames(*told: Any) -> str:
    """A stream of server-sent events."""
    return "".join(f"data: {msgspec.json.encode({'seq': at, **each}).decode()}\n\n" for at, each in enumerate(told))


def answering(tab: Any, *told: Any) -> None:
    """Let the service answer with these frames."""
    events = {"content-type": "text/event-stream"}
    tab.route("**/chat/stream", lambda route: route.fulfill(status=200, headers=events, body=frames(*told)))


END = {
    "type": "finished",
    "finish_reason": "stop",
    "usage": {"prompt_tokens": 7},
    "message": {"role": "assistant", "content": "x"},
}


def test_who_answered_and_what_it_costs(page: Any) -> None:
    """The model that answered, the router's target, the cache and the price stand with the answer, if known."""
    told = {
        "provider": "openai",
        "model": "gpt-6-sol-2026",
        "served_by": "backup",
        "cache": "hit",
        "cost": {"amount": 0.00123},
    }
    answering(page, {"delta": "x"}, {**END, **told})
    ask(page, "text")
    answered(page)
    assert page.inner_text(".who") == "gpt-6-sol-2026 · openai · by backup"
    facts = page.inner_text(".facts")
    assert "$0.00123" in facts
    assert "from the cache" in facts


def test_a_price_that_is_not_known_is_not_told(page: Any) -> None:
    """Unknown is not nothing: then no amount stands there."""
    answering(page, {"delta": "x"}, END)
    ask(page, "text")
    answered(page)
    assert "$" not in page.inner_text(".facts")


def test_an_answer_that_begins_anew(page: Any) -> None:
    """What was shown before is dropped."""
    answering(page, {"reasoning_delta": "hm"}, {"delta": "old"}, {"restarted": True, "delta": "new"}, END)
    ask(page, "text")
    answered(page)
    assert (page.inner_text(".answer .text"), page.locator(".answer details").count()) == ("new", 0)


def test_tools_of_the_service(chromium: Any) -> None:
    """Call, result and answer stand in their order, and all of it goes with the next question."""
    model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
    with uvicorn_serving(create_app(model.client, tools=[high_water])) as url, tab_at(chromium, url) as tab:
        ask(tab, "m", "When is high water?")
        answered(tab)
        assert tab.inner_text(".call .result") == "Husum: 12:25"
        order = tab.evaluate(
            "[...document.querySelectorAll('.answer .call, .answer .text')].map((each) => each.className)"
        )
        assert order == ["call", "text"]
        assert "2 answers" in tab.inner_text(".facts")
        shot(tab, "tools")
        with tab.expect_request("**/chat/stream") as sent:
            ask(tab, "m", "Sure?")
        roles = [message["role"] for message in sent.value.post_data_json["messages"]]
        assert roles == ["user", "assistant", "tool", "assistant", "user"]
        answered(tab, 2)
        tab.reload()
        until(tab, "document.querySelector('.call .result')?.textContent === 'Husum: 12:25'")


def test_a_stopped_answer_has_its_buttons(chromium: Any) -> None:
    """It can be copied, made anew and gone on with."""
    with uvicorn_serving(demo_app(pace=0.03)) as url, tab_at(chromium, url) as tab:
        ask(tab, "text")
        until(tab, "document.querySelector('.answer .text').textContent.length > 20")
        tab.keyboard.press("Escape")
        tab.wait_for_selector("[data-type=stopped]")
        names = tab.evaluate("[...document.querySelectorAll('.answer .acts button')].map((each) => each.textContent)")
        assert names == ["Copy", "Regenerate", "Go on"]
        shot(tab, "stopped")
        with tab.expect_request("**/chat/stream") as sent:
            tab.get_by_role("button", name="Go on").click()
        assert sent.value.post_data_json["messages"][-1]["content"] == "Go on."
        tab.keyboard.press("Escape")
        until(tab, "!document.querySelector('.busy')")


def test_a_reload_in_the_middle_keeps_what_came(chromium: Any) -> None:
    """An answer that the reload broke off stands there as stopped."""
    with uvicorn_serving(demo_app(pace=0.1)) as url, tab_at(chromium, url) as tab:
        ask(tab, "text")
        until(tab, "document.querySelector('.answer .text').textContent.length > 20")
        tab.wait_for_timeout(2300)
        tab.reload()
        tab.wait_for_selector("[data-type=stopped]")
        assert tab.inner_text(".answer .text").startswith("Tides come")


def test_a_429_counts_down(page: Any) -> None:
    """The wait is told by the second; the same model cannot be asked before, another one can."""
    ask(page, "rate-limited")
    page.wait_for_selector(".error")
    assert page.get_by_role("button", name="Try again").is_disabled()
    until(page, "document.querySelector('.error').textContent.includes('(in 19 s)')")
    until(page, "document.querySelector('.error').textContent.includes('(in 18 s)')")
    page.select_option("#model", "text")
    assert page.get_by_role("button", name="Try again").is_enabled()
    page.select_option("#model", "rate-limited")
    assert page.get_by_role("button", name="Try again").is_disabled()


def test_code_has_colours(page: Any) -> None:
    """Words of the language are told apart, and the text is the same."""
    ask(page, "markdown")
    answered(page)
    until(page, "document.querySelector('figure pre .k-keyword')?.textContent === 'def'")
    assert page.inner_text("figure pre").startswith("def next_high_water(last: datetime) -> datetime:\n    return")


FORMULAS = {
    r"so $E = mc^2$ it is": 1,
    r"\(a\) and \[b\]": 2,
    "$$\n\\frac{a}{b}\n$$": 1,
    r"$$\vec{v} = \left(\begin{smallmatrix} 1 \\ 2 \end{smallmatrix}\right) \cancel{x} \tag{1}$$": 1,
    "it costs $5 and $10, or US$ 3 to 4$": 0,
    "`$x$` is code": 0,
    r"$$\frac{a}{b$$ is broken": 0,
}


def test_mathematics(parrot: Any) -> None:
    """Formulas are drawn; prices, code and what cannot be read stay as they are."""
    for place, (text, count) in enumerate(FORMULAS.items()):
        ask(parrot, "echo", text)
        answered(parrot, place + 1)
        until(parrot, f"document.querySelectorAll('.answer')[{place}].querySelectorAll('math').length >= {count}")
        if not count:
            assert parrot.locator(f".answer >> nth={place} >> math").count() == 0
            found = parrot.inner_text(f".answer >> nth={place} >> .text")
            assert [word for word in re.findall(r"\w+", text) if word not in found] == []
    shot(parrot, "mathematics")


WATCHING = """() => {
    globalThis.flashed = [];
    new MutationObserver(() => {
        for (const each of document.querySelectorAll('.answer .text p'))
            if (/[|*`]/.test(each.textContent)) globalThis.flashed.push(each.textContent);
    }).observe(document.getElementById('log'), { childList: true, subtree: true, characterData: true });
}"""


def test_half_a_table_does_not_flash(parrot: Any) -> None:
    """However far a table or an open mark has come, its signs are never shown as text."""
    parrot.evaluate(WATCHING)
    table = "| tide | when it comes |\n|------|---------------|\n| spring | new moon |"
    text = f"Before\n\n{table}\n\nSome **bold words** and `code`."
    ask(parrot, "echo", text)
    answered(parrot)
    assert parrot.locator(".answer td").count() == 2
    assert parrot.evaluate("globalThis.flashed") == []


def test_at_200_percent(chromium: Any, site: str) -> None:
    """Zoomed to double size nothing is cut off, nothing scrolls sideways, and half the height is the conversation's."""
    with tab_at(chromium, site, viewport={"width": 500, "height": 360}, device_scale_factor=2) as tab:
        ask(tab, "markdown")
        answered(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= 500
        assert tab.evaluate("document.getElementById('scroll').clientHeight") >= 130
        for name in ("#text", "#attach", "#model", "#menu", "#settings"):
            box = tab.locator(name).bounding_box()
            assert box["x"] >= 0
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= 500
            assert box["y"] + box["height"] <= 360
        shot(tab, "zoom-200")
        tab.click("#menu")
        assert tab.locator("#clear").is_visible()
        shot(tab, "zoom-200-history")
        tab.keyboard.press("Escape")
        assert not tab.locator("#clear").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_375(chromium: Any, site: str, scheme: Any) -> None:
    """On a phone the conversations are a drawer; nothing is wider than the screen, code and formulas neither."""
    with tab_at(chromium, site, viewport={"width": 375, "height": 700}, color_scheme=scheme) as tab:
        ask(tab, "markdown")
        answered(tab)
        until(tab, "document.querySelector('math')")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        shot(tab, f"375-{scheme}")
        tab.click("#menu")
        assert tab.locator("#talks a").is_visible()
        shot(tab, f"375-history-{scheme}")


def test_dark_on_a_desk(chromium: Any, site: str) -> None:
    """The whole page in the dark."""
    with tab_at(chromium, site, color_scheme="dark", viewport={"width": 1200, "height": 900}) as tab:
        ask(tab, "markdown")
        answered(tab)
        until(tab, "document.querySelector('math') && document.querySelector('.k-keyword')")
        shot(tab, "dark")


@pytest.mark.parametrize(
    "text", [">" * 3000 + " deep", "\n".join(" " * depth + "- x" for depth in range(300))], ids=["quotes", "bullets"]
)
def test_a_hostile_answer_as_it_comes(parrot: Any, echo: str, text: str) -> None:
    """Streamed, it does not kill the tab, and the conversation can be gone on with, after a reload too."""
    ask(parrot, "echo", text)
    answered(parrot)
    assert "deep" in parrot.inner_text(".answer .text") or "x" in parrot.inner_text(".answer .text")
    parrot.reload()
    until(parrot, "document.querySelectorAll('.answer .facts').length === 1")
    ask(parrot, "echo", "Still there?")
    answered(parrot, 2)
    assert parrot.inner_text(".answer >> nth=1 >> .text") == "Still there?"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(page: Any, scheme: str) -> None:
    """The words of code, the buttons, the list and the panels stand out by 4.5 to 1 too."""
    page.emulate_media(color_scheme=scheme)
    ask(page, "markdown")
    answered(page)
    until(page, "document.querySelector('.k-keyword')")
    chosen = "[class^=k-], .who, .facts span, .acts button, aside a, aside button, #none, th, td, code, figcaption"
    assert page.evaluate(LOW, chosen) == []
    page.click("#settings")
    assert page.evaluate(LOW, "dialog label, dialog p, dialog h2, dialog button") == []


def test_everything_has_a_name(page: Any) -> None:
    """Every control that can be seen, in the panels and beside answers too, has a name for a screen reader."""
    ask(page, "text")
    answered(page)
    page.click("#compare")
    unnamed = """() => [...document.querySelectorAll('button, select, textarea, input, a, dialog')]
        .filter((each) => each.checkVisibility() && each.type !== 'file')
        .filter((each) => !(each.ariaLabel || each.innerText || each.labels?.length))
        .filter((each) => !each.getAttribute('aria-labelledby'))
        .map((each) => each.outerHTML)"""
    assert page.evaluate(unnamed) == []
    page.click("#settings")
    assert page.evaluate(unnamed) == []
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "settings"


def test_tabs_share_the_list(page: Any, site: str) -> None:
    """A conversation of another tab stands in this one's list as soon as it is kept."""
    other = page.context.new_page()
    opened(other, site)
    ask(other, "text", "From the other tab")
    until(page, "document.querySelector('#talks a')?.textContent === 'From the other tab'")
    answered(other)
    other.close()
