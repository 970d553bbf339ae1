"""What follows an error, as a table: whether the same target is asked again, whether another is, what becomes of it.

Rows are tried in order; the first whose error and condition fit is the one. The reasons stand in the guide's page on
routing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from ..core.exceptions import (
    AuthenticationError,
    BudgetExceededError,
    ConfigurationError,
    ContentFilterError,
    ContextLengthError,
    InvalidRequestError,
    MiiflowLLMError,
    ModelNotFoundError,
    NetworkError,
    ParsingError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    StreamProtocolError,
    TimeoutError,
    UnsupportedParameterError,
)

Again = Literal["no", "last", "at_once", "pause", "hint"]
"""When the same target is asked again.

`no`: never in this call. `last`: only if no other can be asked. `at_once`, `pause`, `hint`: also, once, at the first
target of a policy that wants the first: at once, after a short pause, or after its own hint if that is short.
"""
Other = Literal["yes", "larger", "no", "on_refusal", "on_mismatch", "on_invalid"]
"""Whether another target is asked: `larger` is one with a larger known context; `on_…` is up to that setting."""
Mark = Literal["none", "failure", "slow", "cool", "out"]
"""What it says of the target's health. `slow` is a failure that also teaches how slow the target is."""


class Row(msgspec.Struct, frozen=True):
    """What follows one kind of error."""

    name: str
    again: Again
    other: Other
    mark: Mark
    error: type[MiiflowLLMError]
    when: Callable[[Any], bool] | None = None


def _phase(*names: str) -> Callable[[Any], bool]:
    return lambda error: error.phase in names


MOVES: tuple[Row, ...] = (
    Row("unsayable", "no", "yes", "none", UnsupportedParameterError),
    Row("total", "no", "no", "none", TimeoutError, _phase("total")),
    Row("pool", "no", "yes", "none", TimeoutError, _phase("pool")),
    Row("connect", "at_once", "yes", "failure", TimeoutError, _phase("connect")),
    Row("silence", "no", "yes", "slow", TimeoutError, _phase("first_output")),
    Row("stall", "last", "yes", "failure", TimeoutError),
    Row("connection", "at_once", "yes", "failure", NetworkError),
    Row("cut", "last", "yes", "failure", StreamInterruptedError),
    Row("protocol", "last", "yes", "failure", StreamProtocolError),
    Row("mismatch", "no", "on_mismatch", "none", ParsingError),
    Row("quota", "no", "yes", "out", QuotaExceededError),
    Row("rate", "hint", "yes", "cool", RateLimitError),
    Row("key", "no", "yes", "out", AuthenticationError),
    Row("permission", "no", "yes", "out", PermissionDeniedError),
    Row("model", "no", "yes", "out", ModelNotFoundError),
    Row("context", "no", "larger", "none", ContextLengthError),
    Row("refusal", "no", "on_refusal", "none", ContentFilterError),
    Row("invalid", "no", "on_invalid", "none", InvalidRequestError),
    Row("unavailable", "pause", "yes", "failure", ServiceUnavailableError),
    Row("retryable", "pause", "yes", "failure", ProviderError, lambda error: error.retryable),
    Row("refused", "no", "on_invalid", "none", ProviderError),
    Row("over_budget", "no", "yes", "none", BudgetExceededError, lambda error: error.cheaper),
    Row("budget", "no", "no", "none", BudgetExceededError),
    Row("configuration", "no", "no", "none", ConfigurationError),
    Row("unknown", "no", "no", "none", MiiflowLLMError),
)


def row_of(error: MiiflowLLMError) -> Row:
    """The row of an error."""
    return next(row for row in MOVES if isinstance(error, row.error) and (row.when is None or row.when(error)))
