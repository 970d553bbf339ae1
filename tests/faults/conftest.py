"""What every test of this folder gets: both event loops, both transports, and retries that do not wait."""

from __future__ import annotations

import re
from importlib import metadata

import pytest
from packaging.version import Version

from miiflow_llm.calls import retry

ANYIO_LOSES_CONNECTIONS = Version(metadata.version("anyio")) < Version("4.16")
"""If a task is cancelled as it has just connected; httpx connects by it, our own transport on asyncio does not."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["lean", "httpx"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "_FIRST", 0.001)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(autouse=True)
def _connects_soundly(request: pytest.FixtureRequest) -> None:
    if ANYIO_LOSES_CONNECTIONS and re.search(r"(cancel|storm).*asyncio(-httpx|\])", request.node.name):
        pytest.skip("anyio before 4.16 loses a connection if a task is cancelled as it has just connected")
