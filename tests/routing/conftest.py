"""Both event loops in virtual time: seconds of silence take none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from miiflow_llm.core import clock
from miiflow_llm.replay import virtual_time


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Sockets are real, so that time jumps only when nothing has come for a moment."""
    return virtual_time(request.param, autojump_threshold=0.02)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The tests after these have the real clock."""
    yield
    clock.monotonic = time.monotonic
