"""A small sample of the soak: `scripts/soak` is the whole of it."""

from __future__ import annotations

import argparse

import pytest

from .soak import soak
from .soak_threads import soak_threads
from .soak_tls import soak_tls


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_hundreds_of_streams_leave_nothing_behind(backend: str, transport: str) -> None:
    """Streams broken off in every way by both sides: afterwards as many sockets, descriptors and tasks as before."""
    row = soak(backend, transport, argparse.Namespace(streams=300, seconds=30.0, seed=11))
    assert row.leaks() == []
    assert row.streams == 300
    assert {"finished", "left", "cancelled", "typed error"} <= set(row.ended)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_threads_leave_nothing_behind(transport: str) -> None:
    """The same for the synchronous client, shared by threads."""
    row = soak_threads(argparse.Namespace(streams=300, seconds=30.0, seed=11), transport)
    assert row.leaks() == []
    assert row.streams == 300
    assert {"finished", "left", "dropped", "left by exception", "typed error"} <= set(row.ended)


@pytest.mark.slow
def test_threads_over_tls_each_get_their_own_answer() -> None:
    """Threads share connections over TLS, some past their deadlines: no stream is broken, none in clear."""
    row = soak_tls(argparse.Namespace(threads=40, each=15, seconds=30.0, seed=11))
    assert row.leaks() == []
    assert row.streams == 600
    assert set(row.ended) == {"finished", "left", "late"}
