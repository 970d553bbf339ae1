"""Real captures, our own and the shared ones where they are: kept and served to the byte."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import httpx
import msgspec
import pytest

from miiflow_llm.replay.capture import Capture
from miiflow_llm.replay.inspecting import problems
from miiflow_llm.replay.secrets import find_secret
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.replay.store import load_folder, load_shared, save
from miiflow_llm.replay.transport import ReplayTransport
from tests.captured import SHARED, own


@cache
def real() -> list[Capture]:
    """All there are, by path; names that both folders use are our own's."""
    found = {capture.key: capture for capture in (load_shared(SHARED) if SHARED.is_dir() else [])}
    return list({**found, **{capture.key: capture for capture in own()}}.values())


def test_a_check_finds_real_captures_sound() -> None:
    """Recorded answers decode, are complete, and hold nothing like a secret, whatever was asked."""
    sample = random.Random(11).sample(real(), min(200, len(real())))
    assert {capture.key: found for capture in sample if (found := problems(capture))} == {}


def some(number: int) -> list[Capture]:
    """A seeded sample of those whose path can be asked for."""
    askable = [capture for capture in real() if capture.path and "<" not in capture.path]
    return random.Random(5).sample(askable, min(number, len(askable)))


def query(capture: Capture) -> str:
    """What the dialect adds to its path."""
    return "?alt=sse" if ":stream" in capture.path and "?" not in capture.path else ""


def asking(capture: Capture) -> dict:
    """Its request, or one that asks for the same kind of answer."""
    return {"stream": capture.streaming} if capture.request is None else capture.request


@pytest.mark.slow
def test_all_are_kept(tmp_path: Path) -> None:
    """Real captures are written and read again without a change, and none of them all is taken for a secret."""
    kept = [*own(), *some(200)] if len(real()) > len(own()) else own()
    for capture in kept:
        save(capture, tmp_path)
    found = {capture.key: msgspec.structs.replace(capture, file=None) for capture in load_folder(tmp_path)}
    assert found == {capture.key: msgspec.structs.replace(capture, file=None) for capture in kept}
    assert [capture.key for capture in real() if find_secret(capture.body)] == []


@pytest.mark.anyio
async def test_a_sample_is_served_by_name() -> None:
    """Served over a socket by its name, each gives its status and its body, oddly cut."""
    async with ReplayServer(real(), cut="random", seed=9) as server, httpx.AsyncClient() as client:
        for capture in some(60):
            url = server.url_for(capture.provider, capture.name) + capture.path + query(capture)
            answer = await client.request(capture.method, url, json=asking(capture))
            assert (answer.status_code, answer.content) == (capture.status, capture.body), capture.key


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_sample_is_found_by_its_request() -> None:
    """Asked its own request, without a name, among all the others, each gives an answer to just that request."""
    transport = ReplayTransport(real())
    async with httpx.AsyncClient(transport=transport) as client:
        for capture in some(60):
            url = "https://api.example.com" + capture.path + query(capture)
            await client.request(capture.method, url, json=asking(capture))
            found = next(other for other in real() if other.key == transport.requests[-1].capture)
            assert found.request in (capture.request, None), capture.key
