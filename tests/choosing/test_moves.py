"""What follows an error: every error has a row, and the rows say what the guide says."""

from __future__ import annotations

import pytest

from miiflow_llm.choosing.moves import MOVES, row_of
from miiflow_llm.core import exceptions
from miiflow_llm.core.exceptions import (
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


def over(*, cheaper: bool) -> BudgetExceededError:
    """A call that does not fit into a budget."""
    facts = {"limit": 1.0, "spent": 1.0, "reserved": 0.0, "needed": 0.1}
    return BudgetExceededError("too dear", key="day", currency="USD", cheaper=cheaper, **facts)


CASES = [
    (UnsupportedParameterError("no vision", parameter="image"), "no", "yes", "none"),
    (ConfigurationError("no such parameter"), "no", "no", "none"),
    (NetworkError("reset"), "at_once", "yes", "failure"),
    (TimeoutError("connect", phase="connect"), "at_once", "yes", "failure"),
    (TimeoutError("pool", phase="pool"), "no", "yes", "none"),
    (TimeoutError("silent", phase="first_output"), "no", "yes", "slow"),
    (TimeoutError("stalled", phase="idle"), "last", "yes", "failure"),
    (TimeoutError("write", phase="write"), "last", "yes", "failure"),
    (TimeoutError("total", phase="total"), "no", "no", "none"),
    (StreamInterruptedError("cut"), "last", "yes", "failure"),
    (StreamProtocolError("no JSON"), "last", "yes", "failure"),
    (ServiceUnavailableError("503", retryable=True), "pause", "yes", "failure"),
    (ProviderError("409", retryable=True), "pause", "yes", "failure"),
    (ProviderError("402"), "no", "on_invalid", "none"),
    (RateLimitError("429", retryable=True), "hint", "yes", "cool"),
    (QuotaExceededError("no credit"), "no", "yes", "out"),
    (AuthenticationError("401"), "no", "yes", "out"),
    (PermissionDeniedError("403"), "no", "yes", "out"),
    (ModelNotFoundError("404"), "no", "yes", "out"),
    (ContextLengthError("too long"), "no", "larger", "none"),
    (ContentFilterError("refused"), "no", "on_refusal", "none"),
    (InvalidRequestError("400"), "no", "on_invalid", "none"),
    (ParsingError("not the type"), "no", "on_mismatch", "none"),
    (over(cheaper=True), "no", "yes", "none"),
    (over(cheaper=False), "no", "no", "none"),
]


@pytest.mark.parametrize(("error", "again", "other", "mark"), CASES, ids=lambda value: type(value).__name__)
def test_rows(error: MiiflowLLMError, again: str, other: str, mark: str) -> None:
    """Each error has the row of the table in the guide."""
    row = row_of(error)
    assert (row.again, row.other, row.mark) == (again, other, mark)


def test_every_error_has_a_row_of_its_own() -> None:
    """Every type of error that a caller can meet is named in the table, and no row is never reached."""
    named = {row.error for row in MOVES}
    types = {getattr(exceptions, name) for name in exceptions.__all__ if name != "TimeoutPhase"}
    assert types - named <= {exceptions.MiiflowLLMError}
    assert {row_of(error).name for error, *_ in CASES} == {row.name for row in MOVES} - {"unknown"}
