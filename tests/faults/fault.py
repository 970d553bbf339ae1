"""One row of the matrix: what the server does to each wire format, and what the caller must then see.

A fault is data. `answers` gives the script for a wire; the rest is what is asserted: the type and phase of the error
(`None` for a finished answer), the text in hand, and the number of requests that reached the server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from miiflow_llm.core import exceptions as error
from miiflow_llm.core.timeout import Timeout

from .helpers import LONG
from .server import Steps
from .wire import Wire
from .wires import BEDROCK, COHERE, OLLAMA, WIRES

HTML = b"<html><head><title>502 Bad Gateway</title><style>b{}</style></head><body>nginx</body></html>"
SSE = tuple(wire for wire in WIRES if wire not in (OLLAMA, BEDROCK))
TEXT = tuple(wire for wire in WIRES if wire is not BEDROCK)
"""The wires whose frames are lines."""
CODED = tuple(wire for wire in WIRES if wire is not COHERE)
"""The wires whose errors say of what kind they are, even where no status does."""
MAX_REQUESTS = 3
"""The first request and the two retries of `max_retries=2`: no retry stacks on another."""


class Fault(NamedTuple):
    """One row of the matrix."""

    name: str
    answers: Callable[[Wire], Sequence[Steps]]
    error: type[error.MiiflowLLMError] | None = None
    text: str = "Hello"
    requests: int = 1
    phase: str | None = None
    limits: Timeout = LONG
    wires: Sequence[Wire] = WIRES
    retry_after: float | None = None
    options: dict[str, Any] = {}  # noqa: RUF012  a default that nobody changes
    finish: str = "stop"
    stream: bool = True
    slowest: float = 15.0
    """Seconds after which the call must be over."""
    asks: str = "Hi"
    early: bool = False
    """Whether the answer comes before the request's body is read."""


def always(steps: Callable[[Wire], Steps]) -> Callable[[Wire], Sequence[Steps]]:
    return lambda wire: [list(steps(wire))]


def then_well(steps: Callable[[Wire], Steps]) -> Callable[[Wire], Sequence[Steps]]:
    return lambda wire: [list(steps(wire)), wire.streamed(wire.stream)]
