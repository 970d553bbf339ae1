"""Malformed HTTP gives typed errors: it never hangs the client, leaks a connection or raises anything else."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from miiflow_llm.http.lean.response import ResponseReader

from .fuzz import Malformed, cases, run
from .helpers import taken


def descriptors() -> int:
    opened = Path("/proc/self/fd")
    return len(list(opened.iterdir())) if opened.exists() else 0


@pytest.mark.slow
@pytest.mark.anyio
async def test_over_sockets() -> None:
    """Two thousand malformed responses come out whole or as three kinds of httpx errors, and leave nothing open."""
    await run(1, 20)  # what is opened once, stays
    before = descriptors()
    outcomes = await run(20261124, 2000)
    assert outcomes.total() == 2000
    assert set(outcomes) == {"whole", "RemoteProtocolError", "ReadError"}
    assert min(outcomes.values()) > 50
    assert descriptors() <= before


def read(case: Malformed, parts: tuple[bytes, ...]) -> tuple[object, ...]:
    reader = ResponseReader(case.method)
    body = b""
    for part in parts:
        reader.feed(part)
        body += taken(reader)
    reader.feed_eof()
    head = (reader.status, reader.reason, tuple(reader.headers)) if reader.head_done else None
    return head, body if reader.error is None else None, type(reader.error)


def test_cuts_do_not_matter() -> None:
    """Malformed or not, a response means the same however it is cut."""
    for number, case in enumerate(islice(cases(7), 10_000)):
        data = b"".join(case.parts)
        assert read(case, case.parts) == read(case, (data,)), number
