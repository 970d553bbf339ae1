"""Make an `Ask` of messages and parameters: what of a call matters when a target is chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..choosing.affinity import key_of
from ..choosing.table import Ask
from ..core.events import Operation
from ..core.exceptions import ConfigurationError
from ..core.messages import Message
from ..core.timeout import Timeout
from .target import Aim

Affinity = str | bytes | int | Literal[False] | None
"""What a conversation is known by; `None` to tell it from its beginning, `False` for none."""

_SENDS_TWICE = ("background", "store")
"""Fields of a body by which a request leaves something behind at the provider."""


class Asked(msgspec.Struct):
    """A call as the caller made it. `started` and `until` are on the monotonic clock; `raw` and `streamed` say how the
    answer is wanted.
    """

    messages: list[Message]
    parameters: dict[str, Any]
    timeout: Timeout | None
    started: float
    until: float | None
    ask: Ask
    raw: bool = False
    streamed: bool = True
    operation: Operation = "chat"


def affinity_key(affinity: Affinity, messages: Sequence[Message], *, begun: bool = False) -> int | None:
    """The number of the conversation; told from its beginning once there is an answer in it, or if it has `begun`."""
    if affinity is False:
        return None
    if affinity is None:
        return _beginning(messages) if begun or any(one.role == "assistant" for one in messages) else None
    return affinity & (1 << 64) - 1 if isinstance(affinity, int) else key_of(affinity)


def _beginning(messages: Sequence[Message]) -> int:
    """A digest of the system prompt and the first user's turn: they stay as they are while a conversation grows."""
    parts = []
    for message in messages:
        if message.role in ("system", "user"):
            parts.append(message.text)
        if message.role == "user":
            break
    return key_of(*parts)


def may_run_twice(parameters: Mapping[str, Any]) -> bool:
    """Whether a second request beside the first does no harm: not if the provider's own tools act, or it is kept."""
    body = parameters.get("extra_body") or {}
    if any(body.get(name) for name in _SENDS_TWICE):
        return False
    tools = parameters.get("tools")
    if not tools:
        return True
    from ..schema.tools import hosted_tool

    return not any(hosted_tool(tool) for tool in tools)


def left_out(aims: Sequence[Aim], tags: Collection[str], model: str | None) -> dict[int, str]:
    """The targets that the call does not want, with the reason.

    Raises:
        ConfigurationError: it wants none of them.
    """
    if not tags and model is None:
        return {}
    tags = {tags} if isinstance(tags, str) else set(tags)
    out = {aim.place: words for aim in aims if (words := _not_wanted(aim, tags, model))}
    if len(out) == len(aims):
        labels = ", ".join(aim.label for aim in aims)
        wanted = f"model={model!r}" if model is not None else f"tags={sorted(tags)}"
        raise ConfigurationError(f"{wanted} is not one of the router's targets: {labels}")
    return out


def _not_wanted(aim: Aim, tags: Collection[str], model: str | None) -> str | None:
    missing = sorted(set(tags) - set(aim.target.tags))
    if missing:
        return f"it is not tagged {', '.join(missing)}"
    if model is not None and model not in (aim.label, aim.model, f"{aim.provider}:{aim.model}"):
        return f"the call asks for {model}"
    return None
