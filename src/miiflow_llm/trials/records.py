"""What a trial writes down: plain structs, of which each is one line of its log.

Units are not written as the caller gave them but as a digest, so that a log holds no user's name.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from ..core.exceptions import MiiflowLLMError
from ..core.response import ChatResponse


class Design(msgspec.Struct, tag="design", frozen=True, omit_defaults=True):
    """How units are assigned: written when a trial begins in a process.

    `key` names this way of assigning; it changes with the salt and the shares. `goal` is the metric that decides.
    `adaptive` says that shares follow the results, so that intervals do not hold.
    """

    trial: str
    key: str
    shares: dict[str, float]
    goal: str = "success"
    adaptive: bool = False
    at: float = 0.0


class Exposure(msgspec.Struct, tag="exposure", frozen=True, omit_defaults=True):
    """A unit met its arm for the first time: at the first output, or at the failure in its place."""

    trial: str
    unit: str
    arm: str
    design: str
    at: float = 0.0


class Result(msgspec.Struct, tag="result", frozen=True, omit_defaults=True):
    """One call and how it ended.

    `arm` is the one that was assigned, `served_by` the label of the target that answered. `ok` is false if the call
    raised; then `error` is the exception's name. Times are in milliseconds, `cost` in units of `currency`; `None` if
    not known.
    """

    trial: str
    unit: str
    arm: str
    call_id: str
    ok: bool
    finish_reason: str | None = None
    error: str | None = None
    served_by: str | None = None
    crossed: bool = False
    first_output_ms: float | None = None
    latency_ms: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    currency: str = "USD"
    at: float = 0.0


class Score(msgspec.Struct, tag="score", frozen=True, omit_defaults=True):
    """What the caller thought of an answer: a judge's mark, a thumb up (1) or down (0)."""

    trial: str
    call_id: str
    value: float
    at: float = 0.0


class Pair(msgspec.Struct, tag="pair", frozen=True, omit_defaults=True):
    """What a shadow saw: the primary's answer beside the candidate's, in brief."""

    trial: str
    call_id: str
    primary: dict[str, Any]
    candidate: dict[str, Any]
    at: float = 0.0


Record = Design | Exposure | Result | Score | Pair


def digest(unit: str) -> str:
    """A unit as it stands in a log."""
    return hashlib.blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def brief(answer: ChatResponse | MiiflowLLMError) -> dict[str, Any]:
    """An answer, or the error in its place, as a log keeps it."""
    if isinstance(answer, MiiflowLLMError):
        return {"error": type(answer).__name__, "message": answer.message}
    return {
        "provider": answer.provider,
        "model": answer.model,
        "text": answer.content,
        "finish_reason": answer.finish_reason,
        "latency_ms": answer.latency_ms,
        "completion_tokens": answer.usage.completion_tokens,
        "cost": answer.cost.amount if answer.cost is not None else None,
    }
