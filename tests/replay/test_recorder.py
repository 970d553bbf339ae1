"""Recording: what is written, what is not, and that nobody notices."""

from __future__ import annotations

import gzip
from pathlib import Path

import anyio
import httpx
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.replay.errors import CaptureError
from miiflow_llm.replay.faults import CutAt, Stall
from miiflow_llm.replay.origin import dialect_of, provider_of
from miiflow_llm.replay.recorder import RecordingTransport, record
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.replay.store import load, load_folder
from miiflow_llm.replay.transport import ReplayTransport

from .made import ASKED, PATH, stream, whole

pytestmark = pytest.mark.anyio
KEY = "key-0f9e8d7c6b5a"


async def pieces(transport: httpx.AsyncBaseTransport, url: str, **options: object) -> list[bytes]:
    """What a streaming client is given."""
    async with (
        httpx.AsyncClient(transport=transport, timeout=5) as client,
        client.stream("POST", url, json=ASKED, **options) as answer,  # type: ignore[arg-type]
    ):
        return [piece async for piece in answer.aiter_bytes()]


async def test_the_caller_sees_the_same_and_the_capture_is_it(tmp_path: Path) -> None:
    """Recording hands on every piece as it came, and the capture replays to the same pieces at the same times."""
    original = stream(reads=[(0.0, 10), (60.0, 30), (120.0, len(stream().body) - 40)])
    async with ReplayServer([original], cut="recorded", pace=1.0) as server:
        url = server.url_for("openai", "text") + PATH
        plain = await pieces(httpx.AsyncHTTPTransport(), url)
        with record(tmp_path, provider="openai", name="again") as transport:
            recorded = await pieces(transport, url)
    assert b"".join(recorded) == b"".join(plain)
    capture = load(transport.written[0])
    assert (capture.body, capture.request, capture.status) == (original.body, ASKED, 200)
    assert (capture.provider, capture.dialect, capture.model) == ("openai", "openai_chat", "m-1")
    assert (capture.origin, capture.partial, capture.streaming) == ("recorded", False, True)
    assert capture.headers == {"content-type": "text/event-stream", "x-request-id": "r-1"}
    assert capture.reads is not None
    assert [size for _, size in capture.reads] == [len(piece) for piece in recorded]
    assert capture.reads[-1][0] >= 100
    assert await pieces(ReplayTransport([capture], cut="recorded"), "https://api.openai.com/v1" + PATH) == recorded


async def test_the_client_is_recorded_and_replayed(tmp_path: Path) -> None:
    """The library's own client, recorded over a socket, gives the same answer from the capture with the server gone."""
    body = b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'

    async def answer(transport: httpx.AsyncBaseTransport, url: str) -> str:
        async with httpx.AsyncClient(transport=transport) as http:
            client = LLMClient.create("openai", "m-1", api_key=KEY, base_url=url, http_client=http)
            async with client.stream_chat("Hello") as answered:
                return "".join([chunk.delta or "" async for chunk in answered])

    async with ReplayServer([stream(body=body)]) as server:
        with record(tmp_path, provider="openai") as transport:
            assert await answer(transport, server.url_for("openai", "text")) == "Hi"
    assert not load(transport.written[0]).partial
    assert await answer(ReplayTransport(tmp_path), "https://example.com/v1") == "Hi"


async def test_a_body_hook_keeps_sizes(tmp_path: Path) -> None:
    """A body hook blots out what it likes; one that changes the size keeps the exchange from being written."""
    with record(tmp_path, ReplayTransport([stream()]), body_hook=lambda body: body.replace(b"word", b"xxxx")) as one:
        await pieces(one, "https://api.openai.com" + PATH)
    assert load(one.written[0]).body == stream().body.replace(b"word", b"xxxx")
    with pytest.raises(CaptureError, match="keep the size"):
        with record(tmp_path, ReplayTransport([stream()]), body_hook=lambda _: b"") as two:
            await pieces(two, "https://api.openai.com" + PATH)
    assert two.written == []


async def test_what_cannot_be_written_does_not_reach_the_caller(tmp_path: Path) -> None:
    """A secret that redaction does not know how to keep out fails the `with` block, never the call."""
    transport = RecordingTransport(tmp_path, ReplayTransport([stream()]), source="sk-" + "a1B2" * 6, provider="../x")
    assert b"".join(await pieces(transport, "https://h" + PATH)) == stream().body
    assert [type(error) for error in transport.failures] == [CaptureError]
    assert transport.written == []


@pytest.mark.parametrize("fault", [CutAt(30), Stall(30)])
async def test_a_broken_stream_is_kept_as_partial(fault: CutAt | Stall, tmp_path: Path) -> None:
    """A stream that breaks or stalls raises what it raised before, and what came is kept and called partial."""
    transport = RecordingTransport(tmp_path, ReplayTransport([stream()], fault=fault))
    async with httpx.AsyncClient(transport=transport, timeout=0.05) as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadTimeout)):
            await client.post("https://api.openai.com" + PATH, json=ASKED)
        capture = load(transport.written[0])  # it is there when the stream ends, not only when the client does
    assert (capture.partial, capture.body) == (True, stream().body[:30])


async def test_a_cancelled_stream_is_kept_as_partial(tmp_path: Path) -> None:
    """A caller that is cancelled in the middle of a stream leaves a partial capture."""
    with record(tmp_path, ReplayTransport([stream()], fault=Stall(30))) as transport:
        with anyio.move_on_after(0.05):
            await pieces(transport, "https://api.openai.com" + PATH)
    capture = load(transport.written[0])
    assert (capture.partial, capture.body) == (True, stream().body[:30])


async def test_a_stream_that_is_never_closed_is_kept(tmp_path: Path) -> None:
    """What is still open when the block ends is written as partial."""
    with record(tmp_path, ReplayTransport([stream()])) as transport:
        request = httpx.Request("POST", "https://api.openai.com" + PATH, json=ASKED)
        await transport.handle_async_request(request)
    assert load(transport.written[0]).partial


class Compressed(httpx.BaseTransport):
    """A provider that compresses."""

    def __init__(self, encoding: str = "gzip") -> None:
        self.encoding = encoding

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """A gzipped answer."""
        headers = {"content-encoding": self.encoding, "content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, content=gzip.compress(stream().body))


def test_a_compressed_body_is_kept_readable(tmp_path: Path) -> None:
    """A coded body is written decoded, without the coding's header, and the reads count decoded bytes; sync too."""
    with record(tmp_path, Compressed()) as transport, httpx.Client(transport=transport) as client:
        assert client.post("https://api.openai.com/v1" + PATH, json=ASKED).content == stream().body
    capture = load(transport.written[0])
    assert (capture.body, "content-encoding" in capture.headers) == (stream().body, False)
    assert sum(size for _, size in capture.reads or ()) == len(capture.body)


def test_an_unknown_coding_is_told(tmp_path: Path) -> None:
    """A coding that nobody here can undo is not written as if it were plain."""
    with pytest.raises(CaptureError, match="cannot be kept"):
        with record(tmp_path, Compressed("x-strange")) as transport, httpx.Client(transport=transport) as client:
            client.post("https://api.openai.com/v1" + PATH, json=ASKED)
    assert transport.written == []


async def test_names(tmp_path: Path) -> None:
    """The same request gets the same name, a second one in a run its own, and a name given is used."""

    async def names(run: str, name: object) -> list[str]:
        folder = tmp_path / run
        with record(folder, ReplayTransport([stream(), whole()], match=()), name=name) as transport:  # type: ignore[arg-type]
            for _ in range(2):
                await pieces(transport, "https://api.openai.com/v1" + PATH)
        return sorted(capture.name for capture in load_folder(folder))

    automatic = await names("a", None)
    assert automatic == await names("b", None)
    assert automatic[1] == automatic[0] + "_2"
    assert automatic[0].startswith("m-1-stream-")
    assert await names("c", "text") == ["text", "text_2"]
    assert await names("d", lambda capture: f"a b/{capture.model}") == ["a-b-m-1", "a-b-m-1_2"]


@pytest.mark.parametrize(
    ("url", "provider", "dialect"),
    [
        ("https://api.openai.com/v1/responses", "openai", "openai_responses"),
        ("https://api.anthropic.com/v1/messages", "anthropic", "anthropic_messages"),
        (
            "https://generativelanguage.googleapis.com/v1beta/models/g-1:streamGenerateContent",
            "gemini",
            "gemini_generate",
        ),
        ("https://api.mistral.ai/v1/chat/completions", "mistral", "mistral_chat"),
        (
            "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/model/a%3Ab/converse-stream",
            "bedrock",
            "bedrock_converse",
        ),
        ("https://s3.us-east-1.amazonaws.com/x", "s3.us-east-1.amazonaws.com", "unknown"),
        ("http://127.0.0.1:11434/api/chat", "127.0.0.1", "ollama_chat"),
        ("https://llm.example.com/v1/chat/completions", "llm.example.com", "openai_chat"),
        ("https://llm.example.com/v1/other", "llm.example.com", "unknown"),
    ],
)
def test_whose_request_it_is(url: str, provider: str, dialect: str) -> None:
    """Provider and dialect are told by the tables' own addresses and paths."""
    parsed = httpx.URL(url)
    assert provider_of(parsed.host) == provider
    assert dialect_of(provider, parsed.path) == dialect
