"""The matrix: fault by wire format by event loop by transport, and without a loop, each cell with one outcome.

Many cells run side by side in one loop against one server, so that what they wait for is waited for once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import anyio
import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError, TimeoutError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.timeout import Timeout

from .fault import MAX_REQUESTS, Fault
from .faults import FAULTS
from .helpers import LONG, SHORT, client_at, sync_client_at
from .server import FaultServer, Request, Steps, refusing_port
from .wire import Wire
from .wires import WIRES

MODES = [(loop, transport) for loop in ("asyncio", "trio", "none") for transport in ("lean", "httpx")]
"""Event loop and transport; `none` is the synchronous client."""


class Cell(NamedTuple):
    """One cell of the matrix, for one way to run it."""

    fault: Fault
    wire: Wire


class Ended(NamedTuple):
    """How a cell ended: the text handed out, what came of the call, the seconds it took."""

    handed: str
    result: ChatResponse | MiiflowLLMError
    took: float


class Answers:
    """The answers of many cells from one server: the first part of a path says which cell asks, `/c7/...`."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.asked = [0] * len(cells)
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Steps:
        place = _place(request.line)
        with self._lock:
            number = self.asked[place]
            self.asked[place] += 1
        answers = self.cells[place].fault.answers(self.cells[place].wire)
        return answers[min(number, len(answers) - 1)]


def _place(line: bytes) -> int:
    return int(line.split(b"/")[1].removeprefix(b"c"))


async def _outcome(cell: Cell, url: str, transport: str) -> Ended:
    fault, began, text = cell.fault, time.monotonic(), ""
    async with client_at(url, transport, cell.wire, timeout=fault.limits, **fault.options) as client:
        try:
            if not fault.stream:
                return Ended("", await client.chat(fault.asks), time.monotonic() - began)
            async with client.stream_chat(fault.asks) as stream:
                async for chunk in stream:
                    text += chunk.delta
        except MiiflowLLMError as raised:
            return Ended(text, raised, time.monotonic() - began)
        return Ended(text, stream.response, time.monotonic() - began)


def _outcome_without_loop(cell: Cell, url: str, transport: str) -> Ended:
    fault, began, text = cell.fault, time.monotonic(), ""
    with sync_client_at(url, cell.wire, timeout=fault.limits, transport=transport, **fault.options) as client:
        try:
            if not fault.stream:
                return Ended("", client.chat(fault.asks), time.monotonic() - began)
            with client.stream_chat(fault.asks) as stream:
                for chunk in stream:
                    text += chunk.delta
        except MiiflowLLMError as raised:
            return Ended(text, raised, time.monotonic() - began)
        return Ended(text, stream.response, time.monotonic() - began)


def _run(cells: Sequence[Cell], urls: Sequence[str], loop: str, transport: str, at_once: int) -> list[Ended]:
    """Run the cells, each at its URL, so many of them side by side."""
    if loop == "none":
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(_outcome_without_loop, cells, urls, [transport] * len(cells)))

    async def run() -> list[Ended]:
        ended: dict[int, Ended] = {}
        limiter = anyio.CapacityLimiter(at_once)

        async def one(place: int) -> None:
            async with limiter:
                ended[place] = await _outcome(cells[place], urls[place], transport)

        async with anyio.create_task_group() as group:
            for place in range(len(cells)):
                group.start_soon(one, place)
        return [ended[place] for place in range(len(cells))]

    return anyio.run(run, backend=loop)


def _check_all(cells: Sequence[Cell], loop: str, transport: str, at_once: int) -> None:
    answers = Answers(cells)
    with FaultServer(answers, early=lambda line: cells[_place(line)].fault.early) as server:
        ended = _run(cells, [f"{server.url}/c{place}" for place in range(len(cells))], loop, transport, at_once)
        assert server.settled(10), [cells[_place(line)].fault.name for line in server.unsettled()]
    wrong = [
        f"{cell.fault.name}-{cell.wire.name}: {words}"
        for cell, end, asked in zip(cells, ended, answers.asked, strict=True)
        if (words := _wrong(cell.fault, end, asked))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize(("loop", "transport"), MODES)
def test_each_fault_that_takes_time_has_one_outcome(loop: str, transport: str) -> None:
    """Silence and trickles in all formats at once, so that their waits overlap: each as below."""
    cells = [Cell(fault, wire) for fault in FAULTS if fault.limits is not LONG for wire in fault.wires]
    _check_all(cells, loop, transport, at_once=64)


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
@pytest.mark.parametrize(("loop", "transport"), MODES)
def test_each_fault_has_one_outcome(loop: str, transport: str, wire: Wire) -> None:
    """Each fault ends in the one way named for it: error type and phase, the text so far, requests on the wire."""
    cells = [Cell(fault, wire) for fault in FAULTS if fault.limits is LONG and wire in fault.wires]
    _check_all(cells, loop, transport, at_once=8)


def _wrong(fault: Fault, ended: Ended, asked: int) -> str:
    """What is not as the fault has it, in words."""
    try:
        _check(fault, ended, asked)
    except AssertionError as failure:
        said = (str(failure).splitlines() or ["assert"])[0]
        return f"{said} -- {type(ended.result).__name__}: {ended.result} -- {ended.result.attempts}"
    return ""


def _check(fault: Fault, ended: Ended, asked: int) -> None:
    assert asked == fault.requests
    assert ended.took < fault.slowest
    result = ended.result
    assert len(result.attempts) == fault.requests
    if isinstance(result, ChatResponse):
        assert fault.error is None
        assert result.content == fault.text
        assert result.finish_reason == fault.finish
        assert ended.handed == (fault.text if fault.stream else "")
    else:
        assert fault.error is not None
        assert isinstance(result, fault.error)
        _check_error(fault, result, ended.handed)


def _check_error(fault: Fault, raised: MiiflowLLMError, handed: str) -> None:
    assert getattr(raised, "phase", None) == fault.phase
    if fault.retry_after is not None:
        assert raised.retry_after == pytest.approx(fault.retry_after, abs=2)
    partial = raised.partial.content if raised.partial is not None else ""
    if fault.text.endswith("…"):
        assert partial.startswith(fault.text[:-1])
        assert partial.startswith(handed)
    else:
        assert partial == fault.text
        assert handed == fault.text
    assert raised.partial is None or raised.partial.finish_reason is None
    assert [attempt.reason for attempt in raised.attempts][-1] == type(raised).__name__


def test_the_matrix_is_as_large_as_it_is_said_to_be() -> None:
    """The number of cells, for the record; codings that need a package are left out of it."""
    cells = [fault for fault in FAULTS for _ in fault.wires if fault.name not in ("br", "zstd")]
    assert len(cells) * len(MODES) == 8754


def test_a_wrong_outcome_is_seen() -> None:
    """The comparison notices another number of requests, another text and another error."""
    fault = next(fault for fault in FAULTS if fault.name == "overload after content")
    with FaultServer(Answers([Cell(fault, WIRES[0])])) as server:
        end = _one(fault, "asyncio", "lean", f"{server.url}/c0")
    assert _wrong(fault, end, 1) == ""
    assert _wrong(fault, end, 2)
    assert _wrong(fault._replace(text="Hello"), end, 1)
    assert _wrong(fault._replace(error=TimeoutError), end, 1)
    assert _wrong(fault._replace(error=None), end, 1)
    assert _wrong(fault._replace(phase="idle"), end, 1)


def _one(fault: Fault, loop: str, transport: str, url: str) -> Ended:
    return _run([Cell(fault, WIRES[0])], [url], loop, transport, 1)[0]


@pytest.mark.parametrize(("loop", "transport"), MODES)
def test_a_refused_connection_is_tried_again(loop: str, transport: str) -> None:
    """Nobody listens: a `NetworkError` that says so, after every attempt."""
    fault = Fault("refused", lambda _: [])
    result = _one(fault, loop, transport, f"http://127.0.0.1:{refusing_port()}").result
    assert type(result).__name__ == "NetworkError"
    assert "could not connect" in str(result)
    assert len(result.attempts) == MAX_REQUESTS


@pytest.mark.parametrize(("loop", "transport"), MODES)
def test_a_connection_that_is_never_made_times_out_in_its_phase(loop: str, transport: str) -> None:
    """A server that answers no SYN: `TimeoutError` of the phase `connect`, and no request arrived."""
    fault = Fault("no connection", lambda _: [], limits=Timeout(connect=0.1))
    with FaultServer([], accepts=False) as server:
        result = _one(fault, loop, transport, server.url).result
        assert not server.requests
    assert isinstance(result, TimeoutError)
    assert result.phase == "connect"
    assert len(result.attempts) == MAX_REQUESTS


@pytest.mark.parametrize(("loop", "transport"), MODES)
def test_a_name_that_does_not_exist_is_a_network_error(loop: str, transport: str) -> None:
    """A host without an address: a `NetworkError` that asks whether base_url is right."""
    fault = Fault("no such host", lambda _: [], limits=SHORT, options={"allow_http": True, "max_retries": 0})
    result = _one(fault, loop, transport, "http://nowhere.invalid").result
    assert type(result).__name__ in ("NetworkError", "TimeoutError")
    assert "connect" in str(result)
