"""What the live tests share: servers that are started once, and clients of them in each wire format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .server import THINK, LiveServer, model, program

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a server unless `scripts/live` runs it."""
    if not os.environ.get("MIIFLOW_LLM_LIVE") or program() is None or model() is None:
        missing = pytest.mark.skip(reason="no model server: scripts/live gets one")
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(missing)


def served(folder: Path, *options: str) -> Iterator[LiveServer]:
    """A server while its tests run."""
    server = LiveServer(*options, log=folder / "server.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The server that most tests share."""
    yield from served(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose model thinks first: the template opens its thoughts, the server closes them."""
    folder = tmp_path_factory.mktemp("thinker")
    template = folder / "think.jinja"
    template.write_text(THINK)
    yield from served(folder, "--jinja", "--chat-template-file", str(template), "--reasoning-budget", "24")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for a key, and embeds."""
    folder = tmp_path_factory.mktemp("guarded")
    yield from served(folder, "--api-key", "the-right-key-of-this-server", "--embeddings", "--pooling", "mean")
