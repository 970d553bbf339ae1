"""Schedules at random: a seeded sample of what `scripts/soak caching` plays by the ten thousand."""

from __future__ import annotations

import pytest

from .soak import schedule

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("seed", range(40))
async def test_any_schedule(seed: int) -> None:
    """Readers that come, leave, are cancelled and read slowly: whole answers or typed errors, nothing left open."""
    await schedule(seed)
