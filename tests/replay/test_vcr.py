"""VCR.py cassettes become captures."""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from miiflow_llm.client.async_client import LLMClient
from miiflow_llm.replay.errors import CaptureError
from miiflow_llm.replay.fake import fake_body
from miiflow_llm.replay.inspecting import problems
from miiflow_llm.replay.reading import read
from miiflow_llm.replay.store import load, load_folder
from miiflow_llm.replay.transport import ReplayTransport
from miiflow_llm.replay.vcr import import_cassette, read_cassette

from ..captured import OWN

yaml = pytest.importorskip("yaml")

KEY, COOKIE, ORGANISATION = "planted-key-71c6", "planted-cookie-71c6", "planted-organisation-71c6"
BODY = fake_body("openai_chat", text="Twice a day, été.").body
URL = "https://api.openai.com/v1/chat/completions"
REQUEST = '{"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "stream": true}'


def exchange(**answer: Any) -> dict[str, Any]:
    """One interaction as VCR.py writes it, with credentials where they stand in real ones."""
    request_headers = {"authorization": [f"Bearer {KEY}"], "content-length": ["3"], "cookie": [f"a={COOKIE}"]}
    headers = {
        "Content-Type": ["text/event-stream"],
        "Set-Cookie": [f"session={COOKIE}; Path=/", "b=c"],
        "openai-organization": [ORGANISATION],
        "x-request-id": ["r-1"],
    }
    request = {"method": "POST", "uri": URL, "headers": request_headers, "body": REQUEST}
    response = {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": BODY}}
    return {"request": request, "response": {**response, **answer}}


def write(folder: Path, *interactions: object, name: str = "test tides.yaml") -> Path:
    """A cassette of these."""
    path = folder / name
    path.write_text(yaml.safe_dump({"version": 1, "interactions": list(interactions)}), encoding="utf-8")
    return path


def everything(folder: Path) -> bytes:
    """Every byte that was written below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


RECORDED = {
    "httpx_stream": ("openai", "tool_call"),
    "httpx_async_stream": ("anthropic", "multibyte"),
    "httpx_gzip": ("openai", "text"),
    "openai_sdk": ("openai", "text"),
}
"""Cassettes that vcrpy 9.4 wrote while httpx 0.28 and the openai SDK 3.57 streamed these captures from a server on
loopback, with planted credentials; `httpx_gzip` came compressed."""


@pytest.mark.anyio
@pytest.mark.parametrize("name", RECORDED)
async def test_what_vcrpy_wrote_is_imported(name: str, tmp_path: Path) -> None:
    """A real cassette of a stream becomes the bytes that were served, without credentials, and answers our client."""
    provider, source = RECORDED[name]
    served = load(OWN / provider / source)
    cassette = Path(__file__).parent / "cassettes" / f"{name}.yaml"
    assert b"PLANTED" in cassette.read_bytes()
    [body] = import_cassette(cassette, tmp_path, provider=provider)
    assert body.read_bytes() == served.body
    assert re.search(b"planted", everything(tmp_path), re.IGNORECASE) is None
    capture = load(body)
    assert (capture.dialect, capture.request is not None, problems(capture)) == (served.dialect, True, [])
    transport = ReplayTransport([capture], match=["path", "streaming"])
    async with httpx.AsyncClient(transport=transport) as http:
        client = LLMClient.create(provider, "m", api_key="any", dialect=served.dialect, http_client=http)
        async with client.stream_chat("Hi") as stream:
            async for _ in stream:
                pass
        expected = read(served).response
        assert expected is not None
        assert (stream.response.message, stream.response.usage) == (expected.message, expected.usage)


@pytest.mark.anyio
async def test_an_imported_stream_is_replayed(tmp_path: Path) -> None:
    """What was imported from a cassette answers our client with the text that was recorded."""
    import_cassette(write(tmp_path, exchange()), tmp_path / "captures")
    transport = ReplayTransport(tmp_path / "captures", name="openai/test-tides")
    async with httpx.AsyncClient(transport=transport) as http:
        client = LLMClient.create("openai", "m-1", api_key="any", dialect="openai_chat", http_client=http)
        async with client.stream_chat("Hi") as stream:
            text = "".join([chunk.delta async for chunk in stream if chunk.delta])
    assert text == "Twice a day, été."


def test_what_is_kept(tmp_path: Path) -> None:
    """Provider, dialect, request and body are told; times, which a cassette does not know, are not made up."""
    [capture] = read_cassette(write(tmp_path, exchange()))
    assert (capture.provider, capture.dialect, capture.model) == ("openai", "openai_chat", "m-1")
    assert (capture.streaming, capture.origin, capture.source) == (True, "recorded", "VCR cassette test tides.yaml")
    assert (capture.body, capture.reads, capture.head_ms, capture.partial) == (BODY, None, None, False)
    assert capture.request == {"model": "m-1", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    assert capture.headers == {"content-type": "text/event-stream", "x-request-id": "r-1"}


ENCODED = {"content-type": ["text/event-stream"], "content-encoding": ["gzip"]}


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {"string": BODY.decode()}},
        {"headers": ENCODED, "body": {"string": gzip.compress(BODY)}},
        {"headers": ENCODED, "body": {"string": BODY}},
        {"status": None, "status_code": 200, "body": None, "content": BODY},
        {"headers": [["content-type", "text/event-stream"]], "body": BODY},
    ],
    ids=["text", "gzip", "decoded already", "httpx's old stub", "pairs"],
)
def test_every_layout_gives_the_same_body(answer: dict[str, Any], tmp_path: Path) -> None:
    """However the stub wrote the answer, its body is the plain bytes."""
    interaction = exchange(**answer)
    if "content" in answer:
        del interaction["response"]["body"]
    [capture] = read_cassette(write(tmp_path, interaction))
    assert (capture.status, capture.body) == (200, BODY)
    assert "content-encoding" not in capture.headers


def test_parsed_bodies(tmp_path: Path) -> None:
    """A serializer's parsed bodies are JSON again."""
    interaction = exchange(parsed_body={"a": 1})
    interaction["request"]["parsed_body"] = {"model": "m-2"}
    [capture] = read_cassette(write(tmp_path, interaction))
    assert (capture.body, capture.request, capture.streaming) == (b'{"a":1}', {"model": "m-2"}, False)


def test_nothing_secret_is_written(tmp_path: Path) -> None:
    """Key, cookie, organisation and a listed value are in no byte written, though the body repeats them."""
    told = f"{KEY} {COOKIE} {ORGANISATION} listed-value".encode()
    folder = tmp_path / "captures"
    cassette = write(tmp_path, exchange(body={"string": BODY + b": " + told + b"\n\n"}))
    import_cassette(cassette, folder, redact=["listed-value"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 2
    for path in files:
        for planted in told.split():
            assert planted not in path.read_bytes()
            assert planted.decode() not in path.name


def test_names_and_what_is_there_already(tmp_path: Path) -> None:
    """The exchanges of one cassette get numbered names, and an import never replaces a capture."""
    cassette, folder = write(tmp_path, exchange(), exchange()), tmp_path / "captures"
    import_cassette(cassette, folder)
    assert [capture.name for capture in load_folder(folder)] == ["test-tides", "test-tides_2"]
    with pytest.raises(CaptureError, match="there already"):
        import_cassette(cassette, folder)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not YAML"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("[1]", "not a VCR cassette"),
        ("interactions: [{}]", "interaction 1 does not fit"),
        ("interactions: [3]", "interaction 1 does not fit"),
    ],
)
def test_what_is_no_cassette(text: str, told: str, tmp_path: Path) -> None:
    """A file that is no cassette is refused with a reason; none can run code."""
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CaptureError, match=told):
        read_cassette(path)


def test_without_pyyaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML is missing the error says what to install; a missing file is told too."""
    with pytest.raises(CaptureError, match="cannot be read"):
        read_cassette(tmp_path / "nowhere.yaml")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(CaptureError, match=r"miiflow-llm\[vcr\]"):
        read_cassette(tmp_path / "nowhere.yaml")
