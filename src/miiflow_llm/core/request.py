"""One call as the client hands it to the engine: unified, provider-blind, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .messages import Cache, Message, TextBlock


class ToolSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool as a request declares it: `parameters` is JSON Schema, `strict` asks for exact arguments, `cache` for the
    prompt up to here to be cached.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache: Cache = False


class HostedTool(ToolSpec, frozen=True, kw_only=True):
    """A tool that the provider runs itself, a search or a sandbox: `payload` is its own JSON, sent as it is."""

    payload: dict[str, Any]


class OutputSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON Schema that the answer must follow."""

    name: str
    schema: dict[str, Any]
    strict: bool = True


class Plan(msgspec.Struct):
    """The exact request that is sent, and what was done to say it in the provider's words.

    The key's header shows as `***`. `notes` name what was renamed, dropped or left out, and why.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: dict[str, Any] | None
    notes: list[str]
    dialect: str


class ChatRequest(msgspec.Struct, kw_only=True):
    """Everything one call can say; `None` means not said.

    `system` is filled in from the messages, and `system_blocks` where one of its blocks asks to be cached.
    `max_tokens` counts the answer with its reasoning. `stop` is a list of strings. `reasoning` is an effort word
    (`off minimal low medium high max`) or a budget in tokens. `extra_body` is merged into the body last and wins;
    `extra_headers` likewise.
    """

    model: str
    messages: list[Message]
    stream: bool = False
    system: str | None = None
    system_blocks: Sequence[TextBlock] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: Sequence[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: Sequence[ToolSpec] | None = None
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    reasoning: str | int | None = None
    schema: OutputSchema | None = None
    json_mode: bool | None = None
    user: str | None = None
    service_tier: str | None = None
    metadata: Mapping[str, str] | None = None
    extra_body: Mapping[str, Any] | None = None
    extra_headers: Mapping[str, str] | None = None


PARAMETERS: tuple[str, ...] = tuple(
    name
    for name in ChatRequest.__struct_fields__
    if name not in ("model", "messages", "stream", "system", "system_blocks", "extra_body", "extra_headers")
)
"""The settings of a call that a provider may or may not take."""
