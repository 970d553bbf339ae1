"""How answers of OpenAI Chat and its kin are read: the rules for what a choice says.

A stream says it in pieces under `delta`, a whole answer under `message`. Some servers put a `message` into frames of a
stream, beside the pieces, in place of them or at the end, so both are read in both: what is said once more counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..core.pieces import ONLY_CALL
from ..tables import Each, First, Rule, RuleLike, const, each, emit, first, other_than, position

RETOLD: Mapping[str, Any] = {"or_piece": const(True)}
"""What a rule under `message` has: it may say anew what was said, or be a piece itself."""

NAMES = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
"""The names that servers give to reasoning."""
DETAILS = ("reasoning_details[0].text", "reasoning_details[0].summary")
"""Where some say reasoning again, and some only there."""

TEXT_PARTS = other_than("thinking", "reasoning", "reasoning_text", "summary_text")
"""Parts with a `text` are text, unless they are known to be something else."""

FINISH = emit("finish", first("finish_reason", "finish_reason.type", "finish_details.type", "native_finish_reason"))

CHOICE_ERROR = emit(
    "failure",
    when=first("error", "delta.error", "message.error"),
    row="choice_error",
    message=first(
        "error.message", "error", "delta.error.message", "delta.error", "message.error.message", "message.error"
    ),
    code=first("error.code", "delta.error.code", "message.error.code"),
    type=first("error.type", "error.metadata.error_type"),
)


class Said(NamedTuple):
    """Where a choice says something: in pieces or in full. `rows` is put before the names of the rules there."""

    at: str
    in_full: bool
    rows: str = ""

    def words(self, kind: str, path: str | First, row: str, *, inside: bool = False, **more: Any) -> Rule:
        """The rule for words at `path`, below `at` unless they are `inside` an element."""
        path = path if inside else self.below(path)
        given: dict[str, Any] = {"in_full": path, **RETOLD} if self.in_full else {"text": path}
        return emit(kind, row=self.rows + row, **given, **more)

    def call(self, arguments: str | First, row: str, **more: Any) -> Rule:
        """The rule for a piece of a call."""
        given: dict[str, Any] = {"in_full": arguments, **RETOLD} if self.in_full else {"arguments": arguments}
        return emit("tool_call", row=self.rows + row, **more, **given)

    def below(self, path: str | First) -> str | First:
        """The path, from the choice on."""
        if isinstance(path, First):
            return first(*(f"{self.at}.{one}" for one in path.paths))
        return f"{self.at}.{path}"


def words(said: Said, text: str | First | None = None) -> tuple[RuleLike, ...]:
    """The rules for reasoning, text and refusal, content as a list of parts included; `text` is where text stands."""
    return (
        said.words("reasoning", first(*NAMES, *DETAILS) if said.in_full else first(*NAMES), "reasoning"),
        said.words("text", text or said.below("content"), "text", inside=True),
        said.words("refusal", "refusal", "refusal"),
        each(
            f"{said.at}.content",
            each("thinking", said.words("reasoning", "text", "thinking_parts", inside=True)),
            said.words("reasoning", "thinking", "thinking_text", inside=True),
            said.words("text", "text", "text_parts", inside=True, where=("type", TEXT_PARTS)),
        ),
    )


def calls(said: Said) -> tuple[RuleLike, ...]:
    """The rules for tool calls: a list of them, or the one that there was before there were lists."""
    return (
        each(
            f"{said.at}.tool_calls",
            said.call(
                first("function.arguments", "arguments"),
                "tool_call",
                when=first("function", "name"),
                index="index",
                id="id",
                name=first("function.name", "name"),
                place=position(),
            ),
            said.call(
                "custom.input",
                "custom_tool_call",
                when=first("custom.name", "custom.input"),
                index="index",
                id="id",
                name="custom.name",
                custom=const(True),
                place=position(),
            ),
        ),
        said.call(
            f"{said.at}.function_call.arguments",
            "function_call",
            when=f"{said.at}.function_call",
            index=const(ONLY_CALL),
            name=f"{said.at}.function_call.name",
        ),
    )


DELTA = Said("delta", in_full=False)
RETOLD_MESSAGE = Said("message", in_full=True, rows="message_")
MESSAGE = Said("message", in_full=True)
BARE_TEXT = first("message.content", "text")
"""Where the text of a whole answer stands; some servers answer a chat as completions are answered."""


def usage(at: str, row: str = "usage") -> Rule:
    """The counters at `at`."""
    return emit(
        "usage",
        when=at,
        row=row,
        prompt=first(f"{at}.prompt_tokens", f"{at}.input_tokens"),
        completion=first(f"{at}.completion_tokens", f"{at}.output_tokens"),
        total=f"{at}.total_tokens",
        cached=first(
            f"{at}.prompt_tokens_details.cached_tokens", f"{at}.prompt_cache_hit_tokens", f"{at}.cached_tokens"
        ),
        cache_write=f"{at}.prompt_tokens_details.cache_write_tokens",
        reasoning=first(f"{at}.completion_tokens_details.reasoning_tokens", f"{at}.reasoning_tokens"),
        audio_in=f"{at}.prompt_tokens_details.audio_tokens",
        audio_out=f"{at}.completion_tokens_details.audio_tokens",
    )


ERROR = emit(
    "failure",
    when="error",
    message=first("error.message", "error"),
    code=first("error.code", "code"),
    type=first("error.type", "error.metadata.error_type"),
)

META = emit("meta", when=first("id", "model"), id="id", model="model")


def choices(*said: RuleLike) -> Each:
    """The rules for the first choice; Moonshot counts inside it."""
    return each(
        "choices",
        *said,
        emit("logprobs", "logprobs.content"),
        usage("usage", "choice_usage"),
        FINISH,
        CHOICE_ERROR,
        where=("index", 0),
    )


EVENTS: tuple[RuleLike, ...] = (
    META,
    choices(
        *words(DELTA),
        emit("reasoning", in_full=DELTA.below(first(*DETAILS)), row="reasoning_again", **RETOLD),
        *calls(DELTA),
        emit("citation", "delta.annotations"),
        *words(RETOLD_MESSAGE),
        *calls(RETOLD_MESSAGE),
        emit("citation", in_full="message.annotations", row="message_citation"),
    ),
    usage("usage"),
    ERROR,
)

WHOLE: tuple[RuleLike, ...] = (
    META,
    choices(*words(MESSAGE, BARE_TEXT), *calls(MESSAGE), emit("citation", in_full="message.annotations")),
    usage("usage"),
    ERROR,
)
