"""What strangers try: other hosts, other pages, bodies without end, browsers that stop reading, answers that steer."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.response import StreamChunk
from miiflow_llm.web import Caller, Limits, create_app, to_sse
from miiflow_llm.web.demo import demo_app

from .servers import LAST, Scripted
from .test_asgi import HELLO, post

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "localhost:8000"}, 200), ({"host": "127.0.0.1"}, 200), ({"host": "[::1]:8000"}, 200),
     ({"host": "LOCALHOST."}, 200), ({"host": "evil.example"}, 403), ({"host": "evil.example:8000"}, 403),
     ({"host": "localhost.evil.example"}, 403), ({"host": ""}, 403),
     ({"host": "localhost", "origin": "http://localhost:8000"}, 200),
     ({"host": "localhost", "origin": "http://evil.example"}, 403), ({"host": "localhost", "origin": "null"}, 403),
     ({"host": "[0:0::1]"}, 200), ({"host": "localhost:80.evil.example"}, 403), ({"host": "[localhost]"}, 403),
     ({"host": "[::1].evil.example"}, 403), ({"host": "localhost.."}, 403), ({"host": "localhost, evil.example"}, 403),
     ({"host": "evil@localhost"}, 403), ({"host": "localhost@evil"}, 403), ({"host": "127.1"}, 403),
     ({"host": "localhost", "origin": "chrome-extension://localhost"}, 403),
     ({"host": "localhost", "origin": "http://localhost@evil"}, 403), ({"host": "localhost", "origin": ""}, 403),
     ({"host": "localhost", "origin": "HTTPS://LOCALHOST"}, 200)],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("path", ["/chat", "/chat/stream", "/models", "/"])
async def test_only_its_own_names_reach_it(headers: dict[str, str], status: int, path: str) -> None:
    """With `allow_hosts` every route refuses a strange Host, and a page of a strange Origin."""
    app = demo_app(pace=0, allow_hosts=["localhost", "127.0.0.1", "::1"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        if path in ("/models", "/"):
            response = await client.get(path, headers=headers)
        else:
            response = await client.post(path, json={"messages": HELLO, "model": "text"}, headers=headers)
    assert response.status_code == status


@pytest.mark.parametrize("name", ["host", "origin"])
async def test_a_second_header_hides_no_first(name: str) -> None:
    """Of two `Host` or `Origin` headers neither lets the request in."""
    app = demo_app(pace=0, allow_hosts=["localhost"])
    values = ("http://evil.example", "http://localhost") if name == "origin" else ("evil.example", "localhost")
    other = [("host", "localhost")] if name == "origin" else []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.get("/models", headers=[*other, *((name, value) for value in values)])
    assert response.status_code == 403


async def test_allowed_hosts_are_names() -> None:
    """Ports and brackets are passed over, and what is not a host is refused when the service is made."""
    app = demo_app(pace=0, allow_hosts=["API.example:8000", "::1", "[2001:DB8::1]"])
    for host, status in (("api.example", 200), ("[0::1]:1", 200), ("[2001:db8:0::1]", 200), ("example", 403)):
        assert (await post(app, {"messages": HELLO, "model": "text"}, host=host)).status_code == status
    for wrong in ("", "http://x.example", "a b", "a/b"):
        with pytest.raises(ConfigurationError, match="allow_hosts"):
            demo_app(allow_hosts=[wrong])


async def test_without_names_any_host_reaches_it() -> None:
    """A library's user puts a server in front, which sees to hosts: nothing is refused unless names were given."""
    assert (await post(demo_app(pace=0), {"messages": HELLO, "model": "text"}, host="any.example")).status_code == 200


@pytest.mark.parametrize("path", ["/chat", "/chat/stream", "/models"])
@pytest.mark.parametrize(
    ("said", "status"),
    [(None, 200), (True, 200), (Caller(), 200), (False, 401), (0, 500), ("no", 500), ({}, 500)],
    ids=str,
)
async def test_what_authorize_returns(said: Any, status: int, path: str) -> None:
    """Yes, no, and who it is: anything else is a fault of the service, never a pass."""

    async def authorize(headers: Any, request: Any) -> Any:
        return said

    app = demo_app(pace=0)
    app.service._authorize = authorize
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        body = {"messages": HELLO, "model": "text"}
        response = await (client.get(path) if path == "/models" else client.post(path, json=body))
    assert response.status_code == status


async def test_the_caller_is_told_to_the_provider() -> None:
    """User, metadata and system prompt of a signed-in caller stand in the call, whatever the browser says."""
    sent: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(msgspec.json.decode(request.content))
        return httpx.Response(500)

    async def authorize(headers: Any, request: Any) -> Caller:
        return Caller(user="ann", metadata={"plan": "gold"}, system="Be brief.")

    client = LLMClient.create(
        "openai", "m", "k" * 12, dialect="openai_responses", max_retries=0,
        http_client=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )  # fmt: skip
    await post(create_app(client, authorize=authorize), {"messages": HELLO}, "/chat")
    said = msgspec.json.encode(sent[0]).decode()
    assert all(word in said for word in ("Be brief.", "Hello", "gold", "ann"))
    none = demo_app(pace=0)
    none.service._authorize = authorize
    response = await post(none, {"messages": HELLO, "model": "text"}, "/chat")
    assert response.status_code == 200


LONG = "x" * 2000
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": LONG}}
WHERE = {
    "content": {"messages": [{"role": "user", "content": LONG}]},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}]}]},
    "arguments": {"messages": [*HELLO, {"role": "assistant", "tool_calls": [CALL]}]},
    "refusal": {"messages": [*HELLO, {"role": "assistant", "content": "", "refusal": LONG}]},
    "name": {"messages": [{"role": "user", "content": "Hi", "name": LONG}]},
    "tool description": {"messages": HELLO, "tools": [{"name": "f", "description": LONG}]},
    "tool parameters": {"messages": HELLO, "tools": [{"name": "f", "parameters": {"description": LONG}}]},
    "stop": {"messages": HELLO, "stop": [LONG]},
    "schema": {"messages": HELLO, "schema": {"type": "object", "description": LONG}},
    "key": {"messages": HELLO, "schema": {LONG: 1}},
    "reasoning": {"messages": [*HELLO, {"role": "assistant", "content": [{"type": "reasoning", "text": LONG}]}]},
}


@pytest.mark.parametrize("place", WHERE)
async def test_every_text_counts(place: str) -> None:
    """Whatever a browser can send counts towards the limit of text; attachments count by themselves."""
    app = demo_app(pace=0)
    app.service.limits = Limits(max_text=1000)
    response = await post(app, {**WHERE[place], "model": "text"}, "/chat")
    assert response.status_code == 422
    assert "1000 characters" in response.text


async def test_an_attachment_is_not_text() -> None:
    """The bytes of an image do not count as text, and text beside it does."""
    image = {"type": "image_url", "image_url": "data:image/png;base64,iVBORw0KGgo" + "A" * 4001}
    app = demo_app(pace=0)
    app.service.limits = Limits(max_text=1000)
    for text, status in (("Hi", 200), (LONG, 422)):
        content = [image, {"type": "text", "text": text}]
        body = {"messages": [{"role": "user", "content": content}], "model": "text"}
        assert (await post(app, body, "/chat")).status_code == status


@pytest.mark.parametrize(
    "raw",
    [b'"temperature":1e999', b'"temperature":-1', b'"temperature":3', b'"top_p":2', b'"max_tokens":0',
     b'"max_tokens":-5', b'"max_tokens":' + b"9" * 400, b'"seed":' + b"9" * 30, b'"top_k":-1', b'"reasoning":-1',
     b'"presence_penalty":9', b'"schema":' + b'{"a":' * 3000 + b"1" + b"}" * 3000,
     b'"tools":[{"name":"f","parameters":' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"}]"],
    ids=lambda raw: raw[:24].decode(),
)  # fmt: skip
async def test_numbers_and_depths_have_bounds(raw: bytes) -> None:
    """A number that no provider takes, and JSON three thousand levels deep, is a 422, not a fault of the service."""
    body = b'{"messages":[{"role":"user","content":"Hi"}],"model":"text",' + raw + b"}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(demo_app(pace=0)), base_url="http://here") as client:
        response = await client.post("/chat", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422


async def test_deep_messages() -> None:
    """Messages nested three thousand deep are a 422 too."""
    deep = b'{"role":"user","content":' + b'[{"a":' * 3000 + b"1" + b"}]" * 3000 + b"}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(demo_app(pace=0)), base_url="http://here") as client:
        headers = {"content-type": "application/json"}
        response = await client.post("/chat", content=b'{"messages":[' + deep + b"]}", headers=headers)
    assert response.status_code == 422


@pytest.mark.parametrize("length", ["abc", "-1", "1e3", "\u0661", "9" * 50, "+5", "0x10"])
async def test_a_length_that_is_not_a_number(length: str) -> None:
    """A content-length that is not a number is a 400."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", length.encode("utf-8"))]
    scope = {"type": "http", "method": "POST", "path": "/chat", "headers": headers}
    await demo_app(pace=0)(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_a_receive_that_never_waits_holds_nobody() -> None:
    """Behind middleware whose `receive` answers at once, for ever, others have their turns and the answer comes."""
    turns, sent = 0, list[Any]()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    body = msgspec.json.encode({"messages": HELLO, "model": "text"})
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/chat/stream",
        "headers": [(b"content-type", b"application/json")],
    }
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(others)
            await demo_app(pace=0.001)(scope, receive, send)
            group.cancel_scope.cancel()
    assert turns > 20
    assert b'"finish_reason":"stop"' in b"".join(message.get("body", b"") for message in sent)


async def test_a_browser_that_stops_reading_ends_its_upstream() -> None:
    """A write that waits longer than its limit ends the stream, in the pouring and in the iterating way."""
    stream = Scripted([StreamChunk("a"), LAST])

    async def stuck(data: bytes) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(10):
        await to_sse(stream, write_seconds=0.05).pour(stuck)
    assert stream.closed

    endless = Scripted([StreamChunk("a")] * 1000)
    relay = to_sse(endless, write_seconds=0.05)
    await relay.__anext__()
    with anyio.fail_after(10):
        while not endless.closed:  # noqa: ASYNC110  the reader goes away by itself, which has no event here
            await anyio.sleep(0.01)
    await relay.aclose()


async def test_twenty_of_them_shut_nobody_out() -> None:
    """Heartbeats count as writes too: a browser that takes none of them has gone."""
    stream = Scripted([30.0, LAST])

    async def stuck(data: bytes) -> None:
        await anyio.sleep_forever()

    relay = to_sse(stream, heartbeat=0.02, write_seconds=0.05)
    with anyio.move_on_after(0.5):
        await relay.pour(stuck)
    assert stream.closed


HOSTILE = "\x1b]52;c;aGk=\x07\x1b]0;owned\x07\x9b31m\x1b[2J\u202ereversed\u2066"


def on_a_terminal(code: str) -> bytes:
    """What a program writes to a real terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", code], stdout=follower, stderr=follower, stdin=follower) as program:
        os.close(follower)
        seen = b""
        with contextlib.suppress(OSError):  # the terminal is closed with the program
            while piece := os.read(leader, 4096):
                seen += piece
        program.wait()
    os.close(leader)
    return seen


@pytest.mark.parametrize(
    "code",
    ["from miiflow_llm.cli.output import write; write(words)",
     "from miiflow_llm.cli.output import write_table; write_table(['a'], [[words]])",
     "from miiflow_llm.cli.output import write_json; write_json({'a': words})",
     "from miiflow_llm.replay.printing import put; put(words)",
     "from miiflow_llm.cli.ending import say; say(words)"],
)  # fmt: skip
def test_nothing_steers_the_terminal(code: str) -> None:
    """Every door to a terminal lets words through and no sequence that sets its title, its clipboard or its colours."""
    pytest.importorskip("typer")
    seen = on_a_terminal(f"words = {HOSTILE!r} + 'plain'; {code}")
    assert b"plain" in seen
    for sequence in (b"\x1b]", b"\x07", b"\x9b31m", b"\x1b[2J", b"\xe2\x80\xae", b"\xe2\x81\xa6"):
        assert sequence not in seen


def test_into_a_pipe_goes_what_was_said() -> None:
    """Into a pipe the words go as they are: they are data there."""
    code = f"from miiflow_llm.replay.printing import put; put({HOSTILE!r}, end='')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout.decode() == HOSTILE
