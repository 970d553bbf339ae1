"""Captures served to httpx without a socket."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import msgspec
import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.cuts import cuts
from miiflow_llm.replay.errors import NoMatchError
from miiflow_llm.replay.faults import CutAt, Fault, Reset, Stall, StatusFirst
from miiflow_llm.replay.store import save
from miiflow_llm.replay.transport import ReplayTransport

from .made import ASKED, EVENTS, PATH, stream, whole

pytestmark = pytest.mark.anyio
URL = "https://api.example.com/v1" + PATH
WHOLE = {key: value for key, value in ASKED.items() if key != "stream"}


async def pieces(transport: ReplayTransport, body: dict | None = None, timeout: float = 5) -> list[bytes]:
    """What a streaming client is given, piece by piece."""
    async with (
        httpx.AsyncClient(transport=transport, timeout=timeout) as client,
        client.stream("POST", URL, json=ASKED if body is None else body) as answer,
    ):
        return [piece async for piece in answer.aiter_raw()]


def plain_pieces(transport: ReplayTransport, body: dict | None = None, timeout: float = 5) -> list[bytes]:
    """The same for a client without an event loop."""
    with (
        httpx.Client(transport=transport, timeout=timeout) as client,
        client.stream("POST", URL, json=ASKED if body is None else body) as answer,
    ):
        return list(answer.iter_raw())


@pytest.mark.parametrize("cut", ["whole", "frames", "bytes", "random", 5])
async def test_pieces_are_the_cuts(cut: str) -> None:
    """Each cut of the body arrives as a piece of its own, async and sync."""
    capture = stream()
    transport = ReplayTransport([capture], cut=cut, seed=3)  # type: ignore[arg-type]
    wanted = cuts(capture, cut, 3)  # type: ignore[arg-type]
    assert await pieces(transport) == wanted
    assert plain_pieces(transport) == wanted
    assert [request.outcome for request in transport.requests] == ["sent", "sent"]


async def test_by_name_by_folder_and_in_order(tmp_path: Path) -> None:
    """A folder is served by name, with or without its provider, or in order whatever is asked."""
    for capture in (stream(), whole(), stream("b", body=b"data: b\n\n")):
        save(capture, tmp_path)
    for name in ("text", "openai/text"):
        assert await pieces(ReplayTransport(tmp_path, name=name), {"stream": True}) == EVENTS
        assert await pieces(ReplayTransport(tmp_path, name=name), {}) == [whole().body]
    in_order = ReplayTransport(tmp_path, match=(), repeat=False)
    assert [b"".join(await pieces(in_order, {})) for _ in range(3)] == [b"data: b\n\n", stream().body, whole().body]
    with pytest.raises(NoMatchError):
        await pieces(in_order)


async def test_what_nothing_answers_raises() -> None:
    """A request that nothing answers raises an error that is none of httpx's, with the diff, async and sync."""
    transport = ReplayTransport([stream()])
    with pytest.raises(NoMatchError, match=r'\+  "n": 2'):
        await pieces(transport, {**ASKED, "n": 2})
    with pytest.raises(NoMatchError):
        plain_pieces(transport, {"model": "m-1"})


@pytest.mark.parametrize(
    ("capture", "fault", "error", "handed"),
    [
        (stream(), CutAt(30), httpx.RemoteProtocolError, 30),
        (whole(), CutAt(3), httpx.RemoteProtocolError, 3),
        (stream(), CutAt(30, clean=True), None, 30),
        (stream(), Reset(30), httpx.ReadError, 30),
        (stream(), Reset(None), httpx.ReadError, 0),
        (stream(), Stall(30), httpx.ReadTimeout, 30),
        (stream(), Stall(None), httpx.ReadTimeout, 0),
    ],
)
async def test_faults_are_httpxs(capture: Capture, fault: Fault, error: type[Exception] | None, handed: int) -> None:
    """Each fault is the exception that a socket would have given, after the same bytes, async and sync."""
    transport = ReplayTransport([capture], fault=fault)
    body = {**WHOLE, "stream": capture.streaming}
    raised = []
    try:
        await pieces(transport, body, 0.1)
    except httpx.HTTPError as caught:
        raised.append(type(caught))
    try:
        plain_pieces(transport, body, 0.1)
    except httpx.HTTPError as caught:
        raised.append(type(caught))
    assert raised == ([error, error] if error else [])
    assert [request.sent for request in transport.requests] == [handed, handed]


async def test_a_client_that_leaves_is_noted() -> None:
    """A client that closes an answer before its end is noted as one that left, async and sync."""
    transport = ReplayTransport([stream()])
    async with httpx.AsyncClient(transport=transport) as client, client.stream("POST", URL, json=ASKED):
        pass
    with httpx.Client(transport=transport) as plain, plain.stream("POST", URL, json=ASKED):  # noqa: ASYNC212  on purpose
        pass
    assert [request.outcome for request in transport.requests] == ["left", "left"]


async def test_a_status_comes_first() -> None:
    """The first request gets the status, the second the capture."""
    transport = ReplayTransport([stream()], fault=StatusFirst(503, headers={"retry-after": "2"}))
    async with httpx.AsyncClient(transport=transport) as client:
        first, second = [await client.post(URL, json=ASKED) for _ in range(2)]
    assert (first.status_code, first.headers["retry-after"], second.status_code) == (503, "2", 200)


@pytest.mark.virtual_time
async def test_times_are_recorded_and_scaled() -> None:
    """Recorded waits are kept on the clock, scaled; a stall without a limit can be cancelled."""
    capture = stream(reads=[(0.0, 5), (200.0, 5)], head_ms=200.0)
    await pieces(ReplayTransport([capture], cut="recorded", pace=0.5))
    assert anyio.current_time() == pytest.approx(0.2)
    with anyio.move_on_after(0.05) as scope:
        await pieces(ReplayTransport([stream()], fault=Stall(3)), timeout=None)  # type: ignore[arg-type]
    assert scope.cancelled_caught


async def test_requests_are_noted_without_credentials() -> None:
    """Credentials do not stay in what was received."""
    transport = ReplayTransport([stream()])
    async with httpx.AsyncClient(transport=transport, headers={"authorization": "Bearer s3cret"}) as client:
        await client.post(URL, json=ASKED, params={"key": "s3cret"})
    assert transport.requests[0].capture == "openai/text"
    assert b"s3cret" not in msgspec.json.encode(transport.requests)
