"""Answers as no document has them: reasons for the end in odd places, texts that come only at the end or twice.

A row is a dialect, the events of a stream and what is read of them. What can be said as a whole answer too is read
alike there.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError, ProviderError, ServiceUnavailableError
from miiflow_llm.core.response import ChatResponse
from miiflow_llm.wire.engine import StreamReader

from ..dialects.asking import engine

Json = dict[str, Any]
PROVIDERS = {
    "openai_chat": "openai-compatible",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini_generate": "gemini",
    "mistral_chat": "mistral",
    "ollama_chat": "ollama",
    "cohere_v2": "cohere",
}


def streamed(dialect: str, *events: Json, done: bool = True) -> StreamReader:
    """The reader after a stream of these events, each in a read of its own."""
    reader = engine(PROVIDERS[dialect], dialect).stream("m")
    ends = [b"data: [DONE]\n\n"] if done and dialect in ("openai_chat", "mistral_chat") else []
    before, after = (b"", b"\n") if dialect == "ollama_chat" else (b"data: ", b"\n\n")
    texts = []
    for frame in (*(before + msgspec.json.encode(event) + after for event in events), *ends):
        texts += [chunk.delta for chunk in reader.feed(frame)]
    texts += [chunk.delta for chunk in reader.finish()]
    assert "".join(texts) == reader.response(finished=False).content
    return reader


def whole(dialect: str, document: Json) -> ChatResponse:
    """A whole answer."""
    return engine(PROVIDERS[dialect], dialect).read_whole(msgspec.json.encode(document), "m")


def choice(**said: Any) -> Json:
    """A frame, or a whole answer, of Chat Completions."""
    return {"id": "c", "model": "m", "choices": [{"index": 0, **said}]}


def completed(*items: Json, **more: Any) -> Json:
    """The last event of Responses."""
    return {"type": "response.completed", "response": {"id": "r", "status": "completed", "output": items, **more}}


HI = {"role": "assistant", "content": "hi"}
REASONS: tuple[tuple[Json, str, str | None], ...] = (
    ({}, "unknown", None),
    ({"finish_reason": None}, "unknown", None),
    ({"finish_reason": ""}, "unknown", None),
    ({"finish_reason": "max_tokens"}, "length", "max_tokens"),
    ({"finish_reason": "MAX_TOKENS"}, "length", "MAX_TOKENS"),
    ({"finish_reason": "FinishReason.STOP"}, "stop", "FinishReason.STOP"),
    ({"finish_reason": "end_turn"}, "stop", "end_turn"),
    ({"finish_reason": "tool_use"}, "tool_calls", "tool_use"),
    ({"finish_reason": "guardrail_intervened"}, "content_filter", "guardrail_intervened"),
    ({"finish_reason": "eos_token"}, "stop", "eos_token"),
    ({"finish_reason": "of no family"}, "unknown", "of no family"),
    ({"finish_reason": {"type": "max_tokens"}}, "length", "max_tokens"),
    ({"finish_reason": None, "finish_details": {"type": "max_tokens"}}, "length", "max_tokens"),
    ({"finish_reason": "", "finish_details": {"type": "max_tokens"}}, "length", "max_tokens"),
    ({"finish_reason": None, "native_finish_reason": "max_tokens"}, "length", "max_tokens"),
    ({"finish_reason": "stop", "native_finish_reason": "end_turn"}, "stop", "stop"),
)


@pytest.mark.parametrize(("said", "reason", "raw"), REASONS, ids=str)
def test_why_it_ended(said: Json, reason: str, raw: str | None) -> None:
    """What was said is read wherever it stands, in the words of any family; what was not said is unknown."""
    answer = whole("openai_chat", choice(message=HI, **said))
    stream = streamed("openai_chat", choice(delta={"content": "hi"}), choice(delta={}, **said))
    assert stream.error is None
    for found in (answer, stream.response()):
        assert (found.content, found.finish_reason, found.raw_finish_reason) == ("hi", reason, raw)


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        ("length", "stop", "length"),
        ("content_filter", "stop", "content_filter"),
        ("length", None, "length"),
        ("stop", "length", "length"),
        ("stop", "tool_calls", "tool_calls"),
        ("length", "content_filter", "content_filter"),
    ],
)
def test_two_reasons(first: str, then: str | None, reason: str) -> None:
    """The last reason counts; but a stream that a gateway closes with `stop` was cut short all the same."""
    stream = streamed(
        "openai_chat", choice(delta={"content": "hi"}, finish_reason=first), choice(delta={}, finish_reason=then)
    )
    assert stream.response().finish_reason == reason
    assert stream.response().raw_finish_reason == reason


ITEM = {"type": "message", "id": "i", "role": "assistant", "content": [{"type": "output_text", "text": "hello world"}]}
RESPONSE = {"type": "response.created", "response": {"id": "r", "model": "m"}}
START = {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}}
ONCE: tuple[tuple[str, str, tuple[Json, ...]], ...] = (
    ("message for delta", "openai_chat", (choice(message={"content": "hello world"}, finish_reason="stop"),)),
    (
        "message after deltas",
        "openai_chat",
        (
            choice(delta={"content": "hello"}),
            choice(delta={"content": " world"}),
            choice(delta={}, message={"content": "hello world"}, finish_reason="stop"),
        ),
    ),
    (
        "delta that tells all again",
        "openai_chat",
        (
            choice(delta={"content": "hello"}),
            choice(delta={"content": " world"}),
            choice(delta={"content": "hello world"}, finish_reason="stop"),
        ),
    ),
    (
        "delta that tells all after the end",
        "mistral_chat",
        (
            choice(delta={"content": "hello"}),
            choice(delta={"content": " world"}),
            choice(delta={"content": ""}, finish_reason="stop"),
            choice(delta={"content": "hello world"}),
        ),
    ),
    (
        "line that tells all again",
        "ollama_chat",
        (
            {"message": {"content": "hello"}, "done": False},
            {"message": {"content": " world"}, "done": False},
            {"message": {"content": "hello world"}, "done": True, "done_reason": "stop"},
        ),
    ),
    ("text of completions", "openai_chat", (choice(text="hello"), choice(text=" world", finish_reason="stop"))),
    (
        "text of completions beside",
        "openai_chat",
        (
            choice(text="hello", delta={"content": "hello"}),
            choice(text=" world", delta={"content": " world"}),
            choice(text="", delta={}, finish_reason="stop"),
        ),
    ),
    ("item with bare text", "openai_responses", (RESPONSE, completed({**ITEM, "content": "hello world"}))),
    (
        "done item with bare text",
        "openai_responses",
        (RESPONSE, {"type": "response.output_item.done", "item": {**ITEM, "content": "hello world"}}, completed(ITEM)),
    ),
    (
        "message in the end",
        "cohere_v2",
        (
            START,
            {
                "type": "message-end",
                "delta": {
                    "finish_reason": "COMPLETE",
                    "message": {"content": [{"type": "text", "text": "hello world"}]},
                },
            },
        ),
    ),
    (
        "message in the end again",
        "cohere_v2",
        (
            START,
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "hello"}}}},
            {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": " world"}}}},
            {
                "type": "message-end",
                "delta": {
                    "finish_reason": "COMPLETE",
                    "message": {"content": [{"type": "text", "text": "hello world"}]},
                },
            },
        ),
    ),
)


@pytest.mark.parametrize(("dialect", "events"), [row[1:] for row in ONCE], ids=[row[0] for row in ONCE])
def test_text_comes_once(dialect: str, events: tuple[Json, ...]) -> None:
    """Told in pieces, at the end, or both: it is there, and once."""
    stream = streamed(dialect, *events)
    assert stream.error is None
    assert stream.response().content == "hello world"
    assert stream.response().finish_reason == "stop"


def test_what_repeats_is_kept() -> None:
    """A word that is said twice is said twice, also with the finish reason."""
    for pieces in (("ha", "ha"), ("no", " no", " no"), ("a", "b", "a"), ("hi",)):
        *first, last = [choice(delta={"content": piece}) for piece in pieces]
        last["choices"][0]["finish_reason"] = "stop"
        assert streamed("openai_chat", *first, last).response().content == "".join(pieces)


def test_a_reason_in_every_frame() -> None:
    """Servers that give a reason with every frame cost no more, however long the answer is, and lose nothing."""
    pieces = [choice(delta={"content": f"{number} "}, finish_reason="stop") for number in range(2000)]
    assert streamed("openai_chat", *pieces).response().content == "".join(f"{number} " for number in range(2000))


def test_text_of_completions_that_breaks_off() -> None:
    """An answer in the older form is complete by its end only."""
    stream = streamed("openai_chat", choice(text="hello"), done=False)
    assert isinstance(stream.error, MiiflowLLMError)
    assert stream.error.partial is not None
    assert stream.error.partial.content == "hello"
    assert whole("openai_chat", choice(text="hello", finish_reason="stop")).content == "hello"


NOTHING: tuple[tuple[str, Json], ...] = (
    ("openai_chat", choice(message={"role": "assistant", "content": None}, finish_reason=None)),
    ("openai_chat", {"id": "x", "choices": []}),
    ("openai_chat", {"id": "x", "choices": None}),
    ("openai_chat", choice(message=None)),
    ("mistral_chat", {"id": "x"}),
    ("anthropic_messages", {"id": "x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 0}}),
    ("gemini_generate", {"candidates": []}),
    ("gemini_generate", {"usageMetadata": {"promptTokenCount": 3}}),
    ("ollama_chat", {"done": True}),
    ("ollama_chat", {"message": {"role": "assistant", "content": ""}, "done": True}),
    ("cohere_v2", {"id": "c", "message": {"content": []}}),
    ("openai_responses", {"id": "r", "output": []}),
)


@pytest.mark.parametrize(("dialect", "document"), NOTHING, ids=str)
def test_nothing_at_all(dialect: str, document: Json) -> None:
    """An answer without content and without a reason is an error that is tried again, whole or streamed."""
    with pytest.raises(ServiceUnavailableError, match="neither content nor a finish reason") as caught:
        whole(dialect, document)
    assert caught.value.retryable
    assert isinstance(streamed(dialect, document).error, MiiflowLLMError)


@pytest.mark.parametrize("said", [{}, {"error": None}, {"error": {}}, {"status": None}], ids=str)
def test_failed_without_an_error(said: Json) -> None:
    """A response that failed and does not say why fails alike, streamed and whole."""
    failed = {"type": "response.failed", "response": {"id": "r", "status": "failed", **said}}
    text = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "hi"}
    stream = streamed("openai_responses", RESPONSE, text, failed)
    with pytest.raises(ProviderError) as caught:
        whole("openai_responses", {"id": "r", "status": "failed", "output": [], "error": said.get("error")})
    for failure in (stream.error, caught.value):
        assert isinstance(failure, ProviderError)
        assert failure.code == "failed"
        assert failure.partial is not None
        assert failure.partial.raw_finish_reason == "failed"
    assert stream.response().content == "hi"


USAGE: tuple[tuple[Json, tuple[int | None, int | None, int | None]], ...] = (
    ({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 0}, (3, 2, 5)),
    ({"input_tokens": 3, "output_tokens": 2}, (3, 2, 5)),
    ({"prompt_tokens": "3", "completion_tokens": 2.0}, (3, 2, 5)),
    ({"prompt_tokens": 5, "total_tokens": 5}, (5, 0, 5)),
    ({"prompt_tokens": 3, "completion_tokens": None, "total_tokens": 5}, (3, None, 5)),
    ({"prompt_tokens": -1, "completion_tokens": 2}, (None, 2, None)),
    ({"prompt_tokens": {"all": 3}}, (None, None, None)),
    ({}, (None, None, None)),
)


@pytest.mark.parametrize(("usage", "wanted"), USAGE, ids=str)
def test_usage(usage: Json, wanted: tuple[int | None, ...]) -> None:
    """Counters under the names of either family; what was not reported is not made up."""
    answer = whole("openai_chat", {**choice(message=HI, finish_reason="stop"), "usage": usage})
    stream = streamed("openai_chat", choice(delta={"content": "hi"}, finish_reason="stop"), {"usage": usage})
    assert stream.error is None
    for found in (answer.usage, stream.response().usage):
        assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == wanted


def test_zeros_unsay_nothing() -> None:
    """A gateway that knows no counts sends zeros: those that came before stay, in every dialect that sends several."""
    real, zeros = ({"prompt_tokens": n, "completion_tokens": n, "total_tokens": 2 * n} for n in (3, 0))
    said = choice(delta={"content": "hi"}, finish_reason="stop")
    chat = streamed("openai_chat", {**said, "usage": real}, {"choices": [], "usage": zeros})
    begun = {"type": "message_start", "message": {"id": "a", "usage": {"input_tokens": 3, "output_tokens": 1}}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    counted = {**end, "usage": {"input_tokens": 0, "output_tokens": 3}}
    messages = streamed("anthropic_messages", begun, text, counted, {"type": "message_stop"})
    for stream in (chat, messages):
        usage = stream.response().usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 3, 6)
    only = streamed("openai_chat", {**said, "usage": zeros}).response().usage
    assert (only.prompt_tokens, only.completion_tokens) == (0, 0)


def test_usage_of_responses_by_the_older_names() -> None:
    """A gateway before a chat server hands its counters on."""
    event = completed(ITEM, usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
    usage = streamed("openai_responses", RESPONSE, event).response().usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 2, 5)


THOUGHT: tuple[Json, ...] = (
    {"reasoning_content": "So."},
    {"reasoning": "So."},
    {"reasoning_text": "So."},
    {"thinking": "So."},
    {"reasoning_details": [{"type": "reasoning.text", "text": "So."}]},
    {"reasoning_details": [{"type": "reasoning.summary", "summary": "So."}]},
    {"reasoning": "So.", "reasoning_content": "So."},
    {"reasoning": "So.", "reasoning_details": [{"type": "reasoning.text", "text": "So."}]},
)


@pytest.mark.parametrize("said", THOUGHT, ids=str)
def test_names_of_reasoning(said: Json) -> None:
    """Reasoning is read under every name, once."""
    answer = whole("openai_chat", choice(message={**HI, **said}, finish_reason="stop"))
    stream = streamed("openai_chat", choice(delta=said), choice(delta={"content": "hi"}, finish_reason="stop"))
    for found in (answer, stream.response()):
        assert (found.message.reasoning, found.content) == ("So.", "hi")


def test_frames_in_frames() -> None:
    """A gateway that puts its own `data:` before that of the server behind it is read."""
    reader = engine("openai-compatible").stream("m")
    for event in (choice(delta={"content": "h"}), choice(delta={"content": "i"}, finish_reason="stop")):
        reader.feed(b"data: data: " + msgspec.json.encode(event) + b"\n\n")
    reader.feed(b"data: data: [DONE]\n\n")
    assert reader.ended
    assert reader.response().content == "hi"


CALLS: tuple[Any, ...] = (
    [{"id": "c", "name": "f", "arguments": '{"a":1}'}],
    [{"id": "c", "type": "function", "name": "f", "arguments": {"a": 1}}],
    [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}],
    {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    {"id": "c", "name": "f", "arguments": {"a": 1}},
)


@pytest.mark.parametrize("calls", CALLS, ids=str)
@pytest.mark.parametrize("dialect", ["openai_chat", "mistral_chat"])
def test_calls_of_other_shapes(dialect: str, calls: Any) -> None:
    """A call without its envelope, or alone without its list, is a call."""
    answer = whole(dialect, choice(message={"content": None, "tool_calls": calls}, finish_reason="tool_calls"))
    stream = streamed(dialect, choice(delta={"tool_calls": calls}), choice(delta={}, finish_reason="tool_calls"))
    for found in (answer, stream.response()):
        (call,) = found.tool_calls
        assert (call.id, call.name, msgspec.json.decode(call.arguments)) == ("c", "f", {"a": 1})


@pytest.mark.parametrize("content", ["hi", ["hi"]], ids=str)
def test_a_message_with_bare_text(content: Any) -> None:
    """Servers that are compatible with Anthropic answer with the string that a request may have."""
    found = whole("anthropic_messages", {"id": "a", "content": content, "stop_reason": "end_turn"})
    assert (found.content, found.finish_reason) == ("hi", "stop")
