"""Many targets behind one face: `Router`, `SyncRouter`, and what their targets and settings are."""

from __future__ import annotations

from ..choosing.settings import Settings
from ..choosing.table import Ask, Choice, Table
from .report import Candidate, Explanation, RouteHealth, TargetHealth
from .router import Router
from .state import RedisState
from .streams import RoutedStream, SyncRoutedStream
from .sync_router import SyncRouter
from .target import Target

__all__ = [
    "Ask",
    "Candidate",
    "Choice",
    "Explanation",
    "RedisState",
    "RouteHealth",
    "RoutedStream",
    "Router",
    "Settings",
    "SyncRoutedStream",
    "SyncRouter",
    "Table",
    "Target",
    "TargetHealth",
]
