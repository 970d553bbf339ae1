"""Make answers that no provider gave: a capture in any dialect's format, of text, reasoning, calls or an error.

For tests that need no recording. A fake answers whatever is asked: it has no request of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from ...core.messages import ToolCall
from ...core.response import FinishReason
from ...core.usage import TokenCount
from ..capture import Capture
from . import (
    anthropic_messages,
    bedrock_converse,
    cohere_v2,
    gemini_generate,
    mistral_chat,
    ollama_chat,
    openai_chat,
    openai_responses,
)
from .answer import FakeAnswer, FakeError, words

__all__ = ["DIALECTS", "FakeError", "fake_all", "fake_body", "fake_pair"]


class _Format(Protocol):
    NAME: str
    PROVIDER: str
    PATH: str

    def stream(self, answer: FakeAnswer) -> Iterable[bytes]: ...

    def whole(self, answer: FakeAnswer) -> dict[str, Any]: ...

    def error(self, error: FakeError) -> dict[str, Any]: ...


_FORMATS: dict[str, _Format] = {
    module.NAME: module
    for module in (
        openai_chat,
        openai_responses,
        anthropic_messages,
        gemini_generate,
        mistral_chat,
        ollama_chat,
        cohere_v2,
        bedrock_converse,
    )
}
DIALECTS = tuple(_FORMATS)
"""The formats that can be faked."""

Call = ToolCall | tuple[str, dict[str, Any]]
"""A call: the library's own value, or its name and arguments."""


def fake_body(
    dialect: str,
    *,
    text: str = "",
    reasoning: str = "",
    tool_calls: Iterable[Call] = (),
    finish_reason: FinishReason | None = None,
    usage: TokenCount | None = None,
    error: FakeError | str | None = None,
    streaming: bool = True,
    model: str = "fake",
    provider: str | None = None,
    name: str = "fake",
) -> Capture:
    """An answer in the dialect's format, streamed or whole.

    A stream brings a word at a time. `finish_reason` is "tool_calls" if there are calls and otherwise "stop", if not
    given. `usage` is counted in words where `None`; `TokenCount()` reports none. An `error` (a text is one with
    status 500) replaces the answer, or with `midstream` follows it in the stream. `provider` is the dialect's own
    if not given.

    Raises:
        ValueError: the dialect is not known, has no word for the finish reason, or an error `midstream` has no stream.
    """
    if dialect not in _FORMATS:
        raise ValueError(f"there is no fake of {dialect!r}; there are {', '.join(DIALECTS)}")
    told = FakeError(error) if isinstance(error, str) else error
    calls = [_called(number, call) for number, call in enumerate(tool_calls, 1)]
    answer = FakeAnswer(
        model=model,
        text=text,
        reasoning=reasoning,
        tool_calls=calls,
        finish=finish_reason or ("tool_calls" if calls else "stop"),
        usage=_counted(text, reasoning, calls) if usage is None else usage,
        error=told,
    )
    return _capture(_FORMATS[dialect], answer, streaming=streaming, provider=provider, name=name)


def fake_pair(dialect: str, *, name: str = "fake", **arguments: Any) -> list[Capture]:
    """The same answer streamed and whole, under `name` and `whole_` and it: whatever a client asks for, it is there.

    `arguments` are those of `fake_body`. An error `midstream` is one of the stream; the whole answer is that error.
    """
    error = arguments.get("error")
    whole = (
        {**arguments, "error": msgspec.structs.replace(error, midstream=False)}
        if isinstance(error, FakeError)
        else arguments
    )
    return [
        fake_body(dialect, name=name, streaming=True, **arguments),
        fake_body(dialect, name=f"whole_{name}", streaming=False, **whole),
    ]


def fake_all(**arguments: Any) -> list[Capture]:
    """The same answer in every dialect, each of its own provider and named after the dialect, streamed and whole.

    `arguments` are those of `fake_body`.
    """
    return [capture for dialect in DIALECTS for capture in fake_pair(dialect, name=dialect, **arguments)]


def _capture(form: _Format, answer: FakeAnswer, *, streaming: bool, provider: str | None, name: str) -> Capture:
    path = getattr(form, "STREAM_PATH", form.PATH) if streaming else form.PATH
    capture = Capture(
        name=name,
        provider=provider or form.PROVIDER,
        dialect=form.NAME,
        model="",  # a fake answers whatever model is asked
        streaming=streaming,
        path=path.replace("{model}", answer.model),
        body=b"",
        source="fake",
    )
    error = answer.error
    if error is not None and not error.midstream:
        capture.status, capture.body = error.status, msgspec.json.encode(form.error(error))
    elif streaming:
        capture.body = b"".join(form.stream(answer))
    elif error is not None:
        raise ValueError("an error `midstream` needs a stream; leave out midstream or streaming=False")
    else:
        capture.body = msgspec.json.encode(form.whole(answer))
    return capture


def _called(number: int, call: Call) -> ToolCall:
    if isinstance(call, ToolCall):
        return call
    name, arguments = call
    return ToolCall(id=f"call_{number}", name=name, arguments=msgspec.json.encode(arguments).decode())


def _counted(text: str, reasoning: str, calls: list[ToolCall]) -> TokenCount:
    """A token a word: not what a provider would count, but the same every time."""
    thought = len(words(reasoning))
    said = len(words(text)) + sum(1 + len(words(call.arguments)) for call in calls)
    completion = max(thought + said, 1)
    counted = TokenCount(prompt_tokens=8, completion_tokens=completion, total_tokens=8 + completion)
    return msgspec.structs.replace(counted, reasoning_tokens=thought) if thought else counted
