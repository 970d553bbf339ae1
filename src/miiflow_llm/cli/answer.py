"""An answer as it comes: a stream in; on a terminal it is drawn live, in a pipe its text, with `--json` its chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.text import Text

from ..core.exceptions import MiiflowLLMError
from ..core.price import Cost
from ..core.response import ChatResponse, StreamChunk
from ..core.text import printable
from .ending import code_of, say
from .output import console, is_terminal, write, write_json

REDRAWS = 8
"""Redraws in a second: reading Markdown anew costs, and no eye sees more."""

ENDS: Mapping[str | None, str] = {
    "length": "cut off at the token limit",
    "content_filter": "stopped by a content filter",
    "unknown": "ended for a reason that is not known",
}
"""What is said of an answer that did not end of itself."""


class Shown(Protocol):
    """What is shown while it comes: a streamed answer, or a run with tools."""

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""

    def __iter__(self) -> Iterator[StreamChunk]: ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def show(stream: Shown, *, as_json: bool, cid: str | None = None, plain: bool = False) -> ChatResponse:
    """Show the answer while it comes; the whole one. `cid` is its conversation; `plain` draws nothing over.

    Raises:
        MiiflowLLMError: as the stream does; what came before stays on the screen.
    """
    screen = console()
    if as_json:
        return _as_lines(stream, cid)
    if not is_terminal(screen) or plain:
        return _as_text(stream)
    return _drawn(stream, screen)


def _as_text(stream: Shown) -> ChatResponse:
    end = ""
    try:
        with stream:
            for chunk in stream:
                write(chunk.delta)
                end = chunk.delta[-1:] or end
    finally:
        write(_newline(end))
    _say_rest(stream.response)
    return stream.response


def show_whole(response: ChatResponse) -> None:
    """The text of an answer that came in one piece."""
    write(response.content + _newline(response.content[-1:]))
    _say_rest(response)


def _say_rest(response: ChatResponse) -> None:
    """The calls, a line each; and beside the output what the text does not say."""
    for call in response.tool_calls:
        write(f"{call.name}({call.arguments})\n")
    if response.message.refusal:
        say(f"refused: {' '.join(response.message.refusal.split())}")
    elif response.finish_reason in ENDS:
        say(ENDS[response.finish_reason])


def _newline(end: str) -> str:
    return "\n" if end not in ("", "\n") else ""


def _as_lines(stream: Shown, cid: str | None) -> ChatResponse:
    try:
        with stream:
            for chunk in stream:
                write_json({"type": "chunk", **_said(chunk)})
    except MiiflowLLMError as error:
        write_json({"type": "error", "error": type(error).__name__, "message": str(error), "code": code_of(error)})
        raise
    write_json({"type": "finished", **({"conversation": cid} if cid else {}), **facts(stream.response)})
    return stream.response


def _said(chunk: StreamChunk) -> dict[str, Any]:
    deltas = ("delta", "reasoning_delta", "refusal_delta", "tool_call_deltas")
    names = (*deltas, "finish_reason", "partial_parse", "structured_output")
    return {name: value for name in names if (value := getattr(chunk, name)) not in (None, "", [])}


def facts(response: ChatResponse) -> dict[str, Any]:
    """The whole answer as plain values."""
    return {
        "content": response.content,
        "refusal": response.message.refusal,
        "tool_calls": response.tool_calls,
        "structured_output": response.structured_output,
        "finish_reason": response.finish_reason,
        "usage": response.usage,
        "cost": response.cost,
        "provider": response.provider,
        "model": response.model,
        "id": response.id,
        "latency_ms": response.latency_ms,
        "time_to_first_token_ms": response.time_to_first_token_ms,
        "attempts": len(response.attempts),
    }


class _Prose(Markdown):
    """Markdown in which nothing is lost: `<T>` stays text, though it looks like HTML, and links show where they go."""

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False)
        self.markup = text
        self.parsed = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).parse(text)


class _Drawing:
    """The answer so far, as the terminal shows it: its last lines while it comes, all of it at the end."""

    def __init__(self) -> None:
        self.text = list[str]()
        self.reasoning = list[str]()
        self.calls = list[str]()

    def take(self, chunk: StreamChunk) -> None:
        """One chunk more."""
        self.text.append(printable(chunk.delta + chunk.refusal_delta))
        self.reasoning.append(printable(chunk.reasoning_delta))

    def whole(self) -> RenderableType:
        """Everything, from the first line."""
        parts: list[RenderableType] = []
        reasoning = "".join(self.reasoning).strip()
        if reasoning:
            parts.append(Text(reasoning, style="dim italic"))
        if "".join(self.text).strip():
            parts.append(_Prose("".join(self.text)))
        parts.extend(Text(call, style="cyan") for call in self.calls)
        return Group(*parts)

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        """The last lines, as many as fit."""
        lines = screen.render_lines(self.whole(), options.update(height=None), pad=False)
        for row in lines[-max(screen.height - 2, 1) :]:
            yield from row
            yield Segment.line()


def _drawn(stream: Shown, screen: Console) -> ChatResponse:
    drawing = _Drawing()
    with _live(drawing, screen), stream:
        for chunk in stream:
            drawing.take(chunk)
        drawing.calls = [printable(f"{call.name}({call.arguments})") for call in stream.response.tool_calls]
    say_facts(stream.response, screen)
    return stream.response


@contextmanager
def _live(drawing: _Drawing, screen: Console) -> Iterator[None]:
    """Draw the last lines while it lasts, then print all that came, however it ended."""
    try:
        with Live(drawing, console=screen, refresh_per_second=REDRAWS, transient=True, vertical_overflow="crop"):
            yield
    finally:
        screen.print(drawing.whole())


def say_facts(response: ChatResponse, screen: Console) -> None:
    """A dim line under the answer: model, tokens, times, and why it ended if not of itself."""
    usage = response.usage
    said = [response.model]
    if usage:
        said.append(f"{usage.prompt_tokens or 0} → {usage.completion_tokens or 0} tokens")
    if response.cost is not None:
        said.append(money(response.cost))
    if response.time_to_first_token_ms is not None:
        said.append(f"first after {response.time_to_first_token_ms / 1000:.2f} s")
    if response.latency_ms is not None:
        said.append(f"{response.latency_ms / 1000:.2f} s in all")
    if response.finish_reason in ENDS:
        said.append("refused" if response.message.refusal else ENDS[response.finish_reason])
    screen.print(Text(printable(" · ".join(said)), style="dim"))


def money(cost: Cost) -> str:
    """An amount as people read it: to the cent from one unit on, below it with three digits that count."""
    amount = f"{cost.amount:.2f}" if cost.amount >= 1 or cost.amount == 0 else f"{cost.amount:.3g}"
    if "e" in amount:
        amount = f"{cost.amount:.10f}".rstrip("0")
    about = "about " if cost.estimated else ""
    return f"{about}${amount}" if cost.currency == "USD" else f"{about}{amount} {cost.currency}"


def show_value(response: ChatResponse) -> None:
    """The value of a schema, indented."""
    write_json(response.structured_output, indent=2)
