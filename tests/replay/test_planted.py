"""Planted keys, cookies and accounts are looked for in every byte that is written, every name and every word told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from miiflow_llm.core.secrets import hide
from miiflow_llm.replay.errors import CaptureError, NoMatchError, ReplayError, SecretFoundError
from miiflow_llm.replay.recorder import RecordingTransport, record
from miiflow_llm.replay.secrets import Redactor
from miiflow_llm.replay.store import load, load_folder, save
from miiflow_llm.replay.transport import ReplayTransport

from ..faults.test_secrets import forms
from .made import ASKED, PATH, stream

pytestmark = pytest.mark.anyio
KEY = "key-0f9e8d7c6b5a"
SESSION = "session-a1b2c3d4e5"
ACCOUNT = "acct-9b8c7d6e5f"
LISTED = 'my "private" word'
TOKEN = "mcp-5a4b3c2d1e"
GATEWAY = "gateway-77aa66bb55"
NESTED = "nested-33cc44dd55"
FORMATTED = "sk-" + "a1B2" * 6
SECRETS = (KEY, SESSION, ACCOUNT, "private", "cookie-two-value", "a1B2a1B2", TOKEN, GATEWAY, NESTED)
URL = f"https://{ACCOUNT}.example.com/v1/{ACCOUNT}{PATH}"
ASKED_WITH = {**ASKED, "tools": [{"type": "mcp", "authorization": TOKEN, "headers": {"X-Api-Key": NESTED}}]}
SENT = {"authorization": f"Bearer {KEY}", "cookie": f"sid={SESSION}", "gateway-auth": GATEWAY}


class Echo(httpx.AsyncBaseTransport):
    """A provider that says back every secret it was sent, cut across reads; after `ends` bytes it breaks off."""

    def __init__(self, ends: int | None = None) -> None:
        self.ends = ends

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Everything that must not be written."""
        told = [KEY, SESSION, ACCOUNT, LISTED, FORMATTED, TOKEN, GATEWAY, NESTED, request.url.query.decode()]
        headers = [
            ("content-type", "text/event-stream"),
            ("set-cookie", f"sid={SESSION}; Path=/"),
            ("set-cookie", "other=cookie-two-value"),
            ("openai-organization", ACCOUNT),
            ("x-request-id", f"for-{KEY}"),
        ]
        body = b"data: " + msgspec.json.encode(told) + b"\n\ndata: cookie-two-value\n\n"
        return httpx.Response(200, headers=headers, stream=_Pieces(body[: self.ends], broken=self.ends is not None))


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, body: bytes, *, broken: bool) -> None:
        self._body = body
        self._broken = broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self._body), 7):
            yield self._body[at : at + 7]
        if self._broken:
            raise httpx.ReadError("gone")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Whatever stands in a file before it gets its name."""
    seen: list[bytes] = []
    real = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: seen.append(path.read_bytes()) or real(path, to))
    return seen


def names(folder: Path) -> str:
    """The names of all files and folders below."""
    return " ".join(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def ask(transport: httpx.AsyncBaseTransport, url: str = URL, **options: object) -> list[bytes]:
    """What a streaming client is given that sends secrets wherever they can stand."""
    given = {"json": ASKED_WITH, "headers": SENT, "params": {"key": KEY, "alt": "sse"}, **options}
    async with httpx.AsyncClient(transport=transport) as client, client.stream("POST", url, **given) as answer:  # type: ignore[arg-type]
        return [piece async for piece in answer.aiter_bytes()]


async def test_no_secret_reaches_the_disk(tmp_path: Path, written: list[bytes]) -> None:
    """Keys, cookies, accounts and listed words are in no byte and no name that is written, and every size stays."""
    with record(tmp_path, Echo(), redact=[LISTED, ACCOUNT]) as transport:
        got = await ask(transport)
    assert all(secret in b"".join(got).decode() for secret in SECRETS)
    capture = load(transport.written[0])
    assert len(written) == 2
    assert capture.path.endswith(PATH + "?alt=sse")
    for secret in SECRETS:
        assert all(secret.encode() not in data for data in written), secret
        assert secret not in names(tmp_path)
    assert len(capture.body) == len(b"".join(got))
    assert [size for _, size in capture.reads or ()] == [len(piece) for piece in got]


async def test_a_stream_that_breaks_inside_a_secret(tmp_path: Path, written: list[bytes]) -> None:
    """Wherever the body breaks off, no start of a planted value is left at its end."""
    whole = b"".join(await ask(Echo()))
    for end in range(8, len(whole), 3):
        transport = RecordingTransport(tmp_path, Echo(end), name="partial", redact=[LISTED, ACCOUNT])
        with pytest.raises(httpx.ReadError):
            await ask(transport)
        assert load(transport.written[0]).partial
        assert len(load(transport.written[0]).body) == end
    for start in (KEY[:6], SESSION[:10], ACCOUNT[:6], "my ", TOKEN[:5], GATEWAY[:9]):
        assert all(start.encode() not in data for data in written), start


async def test_a_recording_with_secrets_is_replayed(tmp_path: Path) -> None:
    """The same request is answered from what was recorded, with the same secrets or with others in their places."""
    with record(tmp_path, Echo(), redact=[LISTED, ACCOUNT]) as transport:
        await ask(transport)
    replay = ReplayTransport(tmp_path, redact=[LISTED, ACCOUNT])
    assert await ask(replay)
    other = {**ASKED_WITH, "tools": [{"type": "mcp", "authorization": "none", "headers": {"X-Api-Key": "none"}}]}
    assert await ask(replay, json=other, headers={"authorization": "Bearer any"}, params={"alt": "sse"})
    assert all(secret not in repr(replay.requests) for secret in SECRETS)


async def test_errors_and_logs_tell_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be recorded or matched is told without the values that it is about."""
    told = list[ReplayError]()
    caplog.set_level(logging.DEBUG)
    for options in ({"provider": "../x"}, {"body_hook": lambda body: body[1:]}):
        transport = RecordingTransport(tmp_path, Echo(), redact=[LISTED, ACCOUNT], **options)  # type: ignore[arg-type]
        await ask(transport)
        told += [error for error in transport.failures if isinstance(error, CaptureError)]
    with pytest.raises(SecretFoundError) as refused:
        save(stream(body=FORMATTED.encode()), tmp_path)
    replay = ReplayTransport([stream()], redact=[LISTED, ACCOUNT])
    with pytest.raises(NoMatchError) as missed:
        await ask(replay, json={**ASKED_WITH, "user": f"{KEY} {LISTED} {ACCOUNT}"})
    told += [refused.value, missed.value]
    assert len(told) == 4
    assert "+++ this request" in str(missed.value)
    words = " ".join([*map(str, told), *(one.getMessage() for one in caplog.records if "miiflow" in one.name)])
    assert [secret for secret in SECRETS if secret in words] == []
    assert load_folder(tmp_path) == []


@pytest.mark.parametrize("name", ["Gateway-Auth", "x-portkey-api-key", "cf-access-client-secret", "Authorization"])
def test_headers_are_hidden_by_their_names(name: str) -> None:
    """A header whose name ends as credentials' names do is noted without its value, however short; others are kept."""
    assert hide({name: "a", "x-max-tokens": "5"}) == {name.lower(): "***", "x-max-tokens": "5"}


@pytest.mark.parametrize("form", forms(KEY))
def test_a_redactor_finds_every_form(form: str) -> None:
    """What a provider escapes or encodes is crossed out too, and its size stays."""
    said = forms(KEY)[form].encode()
    redactor = Redactor([KEY])
    for data in (said, b'{"error": "' + said + b'"}'):
        crossed = redactor.redact(data)
        assert len(crossed) == len(data)
        assert said[:12] not in crossed
        assert not redactor.holds(crossed)
    assert said[:-4] not in redactor.redact(said[:-4], cut=True)
