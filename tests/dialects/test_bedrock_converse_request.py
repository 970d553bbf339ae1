"""What is written for Bedrock's Converse, beyond the bodies on file: names, marks, tools, families, refusals."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)
from miiflow_llm.schema.tools import Tool

from .asking import PDF, PNG

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
OPUS = "global.anthropic.claude-opus-5-5"
NOVA = "us.amazon.nova-2-lite-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr"
INFERENCE = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{HAIKU}"
CACHED = {"cachePoint": {"type": "default"}}
NOW, TIDE = Tool("now"), Tool("get_tide")


def client(model: str = HAIKU, **options: Any) -> LLMClient:
    """A client of Bedrock's."""
    return LLMClient.create("bedrock", model, "k", region="us-east-1", **options)


def body(*messages: Message | str, model: str = HAIKU, **parameters: Any) -> dict[str, Any]:
    """The body as the wire has it."""
    plan = client(model).plan(list(messages) or ["Hi"], **parameters)
    found = msgspec.json.decode(msgspec.json.encode(plan.body))
    assert isinstance(found, dict)
    return found


def content(*blocks: Any, model: str = HAIKU) -> list[dict[str, Any]]:
    """The content of a user's message of these blocks."""
    found: list[dict[str, Any]] = body(Message.user(list(blocks)), model=model)["messages"][0]["content"]
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_stands_in_the_path(stream: bool) -> None:
    """Escaped, ARNs too; the last word says whether a stream is asked for, and the body does not."""
    plan = client(PROFILE).plan("Hi", stream=stream)
    path = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2F1arbu5hu2sjr/"
    assert plan.url.endswith(path + ("converse-stream" if stream else "converse"))
    assert plan.headers["accept"] == ("application/vnd.amazon.eventstream" if stream else "application/json")
    assert plan.body == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}


def test_turns_alternate() -> None:
    """Neighbours of one role are one message, a tool's results the user's."""
    calls = [ToolCall("a", "now", "{}"), ToolCall("b", "now", "{}")]
    found = body(
        "One",
        "Two",
        Message.assistant("Let me see.", tool_calls=calls),
        Message.tool("6", "a"),
        Message.tool("7", "b"),
        "And?",
        tools=[NOW],
    )["messages"]
    assert [message["role"] for message in found] == ["user", "assistant", "user"]
    assert [next(iter(block)) for block in found[2]["content"]] == ["toolResult", "toolResult", "text"]


def names(*filenames: str | None) -> list[str]:
    """The names that documents with these filenames get."""
    found = content(TextBlock("Read."), *(DocumentBlock(PDF, filename=name) for name in filenames))
    return [block["document"]["name"] for block in found[1:]]


def test_documents_have_names_of_few_characters() -> None:
    """A name is made of what the wire takes, without its ending, and is there where the caller gave none."""
    assert names("tides.pdf", None, "Log_of the  ship: №7 (1820) [a-b].pdf", "潮.pdf") == [
        "tides",
        "document",
        "Log of the ship 7 (1820) [a-b]",
        "document (2)",
    ]
    assert len(names("x" * 500)[0]) <= 200


def test_no_two_documents_have_one_name() -> None:
    """Not in one message, nor in two, nor in a tool's result; the same conversation names them the same."""
    assert names("a.pdf", "a.pdf", "a.txt") == ["a", "a (2)", "a (3)"]
    document = DocumentBlock(PDF, filename="a.pdf")
    result = Message.tool([document], "c")
    messages = [
        Message.user([TextBlock("x"), document]),
        Message.assistant(tool_calls=[ToolCall("c", "get_tide", "{}")]),
        result,
    ]
    found = body(*messages, tools=[TIDE])["messages"]
    assert found[0]["content"][1]["document"]["name"] == "a"
    assert found[2]["content"][0]["toolResult"]["content"][0]["document"]["name"] == "a (2)"
    assert body(*messages, Message.user("y"), tools=[TIDE])["messages"][:2] == found[:2]
    assert document.filename == "a.pdf"


def data(kind: str, said: bytes) -> str:
    """A data URL."""
    return f"data:{kind};base64,{base64.b64encode(said).decode()}"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("text/plain", "txt"),
        ("text/csv", "csv"),
        ("text/html", "html"),
        ("text/markdown", "md"),
        ("text/x-log", "txt"),
        ("application/msword", "doc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        ("application/vnd.ms-excel", "xls"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ],
)
def test_formats_of_documents(kind: str, word: str) -> None:
    """Each kind of document has the wire's word."""
    url = data(kind, b"High at six." if kind.startswith("text/") else b"\xd0\xcf\x11\xe0")
    found = content(TextBlock("x"), DocumentBlock(url))[1]["document"]
    assert (found["format"], found["source"]) == (word, {"bytes": url.partition(",")[2]})


def test_a_text_is_cited_by_its_words() -> None:
    """A text document whose citations are wished for is sent as its words; a PDF as its bytes, as ever."""
    text = DocumentBlock.from_text("High at six.")
    text.citations = True
    assert content(text)[0]["document"]["source"] == {"text": "High at six."}
    found = content(DocumentBlock(PDF, citations=True))[0]["document"]
    assert (found["source"], found["citations"]) == ({"bytes": "JVBERi0="}, {"enabled": True})


def test_media_in_s3() -> None:
    """An s3:// URI is sent as such, its format told by its name."""
    image, document = content(ImageBlock("s3://b/c.jpg"), DocumentBlock("s3://b/c.csv"))
    assert image == {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/c.jpg"}}}}
    assert document["document"]["format"] == "csv"
    assert document["document"]["source"] == {"s3Location": {"uri": "s3://b/c.csv"}}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (ImageBlock("https://example.com/a.png"), "by URL is not taken here"),
        (DocumentBlock("https://example.com/a.pdf"), "by URL is not taken here"),
        (ImageBlock(data("image/bmp", b"BM....")), "image/bmp is not taken"),
        (DocumentBlock(data("application/zip", b"PK\x03\x04")), "application/zip is not taken here"),
    ],
    ids=["image", "document", "bitmap", "archive"],
)
def test_media_that_are_refused(block: Any, words: str) -> None:
    """What the wire does not take is refused before anything is sent."""
    with pytest.raises(UnsupportedParameterError, match=words):
        content(block)


def test_sound() -> None:
    """A sound is its format and its bytes."""
    assert content(AudioBlock("UklGRg==", "mp3")) == [{"audio": {"format": "mp3", "source": {"bytes": "UklGRg=="}}}]


def test_marks_stand_after_what_they_end() -> None:
    """A mark of the cache is a block of its own, behind its block, in system, messages and tools."""
    found = body(
        Message.system([TextBlock("a", cache=True), TextBlock("b")]),
        Message.user([TextBlock("c", cache="30m"), ImageBlock(PNG)]),
        tools=[Tool("now", cache=True), TIDE],
    )
    assert found["system"] == [{"text": "a"}, CACHED, {"text": "b"}]
    assert found["messages"][0]["content"][:2] == [{"text": "c"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert [next(iter(tool)) for tool in found["toolConfig"]["tools"]] == ["toolSpec", "cachePoint", "toolSpec"]


def test_a_mark_in_a_result_stands_after_it() -> None:
    """Inside a tool's result there is no place for one: it covers the same prompt behind it."""
    calls = Message.assistant(tool_calls=[ToolCall("c", "get_tide", "{}")])
    result = Message.tool([TextBlock("Six.", cache="1h"), ImageBlock(PNG)], "c")
    found = body("x", calls, result, tools=[TIDE])["messages"][2]["content"]
    assert [next(iter(block)) for block in found] == ["toolResult", "cachePoint"]
    assert [next(iter(block)) for block in found[0]["toolResult"]["content"]] == ["text", "image"]
    assert found[1] == {"cachePoint": {"type": "default", "ttl": "1h"}}


def test_four_marks_and_no_more() -> None:
    """More marks than are taken are not sent: the first and the last three are."""
    found = body(Message.user([TextBlock(str(number), cache=True) for number in range(7)]))["messages"][0]["content"]
    assert found == [
        *({"text": "0"}, CACHED, {"text": "1"}, {"text": "2"}, {"text": "3"}, {"text": "4"}, CACHED),
        *({"text": "5"}, CACHED, {"text": "6"}, CACHED),
    ]


def test_a_model_without_a_cache() -> None:
    """Where a maker's models cache nothing the mark is not sent, and that is said."""
    plan = client("qwen.qwen3-235b-a22b-2507-v1:0").plan(Message.user("Hi", cache=True))
    assert plan.body == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert any("cache mark" in note for note in plan.notes)


def test_calls_need_tools() -> None:
    """A conversation with calls is sent with the tools that were called, where it is given none."""
    calls = [ToolCall("a", "get_tide", "{}"), ToolCall("b", "now", "{}"), ToolCall("c", "get_tide", "{}")]
    results = [Message.tool("6", call.id) for call in calls]
    messages = [Message.user("x"), Message.assistant(tool_calls=calls), *results]
    found = body(*messages)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in found["tools"]] == ["get_tide", "now"]
    assert "toolChoice" not in found
    given = body(*messages, tools=[TIDE])["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in given] == ["get_tide"]
    stray = body(Message.user("x"), Message.tool("6", "z", name="now"))
    assert "toolConfig" not in stray  # without its call a result is a text


def test_no_tool_is_to_be_called() -> None:
    """Without calls so far that is to have no tools; with them it cannot be said, and is dropped where asked."""
    assert "toolConfig" not in body("x", tools=[NOW], tool_choice="none")
    messages = [
        Message.user("x"),
        Message.assistant(tool_calls=[ToolCall("a", "now", "{}")]),
        Message.tool("6", "a"),
    ]
    with pytest.raises(UnsupportedParameterError, match="there is no word for calling none"):
        body(*messages, tools=[NOW], tool_choice="none")
    plan = client(unsupported="drop").plan(messages, tools=[NOW], tool_choice="none")
    assert "toolChoice" not in (plan.body or {})["toolConfig"]
    assert any(note.startswith("dropped: tool_choice") for note in plan.notes)


def ids(identity: str, model: str = HAIKU) -> set[str]:
    """The ids that a call and its result have."""
    call = Message.assistant(tool_calls=[ToolCall(identity, "now", "{}")])
    found = body("x", call, Message.tool("6", identity), tools=[NOW], model=model)["messages"]
    return {found[1]["content"][0]["toolUse"]["toolUseId"], found[2]["content"][0]["toolResult"]["toolUseId"]}


def test_ids_are_such_as_are_taken() -> None:
    """An id that fits stays; another is made of it, the same for call and result, and for no other id."""
    for fits in ("tooluse_x4n2-Q.k:1", "a" * 64):
        assert ids(fits) == {fits}
    odd = [ids(one) for one in ("a" * 65, "a" * 66, "call|1", "call/1")]
    assert [len(one) for one in odd] == [1, 1, 1, 1]
    assert len(set.union(*odd)) == 4
    assert all(len(one) <= 64 and one.replace("_", "").isalnum() for one in set.union(*odd))
    (nine,) = ids("tooluse_x4n2", "mistral.mistral-large-3-675b-instruct")
    assert len(nine) == 9
    assert nine.isalnum()


@pytest.mark.parametrize(("model", "status"), [(HAIKU, "error"), (NOVA, "error"), ("qwen.qwen3-32b-v1:0", None)])
def test_a_failed_call(model: str, status: str | None) -> None:
    """That a tool failed is said to the models that take it; to the others its words say it."""
    call = Message.assistant(tool_calls=[ToolCall("a", "now", "{}")])
    found = body("x", call, Message.tool("No clock.", "a", is_error=True), model=model)["messages"][2]["content"]
    assert found[0]["toolResult"].get("status") == status
    assert found[0]["toolResult"]["content"] == [{"text": "No clock."}]


def test_blank_text_is_not_sent() -> None:
    """Text of white space alone, which models write before a call, is refused on the wire: it says nothing."""
    call = ToolCall("a", "now", "{}")
    messages = [
        Message.system([TextBlock(" "), TextBlock("Be brief.")]),
        Message.user([TextBlock("\n"), TextBlock("x")]),
        Message("assistant", "\n\n", parts=[TextBlock("\n\n"), call]),
        Message.tool([TextBlock(" "), TextBlock("6")], "a"),
    ]
    found = body(*messages, tools=[NOW])
    assert [next(iter(block)) for block in found["messages"][1]["content"]] == ["toolUse"]
    assert found["messages"][0]["content"] == [{"text": "x"}]
    assert found["messages"][2]["content"][0]["toolResult"]["content"] == [{"text": "6"}]
    blank = body(Message.system(" "), "x")
    assert "system" not in blank
    marked = body(Message.system([TextBlock(" "), TextBlock("y", cache=True)]), "x")["system"]
    assert marked == [{"text": "y"}, CACHED]
    with pytest.raises(ConfigurationError, match="nothing that could be sent"):
        body(" ")


def test_a_system_tool() -> None:
    """A tool that Bedrock runs goes as it is given, beside functions."""
    grounding = {"systemTool": {"name": "nova_grounding"}}
    found = body("x", tools=[NOW, grounding], model=NOVA)["toolConfig"]["tools"]
    assert [next(iter(tool)) for tool in found] == ["toolSpec", "systemTool"]
    assert found[1] == grounding


def test_reasoning_goes_back_signed() -> None:
    """Reasoning goes back with its signature, or as it was encrypted; without either it is left out."""
    origin = f"bedrock/bedrock_converse/{HAIKU}"
    blocks = [
        ReasoningBlock("a", signature="s", origin=origin),
        ReasoningBlock("", data="ZQ==", origin=origin),
        ReasoningBlock("b", origin=origin),
        TextBlock("Six."),
    ]
    found = body("x", Message("assistant", "Six.", parts=blocks), "y")["messages"][1]["content"]
    assert found == [
        {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "ZQ=="}},
        {"text": "Six."},
    ]


def more(model: str, **parameters: Any) -> dict[str, Any]:
    """The fields that are the model's own."""
    found: dict[str, Any] = body("x", model=model, **parameters).get("additionalModelRequestFields", {})
    return found


def test_reasoning_by_family() -> None:
    """Each family is asked to reason in its own words."""
    assert more(HAIKU, reasoning="low") == {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert more(INFERENCE, reasoning="low") == more(HAIKU, reasoning="low")
    assert more(OPUS, reasoning="xhigh") == {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "xhigh"},
    }
    assert more(NOVA, reasoning="max") == {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}
    assert more(NOVA, reasoning=0) == {"reasoningConfig": {"type": "disabled"}}
    assert more("openai.gpt-oss-120b-1:0", reasoning="minimal") == {"reasoning_effort": "low"}
    for model in (HAIKU, OPUS, NOVA, PROFILE, "openai.gpt-oss-120b-1:0"):
        assert more(model) == {}


@pytest.mark.parametrize("model", [PROFILE, "deepseek.r1-v1:0", "us.xai.grok-4.7"])
def test_reasoning_of_the_unknown(model: str) -> None:
    """How others are asked is not guessed: the error says where to say it, and that is taken."""
    with pytest.raises(UnsupportedParameterError, match="additionalModelRequestFields"):
        body("x", model=model, reasoning="low")
    mine = {"additionalModelRequestFields": {"reasoning": {"effort": "low"}}}
    assert body("x", model=model, extra_body=mine)["additionalModelRequestFields"] == {"reasoning": {"effort": "low"}}


def test_a_budget_needs_room() -> None:
    """A budget that leaves nothing for the answer is an error, and no parameter is changed for it."""
    with pytest.raises(ConfigurationError, match="leaves none for the answer"):
        body("x", max_tokens=2000, reasoning=4000)
    assert body("x", max_tokens=5000, reasoning=4000)["inferenceConfig"] == {"maxTokens": 5000}


def test_families_refuse_what_they_refuse_at_home() -> None:
    """What Anthropic's models refuse they refuse here, under their names here; others are asked."""
    with pytest.raises(UnsupportedParameterError, match="refuses sampling parameters"):
        body("x", model=OPUS, temperature=0.5)
    with pytest.raises(UnsupportedParameterError, match="does not think"):
        body("x", model="anthropic.claude-3-haiku-20240307-v1:0", reasoning="low")
    assert body("x", model=NOVA, temperature=0.5)["inferenceConfig"] == {"temperature": 0.5}


TIDES = {"type": "object", "properties": {"high": {"type": "string"}}, "required": ["high"]}


@pytest.mark.parametrize(
    ("model", "way"),
    [
        (HAIKU, "outputConfig"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "toolConfig"),
        (NOVA, "toolConfig"),
        ("openai.gpt-oss-20b-1:0", "outputConfig"),
        ("meta.llama3-3-70b-instruct-v1:0", "system"),
        (PROFILE, "system"),
    ],
)
def test_a_schema_by_family(model: str, way: str) -> None:
    """A schema is the wire's field, a tool that must be called, or words, as the family has it."""
    found = body("x", model=model, schema=TIDES)
    assert set(found) == {"messages", way}
    if way == "outputConfig":
        form = found["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
        assert msgspec.json.decode(form["schema"])["required"] == ["high"]


@pytest.mark.parametrize(
    ("word", "sent"),
    [("auto", None), ("standard", "default"), ("default", "default"), ("flex", "flex"), ("priority", "priority")],
)
def test_service_tiers(word: str, sent: str | None) -> None:
    """Our words are the wire's, and `auto` says nothing."""
    assert body("x", service_tier=word).get("serviceTier") == (None if sent is None else {"type": sent})


def test_a_part_of_ones_own() -> None:
    """What has no unified form goes as it is, to Bedrock alone."""
    video = OpaqueBlock.of({"video": {"format": "mp4"}}, "bedrock/bedrock_converse")
    assert content(TextBlock("x"), video)[1] == {"video": {"format": "mp4"}}


@pytest.mark.parametrize("model", [".", ".."])
def test_a_model_is_no_place(model: str) -> None:
    """A name that would lead elsewhere in the address is refused."""
    with pytest.raises(ConfigurationError, match="is not a name"):
        client(model).plan("Hi")
