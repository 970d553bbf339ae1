"""A small sample of the soak: `scripts/soak` is the whole of it."""

from __future__ import annotations

import argparse

import pytest

from .soak import soak
from .soak_threads import soak_threads


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
def test_threads_leave_nothing_behind() -> None:
    """The same for the synchronous client, shared by threads."""
    row = soak_threads(argparse.Namespace(streams=300, seconds=30.0, seed=11))
    assert row.leaks() == []
    assert row.streams == 300
    assert {"finished", "left", "dropped", "left by exception", "typed error"} <= set(row.ended)
