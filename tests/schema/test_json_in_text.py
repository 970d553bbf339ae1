"""The answer in what a model wrote: bare, in a fence, among words, after a draft, or where the reasoning should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miiflow_llm import LLMClient, Message
from miiflow_llm.calls.structured import Shape, ShapeReader, decode_shape
from miiflow_llm.core.exceptions import ParsingError
from miiflow_llm.core.messages import ReasoningBlock, ToolCall
from miiflow_llm.core.response import ChatResponse, FinishReason, StreamChunk
from miiflow_llm.replay.fake import DIALECTS, fake_pair
from miiflow_llm.replay.server import ReplayServer
from miiflow_llm.schema.json_in_text import DraftFilter, answers_in, without_draft
from miiflow_llm.schema.tools import Tool


@dataclass
class Tide:
    """An answer."""

    port: str
    high: int = 0


OBAN = Tide("Oban", 6)
ANSWER = '{"port":"Oban","high":6}'
DRAFT = '{"port":"Ayr","high":5}'
TEXTS = {
    "bare": ANSWER,
    "mark": f"\ufeff{ANSWER}",
    "space": f"\n\n  {ANSWER}\n",
    "fence": f"```json\n{ANSWER}\n```",
    "fence without a word": f"```\n{ANSWER}\n```",
    "fence in a line": f"```{ANSWER}```",
    "tildes": f"~~~json\n{ANSWER}\n~~~",
    "windows": f"Here:\r\n```json\r\n{ANSWER}\r\n```\r\n",
    "words before": f"Here it is: {ANSWER}",
    "words around": f"Sure {{as said}}, see [1]. {ANSWER} Good luck {{x}}!",
    "fence among words": f"The answer, not {DRAFT}:\n```json\n{ANSWER}\n```\nIt was not {DRAFT}.",
    "two fences": f"First thoughts:\n```json\n{DRAFT}\n```\nBetter:\n```json\n{ANSWER}\n```",
    "words and a later one": f"I thought of {DRAFT}, but it is {ANSWER}",
    "draft": f"<think>\nMaybe {DRAFT}?\n</think>\n\n{ANSWER}",
    "draft in a fence": f"<think>```json\n{DRAFT}\n```</think>```json\n{ANSWER}\n```",
    "draft without a beginning": f"Maybe {DRAFT}\n</think>\n{ANSWER}",
    "draft in capitals": f"<THINKING>{DRAFT}</THINKING>{ANSWER}",
    "two drafts": f"<think>{DRAFT}</think><think>{DRAFT}</think>{ANSWER}",
    "empty draft": f"<think></think>{ANSWER}",
    "Mistral's": f"[THINK]{DRAFT}[/THINK]{ANSWER}",
    "Kimi's": f"◁think▷{DRAFT}◁/think▷{ANSWER}",
    "gpt-oss's": f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
    "not the type": f'{ANSWER} follows {{"type":"object"}}, I hope.',
}


def read(text: str, type_: Any, size: int) -> tuple[Any, Any]:
    """The value of an answer that comes in pieces, and the last value before it."""
    reader, chunk = ShapeReader(Shape.of(type_)), StreamChunk()
    for at in range(0, len(text), size):
        chunk = StreamChunk(delta=text[at : at + size])
        reader.read(chunk)
    response = ChatResponse(message=Message.assistant(text), finish_reason="stop")
    return reader.finish(response), chunk.partial_parse


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_answer_and_never_the_draft(name: str, size: int) -> None:
    """Whatever stands around it, the answer is read; a schema as a dict reads the same."""
    found, partial = read(TEXTS[name], Tide, size)
    assert found == OBAN
    schema = {"type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}
    assert decode_shape(Shape.of(schema), TEXTS[name]) == {"port": "Oban", "high": 6}
    if "draft" in name or "'s" in name:
        assert partial == {"port": "Oban", "high": 6}


@pytest.mark.parametrize("size", [1, 4])
def test_no_draft_is_shown_while_it_grows(size: int) -> None:
    """While a draft comes there is no value yet."""
    reader = ShapeReader(Shape.of(Tide))
    text = f"<think>{DRAFT}"
    for at in range(0, len(text), size):
        chunk = StreamChunk(delta=text[at : at + size])
        reader.read(chunk)
        assert chunk.partial_parse is None


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (list[int], "[1,2]", [1, 2]),
        (list[int], '{"value":[1,2]}', [1, 2]),
        (list[int], "So: ```json\n[1, 2.0]\n```", [1, 2]),
        (list[int], "See {x}: [1,2]", [1, 2]),
        (list[Tide], f"[{ANSWER}]", [OBAN]),
        (list[Tide], f'{{"value":[{ANSWER}]}}', [OBAN]),
        (list[Tide], f"<think>[{DRAFT}]</think>[{ANSWER}]", [OBAN]),
        (list[dict[str, int]], '[{"value":1}]', [{"value": 1}]),
        (int, "5", 5),
        (int, '{"value":5.0}', 5),
        (bool, "true", True),
        (str, '"Oban"', "Oban"),
        (str, "Oban", "Oban"),
        (Literal["high", "low"], "low", "low"),
        (Literal["high", "low"], "<think>high?</think> low", "low"),
        (Tide | None, "null", None),
        ({"type": "array", "items": {"type": "integer"}}, "[1]", [1]),
    ],
    ids=str,
)
def test_a_value_that_should_be_wrapped(type_: Any, text: str, value: Any) -> None:
    """A list, a number or a word is read bare too, though an object was asked for."""
    assert read(text, type_, 3)[0] == value


@pytest.mark.parametrize(
    ("type_", "text", "words"),
    [
        (Tide, "", "it is empty"),
        (Tide, f"<think>{DRAFT}", "within a draft"),
        (Tide, "I cannot.", "malformed"),
        (Tide, '{"port":"Ob', r"truncated|ends"),
        (Tide, f'{DRAFT[:-1]}, "x": {{', r"truncated|ends"),
        (Tide, '```json\n{"port":3}\n```', r"\$\.port: Expected `str`, got `int`"),
        (list[int], '[1,"x"]', r"\$\[1\]: Expected `int`, got `str`"),
        (list[int], '{"value":[1,"x"]}', r"\$\[1\]: Expected `int`, got `str`"),
        (str, '{"value": "Ob', r"truncated|ends"),
        (Literal["high", "low"], "middle", "malformed"),
    ],
    ids=str,
)
def test_what_is_no_answer(type_: Any, text: str, words: str) -> None:
    """The error says what is wrong with the likeliest answer, and has the whole text."""
    with pytest.raises(ParsingError, match=words) as caught:
        read(text, type_, 5)
    assert caught.value.text == text
    assert caught.value.partial is not None


def reasoned(reasoning: str, finish: FinishReason, text: str = "") -> ChatResponse:
    """An answer with nothing but reasoning."""
    message = Message("assistant", text, parts=[ReasoningBlock(reasoning)])
    return ChatResponse(message=message, finish_reason=finish)


@pytest.mark.parametrize("reasoning", [ANSWER, f"```json\n{ANSWER}\n```\n"])
def test_json_where_the_reasoning_should_be(reasoning: str) -> None:
    """JSON that is all the reasoning of a finished answer without content is the answer."""
    assert ShapeReader(Shape.of(Tide)).finish(reasoned(reasoning, "stop")) == OBAN


@pytest.mark.parametrize(
    "response",
    [reasoned(f"Perhaps {DRAFT}.", "stop"), reasoned(DRAFT, "length"), reasoned(DRAFT, "content_filter")],
    ids=["among words", "cut", "refused"],
)
def test_json_in_the_reasoning_that_may_be_a_draft(response: ChatResponse) -> None:
    """JSON among other words of the reasoning, or in one that was cut, is not read, and the error says where it is."""
    with pytest.raises(ParsingError, match="its reasoning holds JSON"):
        ShapeReader(Shape.of(Tide)).finish(response)


def test_content_comes_before_reasoning() -> None:
    """Content that is no answer is an error, whatever the reasoning holds."""
    with pytest.raises(ParsingError, match="malformed"):
        ShapeReader(Shape.of(Tide)).finish(reasoned(ANSWER, "stop", "I cannot."))


def test_a_tag_in_a_value() -> None:
    """A closing tag in a string of the answer is a word of it, whole and while it grows."""
    text = '{"port":"</think>","high":6}'
    assert read(text, Tide, 3) == (Tide("</think>", 6), {"port": "</think>", "high": 6})


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "{", "}", "[", '"', "a", " ", "\n", "<", "{}", "```"])), st.data()
)
def test_drafts_do_not_depend_on_the_cuts(words: list[str], data: st.DataObject) -> None:
    """What is passed on after the last draft is the same however the text comes; what holds no JSON never raises."""
    text, found, at = "".join(words), "", 0
    reader = DraftFilter()
    while at < len(text):
        step = data.draw(st.integers(1, 9))
        passed = reader.feed(text[at : at + step])
        found = passed if reader.ended else found + passed
        at += step
    expected = without_draft(text)
    assert found == expected or (not found and expected.strip() in ("", "<", "["))
    answers_in(text)


def test_a_text_of_brackets_takes_little_time() -> None:
    """However many brackets begin no JSON, the search ends."""
    assert answers_in("[x" * 200_000) == []
    assert answers_in('{"a":' * 20_000) == []


@pytest.mark.anyio
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", ["fence among words", "draft", "draft without a beginning"])
async def test_in_every_dialect(dialect: str, name: str) -> None:
    """Whole and streamed, whichever way the model was asked."""
    captures = fake_pair(dialect, text=TEXTS[name])
    provider = captures[0].provider
    async with ReplayServer(captures, match=("streaming",)) as server:
        async with LLMClient.create(
            provider, "m", "k", dialect=dialect, base_url=server.url_for(provider, captures[0].name)
        ) as client:
            whole = await client.chat("x", schema=Tide)
            chunks = [chunk async for chunk in client.stream_with_schema("x", Tide)]
    assert whole.structured_output == OBAN
    assert chunks[-1].structured_output == OBAN


@pytest.mark.parametrize(
    "text",
    [
        '{"port":"O\nb\tan","high":6.0}',
        'Here:\n```json\n{\n  "port": "O\nb\tan",\n  "high": 6\n}\n```',
        '{"po\x01rt":1,"port":"O\nb\tan","high":6}',
    ],
)
@pytest.mark.parametrize("size", [1, 5])
def test_raw_control_characters(text: str, size: int) -> None:
    """A raw newline or tab in a string, as models write them, is that character, whole and while it grows."""
    found, partial = read(text, Tide, size)
    assert found == Tide("O\nb\tan", 6)
    assert partial["port"] == "O\nb\tan"


def test_raw_control_characters_of_arguments() -> None:
    """The same of a call's arguments, by `parsed` and by a tool."""

    def put(port: str, high: int) -> str:
        """Write it down."""
        return port

    arguments = '{"port":"O\nban","high":6.0}'
    assert ToolCall("c", "put", arguments).parsed() == {"port": "O\nban", "high": 6.0}
    assert Tool.from_function(put).arguments(arguments) == {"port": "O\nban", "high": 6}
    with pytest.raises(ParsingError):
        ToolCall("c", "put", '{"port":"O\\\n"}').parsed()
