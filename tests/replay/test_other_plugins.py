"""The plugin beside pytest-asyncio, pytest-trio and pytest-recording, each run where all three are installed.

They are no dependency: `pip install --group beside`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from miiflow_llm.replay.cuts import cuts
from miiflow_llm.replay.fake import fake_body
from miiflow_llm.replay.server import serving
from miiflow_llm.replay.store import save

BESIDE = ("pytest_asyncio", "pytest_trio", "pytest_recording")
pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, BESIDE)), reason="needs pytest-asyncio, pytest-trio and pytest-recording"
)
CONFTEST = """
import asyncio
from miiflow_llm.replay import VirtualTimeLoop

def pytest_asyncio_loop_factories(config, item):
    virtual = item.get_closest_marker("virtual_time")
    return {"virtual": VirtualTimeLoop} if virtual else {"real": asyncio.new_event_loop}
"""
TESTS = """
import os
import anyio, httpx, pytest
from miiflow_llm import LLMClient

async def ask(replay):
    async with httpx.AsyncClient(transport=replay) as http:
        client = LLMClient.create("openai", "m", api_key="any-key", base_url=os.environ["URL"], http_client=http)
        async with client.stream_chat("Hi") as stream:
            return "".join([chunk.delta or "" async for chunk in stream])

@pytest.mark.asyncio
@pytest.mark.replay("recorded", provider="openai")
async def test_asyncio(replay):
    assert await ask(replay) == "Ebb and flow."

@pytest.mark.trio
@pytest.mark.replay("recorded", provider="openai")
async def test_trio(replay):
    assert await ask(replay) == "Ebb and flow."

@pytest.mark.vcr
@pytest.mark.anyio
@pytest.mark.replay("recorded", provider="openai")
async def test_anyio(replay):
    assert await ask(replay) == "Ebb and flow."

@pytest.mark.asyncio
@pytest.mark.virtual_time
@pytest.mark.replay("slow")
async def test_asyncio_in_virtual_time(replay):
    assert await ask(replay) == "Ebb and flow."
    assert anyio.current_time() == 60.0

@pytest.mark.trio
@pytest.mark.virtual_time
@pytest.mark.replay("slow")
async def test_trio_in_virtual_time(replay, autojump_clock):
    assert await ask(replay) == "Ebb and flow."
    assert anyio.current_time() == 60.0
"""


def run(folder: Path, url: str, *options: str) -> str:
    """Run the project's tests; pytest's last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider", *options]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, "URL": url}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().splitlines()[-1]


def test_every_style(tmp_path: Path) -> None:
    """One project with tests of all kinds records, then replays, in parallel too, and in virtual time."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_project.py").write_text(TESTS)
    slow = fake_body("openai_chat", text="Ebb and flow.")
    last = len(cuts(slow)) - 1
    reads = [(place * 60_000.0 / last, len(piece)) for place, piece in enumerate(cuts(slow))]
    save(msgspec.structs.replace(slow, reads=reads), tmp_path / "slow")
    with serving([slow]) as server:
        url = server.url_for("openai")
        assert "4 passed" in run(tmp_path, url, "--record-mode=once", "-k", "not virtual")
        assert len(server.requests) == 1
    assert "6 passed" in run(tmp_path, url)
    assert "6 passed" in run(tmp_path, url, "-n", "2")
