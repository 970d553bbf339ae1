"""The matrix: fault by wire format by event loop by transport, each cell with one outcome to the letter."""

from __future__ import annotations

import time

import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError, TimeoutError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.core.timeout import Timeout

from .faults import FAULTS, MAX_REQUESTS, Fault
from .helpers import SHORT, client_at
from .server import FaultServer, refusing_port
from .wires import WIRES, Wire

CELLS = [
    pytest.param(fault, wire, id=f"{fault.name}-{wire.name}".replace(" ", "_"))
    for fault in FAULTS
    for wire in fault.wires
]


async def _outcome(fault: Fault, wire: Wire, url: str, transport: str) -> tuple[str, ChatResponse | MiiflowLLMError]:
    """The text handed out, and how the call ended."""
    client = client_at(url, transport, wire, timeout=fault.limits, **fault.options)
    text = ""
    async with client:
        try:
            if not fault.stream:
                return "", await client.chat("Hi")
            async with client.stream_chat("Hi") as stream:
                async for chunk in stream:
                    text += chunk.delta
        except MiiflowLLMError as raised:
            return text, raised
        return text, stream.response


@pytest.mark.anyio
@pytest.mark.parametrize(("fault", "wire"), CELLS)
async def test_a_fault_has_one_outcome(fault: Fault, wire: Wire, transport: str) -> None:
    """Each fault ends in the one way named for it: error type and phase, the text so far, requests on the wire."""
    with FaultServer(fault.answers(wire)) as server:
        began = time.monotonic()
        handed, ended = await _outcome(fault, wire, server.url, transport)
        took = time.monotonic() - began
        assert len(server.requests) == fault.requests
        assert server.settled(), "the connection was not let go"
    assert took < fault.slowest
    if isinstance(ended, ChatResponse):
        assert fault.error is None
        assert ended.content == fault.text
        assert ended.finish_reason == "stop"
        assert handed == (fault.text if fault.stream else "")
    else:
        assert fault.error is not None, f"{type(ended).__name__}: {ended}"
        assert isinstance(ended, fault.error), f"{type(ended).__name__}: {ended}"
        _check_error(fault, ended, handed)
    assert len(ended.attempts) == fault.requests


def _check_error(fault: Fault, raised: MiiflowLLMError, handed: str) -> None:
    assert getattr(raised, "phase", None) == fault.phase, str(raised)
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


@pytest.mark.anyio
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
async def test_a_refused_connection_is_tried_again(wire: Wire, transport: str) -> None:
    """Nobody listens: a `NetworkError` that says so, after every attempt."""
    fault = Fault("refused", lambda _: [])
    _, ended = await _outcome(fault, wire, f"http://127.0.0.1:{refusing_port()}", transport)
    assert type(ended).__name__ == "NetworkError"
    assert "could not connect" in str(ended)
    assert len(ended.attempts) == MAX_REQUESTS


@pytest.mark.anyio
async def test_a_connection_that_is_never_made_times_out_in_its_phase(transport: str) -> None:
    """A server that answers no SYN: `TimeoutError` of the phase `connect`, and no request arrived."""
    fault = Fault("no connection", lambda _: [], limits=Timeout(connect=0.2))
    with FaultServer([], accepts=False) as server:
        _, ended = await _outcome(fault, WIRES[0], server.url, transport)
        assert not server.requests
    assert isinstance(ended, TimeoutError)
    assert ended.phase == "connect"
    assert len(ended.attempts) == MAX_REQUESTS


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_a_network_error(transport: str) -> None:
    """A host without an address: a `NetworkError` that asks whether base_url is right."""
    fault = Fault("no such host", lambda _: [], limits=SHORT, options={"allow_http": True, "max_retries": 0})
    _, ended = await _outcome(fault, WIRES[0], "http://nowhere.invalid", transport)
    assert type(ended).__name__ in ("NetworkError", "TimeoutError")
    assert "connect" in str(ended)


def test_the_matrix_is_as_large_as_it_is_said_to_be() -> None:
    """The number of cells, for the record: faults by formats by two event loops by two transports."""
    assert len(CELLS) * 4 == 2800
