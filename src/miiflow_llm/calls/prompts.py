"""What many calls are asked with: a prompt each, in any of the forms in which people have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from ..core.exceptions import ConfigurationError
from .parameters import NAMES, Messages

PROMPT_COLUMNS = ("prompt", "messages", "input", "text")
"""Which column of a CSV file, or key of a JSON line, holds what is asked, the first that is there."""


class BatchRequest(msgspec.Struct, kw_only=True):
    """One request of many: `messages` as `chat` takes them, `key` of the caller's own, `parameters` of this call."""

    messages: Messages
    key: str | None = None
    parameters: dict[str, Any] = {}


Prompt: TypeAlias = Messages | BatchRequest | Mapping[str, Any]
"""A prompt as text, messages, a request, or a mapping with `prompt` or `messages`."""


def as_request(prompt: Any, columns: tuple[str, ...] = PROMPT_COLUMNS) -> BatchRequest:
    """A prompt in any of its forms as a request.

    Raises:
        ConfigurationError: it is a mapping without a prompt.
    """
    if isinstance(prompt, BatchRequest):
        return prompt
    if isinstance(prompt, Mapping) and "role" not in prompt:
        column = next((name for name in columns if name in prompt), None)
        if column is None:
            raise ConfigurationError(f"it has none of {', '.join(columns)}, but {', '.join(map(str, prompt))}")
        rest = prompt.get("parameters") or {name: prompt[name] for name in prompt if name in NAMES}
        key = prompt.get("key", prompt.get("id", prompt.get("custom_id")))
        return BatchRequest(messages=prompt[column], key=None if key is None else str(key), parameters=dict(rest))
    return BatchRequest(messages=prompt)
