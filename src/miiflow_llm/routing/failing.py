"""What is raised when no target gave an answer: the first target's error, with what became of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.exceptions import (
    ConfigurationError,
    ContentFilterError,
    MiiflowLLMError,
    RateLimitError,
    ServiceUnavailableError,
)
from ..core.response import ChatResponse
from .attempted import Attempted


class Refused(ContentFilterError):
    """A whole answer that was refused, while the caller would have another target's; `partial` is that answer."""

    def __init__(self, response: ChatResponse) -> None:
        super().__init__("the model refused", provider=response.provider, model=response.model)
        self.partial = response


def raised(
    failures: Sequence[Attempted],
    unsayable: Sequence[ConfigurationError],
    skipped: Mapping[str, str],
    back: float | None,
) -> MiiflowLLMError:
    """The error of a call without an answer.

    It is the first target's own, never that of a later one, which might hide it: the others' are its notes. If nothing
    could be sent, `retry_after` says in how many seconds a target is back.
    """
    if failures:
        return _first_of(failures)
    if unsayable:
        first, *others = unsayable
        for error in others:
            first.add_note(str(error))
        return first
    words = "; ".join(f"{label}: {why}" for label, why in skipped.items())
    kind = RateLimitError if any("rate limit" in why or "counters" in why for why in skipped.values()) else None
    return (kind or ServiceUnavailableError)(
        f"no target can be asked now; nothing was sent. {words}", retry_after=back, retryable=back is not None
    )


def _first_of(failures: Sequence[Attempted]) -> MiiflowLLMError:
    first, *others = failures
    assert first.error is not None  # noqa: S101  failures have errors
    for other in others:
        first.error.add_note(f"then {other.aim.label} ({other.made.why}): {other.error}")
    return first.error
