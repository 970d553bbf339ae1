"""Small things that the tests of the blocking transport share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from miiflow_llm.http.lean import BlockingLeanTransport, BlockingStream
from miiflow_llm.http.lean.blocking_connection import BlockingConnection
from miiflow_llm.http.lean.books import Books


@contextmanager
def blocking(**options: object) -> Iterator[tuple[httpx.Client, BlockingLeanTransport]]:
    """A client over a transport, without time limits."""
    transport = BlockingLeanTransport(**options)  # type: ignore[arg-type]
    with httpx.Client(transport=transport, timeout=None) as client:
        yield client, transport


def books(transport: BlockingLeanTransport) -> Books[BlockingConnection]:
    """The process's books."""
    return transport.pool.books


def seam(response: httpx.Response) -> BlockingStream:
    stream = response.extensions["miiflow_stream"]
    assert isinstance(stream, BlockingStream)
    return stream


def eventually(holds: Callable[[], bool], seconds: float = 5) -> None:
    """Wait until `holds`, which must happen."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.002)
