"""The JavaScript reader in Node, against a server that cuts its answers at every byte."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from miiflow_llm.core.messages import Message
from miiflow_llm.core.price import Cost
from miiflow_llm.core.response import StreamChunk, ToolCallDelta
from miiflow_llm.core.usage import TokenCount
from miiflow_llm.web import framing, growth, openapi, safe_errors, to_ndjson, to_sse
from miiflow_llm.web.assets import asset
from miiflow_llm.web.body import ChatBody

from .servers import LAST, Scripted, uvicorn_serving
from .test_relay import HELLO

SCRIPT = Path(__file__).parent / "reader_cuts.mjs"
KINDS = {"sse": to_sse, "ndjson": to_ndjson}
LIMITED = b'{"type":"error","error":{"type":"rate_limited","message":"x","retry_after":20.0}}'
INVALID = b'{"type":"error","error":{"type":"invalid_body","message":"x","place":"$.model"}}'
WHOLE = {"/limited": (429, LIMITED), "/invalid": (422, INVALID), "/html": (502, b"<html>"), "/whole": (200, b'{"a":1}')}


def growing() -> Iterator[StreamChunk | float]:
    """An answer whose value grows, with keys that mean something else in JavaScript."""
    value: dict[str, Any] = {}
    yield msgspec.structs.replace(HELLO[0], partial_parse=value)
    yield 0.01
    value["__proto__"] = {}
    yield msgspec.structs.replace(HELLO[1], reasoning_delta="h", partial_parse=value)
    yield 0.01
    value["__proto__"]["polluted"] = 1
    value["constructor"] = {"prototype": {"polluted": 3}}
    yield msgspec.structs.replace(HELLO[1], partial_parse=value)
    yield 0.01
    value["list"] = ["🌊", "x"]
    yield msgspec.structs.replace(HELLO[2], partial_parse=value)
    yield 0.05
    value["list"][1] += "y"
    value["list"].append(None)
    yield msgspec.structs.replace(HELLO[2], partial_parse=value)
    yield msgspec.structs.replace(LAST, partial_parse=value)


PARSED = '{"constructor":{"prototype":{"polluted":3}},"list":["🌊","xy",null]}'


@cache
def body(kind: str) -> bytes:
    """A whole answer with characters of several bytes, and a heartbeat."""

    async def read() -> bytes:
        stream = Scripted(growing())
        return b"".join([piece async for piece in KINDS[kind](stream, heartbeat=0.03)])

    return anyio.run(read)


def pieces(path: str) -> list[bytes]:
    """`/sse/cut/N`: cut once at N; `/sse/each`: byte by byte; `/sse/end/N`: broken off after N."""
    kind, how, *at = path.strip("/").split("/")
    data = body(kind)
    if how == "each":
        return [data[place : place + 1] for place in range(len(data))]
    place = int(at[0])
    return [data[:place], data[place:]] if how == "cut" else [data[:place]]


async def cutting(scope: Any, receive: Any, send: Any) -> None:
    """The server: the path says what is answered and where it is cut."""
    path = scope["path"]
    found = asset(path)
    if found is not None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/javascript")]})
        await send({"type": "http.response.body", "body": found.body})
        return
    status, data = WHOLE.get(path, (200, b""))
    await send({"type": "http.response.start", "status": status, "headers": []})
    if path == "/hang":
        await send({"type": "http.response.body", "body": b'{"seq":0,"delta":"x"}\n', "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    for piece in [data] if path in WHOLE else pieces(path):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await anyio.sleep(0.002)  # else the socket joins the pieces again
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What Node told of every path."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    paths = ["/limited", "/invalid", "/html"]
    for kind in KINDS:
        length = len(body(kind))
        paths += [f"/{kind}/each", *(f"/{kind}/{how}/{at}" for how in ("cut", "end") for at in range(1, length))]
    with uvicorn_serving(cutting) as url:
        command = [node, "--no-warnings", str(SCRIPT), url, *paths]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    return {line.get("path", next(iter(line))): line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_cuts_change_nothing(told: dict[str, Any], kind: str) -> None:
    """Wherever the network cuts, in a character or a frame, the text is whole."""
    cuts = [line for path, line in told.items() if path.startswith((f"/{kind}/cut", f"/{kind}/each"))]
    assert len(cuts) == len(body(kind))
    assert all((line["text"], line["finished"], line["error"]) == ("Hello 🌊lo 🌊", "stop", None) for line in cuts)
    assert {line["parsed"] for line in cuts} == {PARSED}


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_stream_is_an_error(told: dict[str, Any], kind: str) -> None:
    """A stream that ends before the end of its last frame is `interrupted`, never a finished answer."""
    ends = [line for path, line in told.items() if path.startswith(f"/{kind}/end")]
    cut = [line for line in ends if not line["finished"]]
    assert len(ends) - len(cut) == (1 if kind == "sse" else 0)  # the blank line after the last SSE frame may be missing
    assert all(line["error"]["type"] == "interrupted" for line in cut)


def test_errors_are_typed(told: dict[str, Any]) -> None:
    """A refusal tells its type, status, place and when to come back; a proxy's page is an error of HTTP."""
    assert told["/limited"]["error"] == {"type": "rate_limited", "status": 429, "retryAfter": 20}
    assert told["/invalid"]["error"] == {"type": "invalid_body", "status": 422, "place": "$.model"}
    assert told["/html"]["error"] == {"type": "http", "status": 502}


def test_a_models_keys_touch_nothing_else(told: dict[str, Any]) -> None:
    """No name in an answer's value reaches what other objects have."""
    assert not [line for line in told.values() if line.get("leaked")]


def test_the_signal_ends_it(told: dict[str, Any]) -> None:
    """An aborted stream throws the signal's reason."""
    assert told["aborted"] == {"aborted": "AbortError"}


def test_a_whole_answer(told: dict[str, Any]) -> None:
    """`chat` gives the JSON."""
    assert told["whole"] == {"whole": {"a": 1}}


def test_the_types_name_everything() -> None:
    """Every field of requests, frames, tokens and errors, and every type of an error, stands in the declarations."""
    declared = set(re.findall(r"\w+", (files("miiflow_llm.web") / "static" / "miiflow-llm.d.ts").read_text()))
    tools = (framing.ToolStartedFrame, framing.ToolFinishedFrame, Cost, openapi.Answer, openapi.Finished)
    structs = (ChatBody, Message, ToolCallDelta, TokenCount, framing.Piece, growth.Change, *tools)
    fields = {name for struct in structs for name in struct.__struct_encode_fields__}
    assert fields | {name for _, _, name, _ in safe_errors._TYPES} <= declared


@pytest.mark.parametrize("base", ["", "/"])
def test_the_class(base: str) -> None:
    """`LLMClient` asks the service's two paths, and its chunks carry the text so far."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    asked = list[Any]()

    async def service(scope: Any, receive: Any, send: Any) -> None:
        found = asset(scope["path"])
        given = b""
        while found is None:
            event = await receive()
            given += event.get("body", b"")
            if not event.get("more_body"):
                asked.append((scope["path"], msgspec.json.decode(given)))
                break
        answer = found.body if found else body("sse") if scope["path"].endswith("stream") else WHOLE["/whole"][1]
        kind = b"text/javascript" if found else b"application/json"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": answer})

    script = """
        const [origin, base] = process.argv.slice(1);
        const code = await (await fetch(origin + "/miiflow-llm.js")).text();
        const { LLMClient } = await import("data:text/javascript," + encodeURIComponent(code));
        const client = new LLMClient(origin + "/api" + base), messages = [{ role: "user", content: "Hello" }];
        const out = [await client.chat("openai", "m", messages)];
        for await (const { delta, content, finish_reason } of client.streamChat("openai", "m", messages))
          out.push({ delta, content, finish_reason });
        console.log(JSON.stringify(out));
    """
    with uvicorn_serving(service) as origin:
        command = [node, "--input-type=module", "-e", script, origin, base]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    whole, *chunks = msgspec.json.decode(done.stdout)
    assert whole == {"a": 1}
    said = {"provider": "openai", "model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    assert asked == [("/api/chat", said), ("/api/chat/stream", said)]
    assert "".join(chunk["delta"] for chunk in chunks) == chunks[-1]["content"] != ""
    assert [bool(chunk["finish_reason"]) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
