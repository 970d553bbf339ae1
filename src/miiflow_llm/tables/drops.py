"""What a model refuses: parameters by themselves or beside others, each with the reason and what would work.

A row looks at parameters by name, at the caller's own fields (`extra_body.store`), and at what a request holds: the
words of `HOLDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ..core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, OpaqueBlock, ToolResult
from ..core.request import ChatRequest, HostedTool
from .spelling import spelt
from .template import attribute

Values = tuple[Any, ...] | Callable[[Any], bool]
"""The values that lift a refusal, or a function that says of a value whether it does."""


class Drop(msgspec.Struct, frozen=True):
    """Parameters that models matching `models` refuse, with the reason; without parameters, the request itself.

    `unless` are names, each with the values that lift it; with `beside` it holds only if all of these are given too.
    """

    parameters: tuple[str, ...]
    reason: str
    models: str = ""
    unless: tuple[tuple[str, Values], ...] = ()
    beside: tuple[str, ...] = ()


def drop(
    *parameters: str,
    reason: str,
    models: str = "",
    unless: tuple[str, Any] | Mapping[str, Values] | None = None,
    beside: str | tuple[str, ...] = (),
) -> Drop:
    """Parameters not taken (by models whose name matches the pattern `models`), and what would work.

    `unless` is one name and the value that lifts it, or several with their values. Without parameters the request
    itself is refused, whatever `unsupported` says.
    """
    if isinstance(unless, tuple):
        unless = {unless[0]: (unless[1],)}
    besides = tuple(filter(None, (beside,) if isinstance(beside, str) else beside))
    return Drop(parameters, reason, models, tuple((unless or {}).items()), besides)


@spelt
def at_least(least: float) -> Callable[[Any], bool]:
    """For `unless`: any number from `least` on."""

    def is_enough(value: Any) -> bool:
        return isinstance(value, (int, float)) and value >= least

    return is_enough


@spelt
def at_most(most: int) -> Callable[[Any], bool]:
    """For `unless`: a list of `most` elements or fewer."""
    return lambda value: len(value or ()) <= most


@spelt
def no_blanks() -> Callable[[Any], bool]:
    """For `unless`: a list of strings, none of which is empty or only white space."""
    return lambda value: all(word.strip() for word in value or ())


@spelt
def but(*values: Any) -> Callable[[Any], bool]:
    """For `unless`: anything but `values`; a parameter that was left out counts too."""
    return lambda value: value is None or value not in values


def _functions(request: ChatRequest) -> bool:
    return any(not isinstance(tool, HostedTool) for tool in request.tools or ())


def _hosted_tools(request: ChatRequest) -> bool:
    return any(isinstance(tool, HostedTool) for tool in request.tools or ())


def _citations(request: ChatRequest) -> bool:
    return any(isinstance(block, DocumentBlock) and block.citations for block in _blocks(request))


def _prefill(request: ChatRequest) -> bool:
    last = request.messages[-1:]
    if not last or last[0].role != "assistant":
        return False
    # a turn that paused at the provider's own tools is sent back to be gone on from; the caller did not begin it
    blocks = last[0].blocks()
    return bool(blocks) and not any(isinstance(block, OpaqueBlock) for block in blocks)


def _holds(kind: type) -> Callable[[ChatRequest], bool]:
    return lambda request: any(isinstance(block, kind) for block in _blocks(request))


def _blocks(request: ChatRequest) -> Iterator[Block]:
    for message in request.messages:
        if isinstance(message.content, str) and not message.parts:
            continue
        for block in message.blocks():
            yield block
            yield from block.content if isinstance(block, ToolResult) else ()


HOLDS: Mapping[str, Callable[[ChatRequest], bool]] = {
    "functions": _functions,
    "hosted_tools": _hosted_tools,
    "images": _holds(ImageBlock),
    "documents": _holds(DocumentBlock),
    "audio": _holds(AudioBlock),
    "citations": _citations,
    "prefill": _prefill,
}
"""What a request may hold beside parameters: functions among its tools, tools that the provider runs itself, media,
documents that are to be cited, and an assistant's turn at the end that the caller began for the model."""


def seen(request: ChatRequest, name: str) -> Any:
    """What a row sees of the request under `name`."""
    return HOLDS[name](request) if name in HOLDS else attribute(request, name)
