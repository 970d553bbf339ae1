"""A small sample of the soak: `scripts/soak` is the whole of it."""

from __future__ import annotations

import argparse
from itertools import islice

import pytest

from .soak import soak
from .soak_cost import ATOMS, READERS, Case, Pattern, cases, wrong
from .soak_threads import soak_threads
from .soak_tls import soak_tls


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_hundreds_of_streams_leave_nothing_behind(backend: str, transport: str) -> None:
    """Streams broken off in every way by both sides: afterwards as many sockets, descriptors and tasks as before."""
    row = soak(backend, transport, argparse.Namespace(streams=300, seconds=300.0, seed=11))
    assert row.leaks() == []
    assert row.streams == 300
    assert {"finished", "left", "cancelled", "typed error"} <= set(row.ended)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_threads_leave_nothing_behind(transport: str) -> None:
    """The same for the synchronous client, shared by threads."""
    row = soak_threads(argparse.Namespace(streams=300, seconds=300.0, seed=11), transport)
    assert row.leaks() == []
    assert row.streams == 300
    assert {"finished", "left", "dropped", "left by exception", "typed error"} <= set(row.ended)


@pytest.mark.slow
def test_threads_over_tls_each_get_their_own_answer() -> None:
    """Threads share connections over TLS, some past their deadlines: no stream is broken, none in clear."""
    row = soak_tls(argparse.Namespace(threads=40, each=15, seconds=300.0, seed=11))
    assert row.leaks() == []
    assert row.streams == 600
    assert set(row.ended) == {"finished", "left", "late"}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_bytes_cost_in_proportion(reader: str) -> None:
    """Four times as many bytes cost every reader four times the CPU, not sixteen, whatever they are and in all cuts."""
    dice = [case for case in islice(cases(29), 4000) if case.reader == reader][:12]
    alone = [Case(reader, Pattern(b"", atom, b""), 100) for atom in ATOMS[::5]]
    assert [words for case in (*dice, *alone) if (words := wrong(case))] == []


@pytest.mark.parametrize(
    "case",
    [
        Case("error of openai_chat", Pattern(b"", b"<", b""), 0),
        Case("error of openai_chat", Pattern(b"", b"<script>", b""), 0),
        Case("secrets", Pattern(b"", b"\\", b""), 0),
        Case("SSE", Pattern(b"", b"\n", b""), 4096),
        Case("stream of openai_chat", Pattern(b"", b"\r\n", b""), 4096),
        Case("stream of bedrock_converse", Pattern(b"x", b"[DONE]", b""), 0),
    ],
    ids=lambda case: f"{case.reader}: {case.pattern.middle!r}",
)
def test_what_once_cost_too_much(case: Case) -> None:
    """Patterns that were found by the search, or by attackers before it."""
    assert wrong(case) == ""


def test_a_cost_that_grows_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that looks at its bytes again with each piece is found out."""

    def again_and_again(data: bytes, _: int) -> None:
        for end in range(0, len(data), 64):
            sum(data[:end])

    monkeypatch.setitem(READERS, "a bad one", again_and_again)  # type: ignore[arg-type]
    assert "a bad one" in wrong(Case("a bad one", Pattern(b"", b"ab", b""), 0))
