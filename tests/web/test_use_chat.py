"""`useChat` of the real npm packages `ai` and `@ai-sdk/react`, in real Chromium, against the chat service.

The packages are those of `use_chat/package-lock.json`, installed once into `.cache/npm` by npm; without npm, or if it
cannot reach its registry, the tests are skipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miiflow_llm.web import Turn, create_app
from miiflow_llm.web.demo import demo_app

from .pages import until
from .servers import uvicorn_serving
from .talking import Talking, calls, says
from .test_hooks import high_water

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent / "use_chat"
CACHE = Path(__file__).parents[2] / ".cache" / "npm"
HTML = b'<!doctype html><meta charset=utf-8><div id=root></div><script type=module src="/app.js"></script>'


@pytest.fixture(scope="module")
def front_end() -> bytes:
    """The front end, bundled."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")
    names = ("package.json", "package-lock.json", "app.jsx")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in names)).hexdigest()[:16]
    folder = CACHE / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:  # several workers may want it
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "app.js").exists():
            _bundle(folder, names)
    return (folder / "app.js").read_bytes()


def _bundle(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        shutil.copy(HERE / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not install the packages within two minutes")
    if done.returncode:
        pytest.skip(f"npm cannot install the packages: {done.stderr.strip().splitlines()[:1]}")
    bundler = folder / "node_modules" / ".bin" / "esbuild"
    define = "--define:process.env.NODE_ENV='production'"
    subprocess.run(
        [bundler, "app.jsx", "--bundle", "--format=esm", define, "--outfile=made.js"], cwd=folder, check=True
    )
    (folder / "made.js").rename(folder / "app.js")


def beside(front_end: bytes, service: Any) -> Any:
    """An ASGI application with the front end at `/` and the service at `/api`."""
    files = {"/": (b"text/html", HTML), "/app.js": (b"text/javascript", front_end)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] not in files:
            await service({**scope, "root_path": "/api"}, receive, send)
            return
        kind, body = files[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": body})

    return app


@pytest.fixture
def tab(front_end: bytes, chromium: Any) -> Iterator[Any]:
    """A function that opens the front end on a service."""
    context = chromium.new_context()

    def opened(url: str) -> Any:
        page = context.new_page()
        page.goto(url)
        until(page, "globalThis.chat?.status === 'ready'")
        return page

    yield opened
    context.close()


def send(page: Any, text: str, **options: Any) -> None:
    """Ask, and do not wait for the answer."""
    act = "globalThis.before = globalThis.chat.messages.length; globalThis.chat.sendMessage({ text }, options);"
    page.evaluate(f"([text, options]) => {{ {act} }}", [text, options])


DONE = "globalThis.chat.status === 'ready' && globalThis.chat.messages.length >= globalThis.before + 2"


def test_text_comes_as_it_is_made(front_end: bytes, tab: Any) -> None:
    """Reasoning and text stand in the message while it comes; its metadata has our facts at the end."""
    with uvicorn_serving(beside(front_end, demo_app(pace=0.01))) as url:
        page = tab(url)
        send(page, "Why are there tides?", body={"model": "reasoning"})
        until(page, "document.querySelector('.assistant .text')?.textContent.length > 20")
        assert page.evaluate("globalThis.chat.status") == "streaming"
        until(page, DONE)
        assert page.inner_text(".assistant .text").endswith("🌊")
        assert page.inner_text(".assistant .reasoning").startswith("The moon pulls")
        metadata = page.evaluate("globalThis.chat.messages[1].metadata")
        assert (metadata["finish_reason"], metadata["usage"]["prompt_tokens"]) == ("stop", 21)


def test_tools_and_the_next_question(front_end: bytes, tab: Any) -> None:
    """Tools that the service runs are parts of the message, and go to the model with the next question."""
    model = Talking(calls("high_water", '{"harbour": "Husum"}'), says("At 12:25."))
    turns: list[Turn] = []
    with uvicorn_serving(beside(front_end, create_app(model.client, tools=[high_water], on_turn=turns.append))) as url:
        page = tab(url)
        send(page, "When is high water?")
        until(page, DONE)
        part = '["tool-high_water","output-available",{"harbour":"Husum"},"Husum: 12:25"]'
        assert page.inner_text(".assistant .tool") == part
        assert page.inner_text(".assistant .text") == "At 12:25."
        send(page, "Sure?")
        until(page, DONE)
    assert [message["role"] for message in model.asked[-1]["messages"]] == [
        "user", "assistant", "tool", "assistant", "user",
    ]  # fmt: skip
    assert len({turn.conversation for turn in turns}) == 1


def test_a_failed_tool_and_its_arguments(front_end: bytes, tab: Any) -> None:
    """What a tool raised is not shown, and arguments that are not JSON do not break the front end."""
    for arguments in ('{"harbour": "Atlantis"}', '{"harbour": '):
        model = Talking(calls("high_water", arguments), says("I cannot tell."))
        with uvicorn_serving(beside(front_end, create_app(model.client, tools=[high_water]))) as url:
            page = tab(url)
            send(page, "When is high water?")
            until(page, DONE)
            assert "output-error" in page.inner_text(".assistant .tool")
            assert "1234" not in page.content()
            assert page.inner_text(".assistant .text") == "I cannot tell."


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("rate-limited", "Too many requests just now. Try again in a while."),
        ("cut-short", "The answer broke off before its end."),
    ],
)
def test_failures(front_end: bytes, tab: Any, model: str, words: str) -> None:
    """Refused at once or broken off later: the error is one safe sentence, and one may ask again."""
    with uvicorn_serving(beside(front_end, demo_app(pace=0.001))) as url:
        page = tab(url)
        send(page, "Why?", body={"model": model})
        until(page, "globalThis.chat.status === 'error'")
        assert page.inner_text("p#error") == words
        page.evaluate("() => { globalThis.chat.regenerate({ body: { model: 'text' } }); }")
        until(page, f"{DONE} && document.querySelector('.assistant .text')?.textContent.endsWith('🌊')")


def test_stopping(front_end: bytes, tab: Any) -> None:
    """`stop` ends the provider's request; what came stays."""
    with uvicorn_serving(beside(front_end, demo_app(pace=0.05))) as url:
        page = tab(url)
        send(page, "Why?", body={"model": "text"})
        until(page, "document.querySelector('.assistant .text')?.textContent.length > 10")
        page.evaluate("() => { globalThis.chat.stop(); }")
        until(page, DONE)
        assert not page.inner_text(".assistant .text").endswith("🌊")
