"""The clock of deadlines and latencies, in seconds that only grow; call it as `clock.monotonic()`, by its module.

A program that makes time virtual (`miiflow_llm.replay`) puts another function here, so nobody else keeps a copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable

monotonic: Callable[[], float] = time.monotonic
