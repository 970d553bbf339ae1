"""Requests to Gemini: literal bodies, feature by feature."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm.core.exceptions import UnsupportedParameterError
from miiflow_llm.core.messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
)
from miiflow_llm.core.request import ChatRequest, OutputSchema, ToolSpec

from .asking import BARE, PARAMETERS, PDF, PNG, SCHEMA, TIDE, body, engine, part

GEMINI = engine("gemini")
MODEL = "gemini-3.8-flash"
OWN = f"gemini/gemini_generate/{MODEL}"
USER = {"role": "user", "parts": [{"text": "Hi"}]}
IMAGE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
TIDE_WRITTEN = {"name": "tide", "description": "Times of the tide.", "parametersJsonSchema": PARAMETERS}
SKIP = "skip_thought_signature_validator"


def test_text_with_every_parameter() -> None:
    """A text conversation with all parameters is written under Gemini's names, neighbours of one role as one."""
    written = body(
        GEMINI,
        MODEL,
        Message.system("Be brief."),
        Message.user("Hi"),
        Message.user("there"),
        Message.assistant("Yes?"),
        Message.user("Go on."),
        max_tokens=9,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=3,
        service_tier="flex",
        metadata={"team": "harbour"},
        extra_body={"safetySettings": [], "generationConfig": {"candidateCount": 1}},
    )
    assert written == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}, {"text": "there"}]},
            {"role": "model", "parts": [{"text": "Yes?"}]},
            {"role": "user", "parts": [{"text": "Go on."}]},
        ],
        "generationConfig": {
            "maxOutputTokens": 9,
            "temperature": 0.5,
            "topP": 0.9,
            "topK": 40,
            "stopSequences": ["END"],
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "responseLogprobs": True,
            "logprobs": 3,
            "candidateCount": 1,
        },
        "serviceTier": "flex",
        "labels": {"team": "harbour"},
        "safetySettings": [],
    }


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        (MODEL, False, f"/models/{MODEL}:generateContent"),
        (MODEL, True, f"/models/{MODEL}:streamGenerateContent?alt=sse"),
        (f"models/{MODEL}", False, f"/models/{MODEL}:generateContent"),
    ],
)
def test_path(model: str, stream: bool, path: str) -> None:
    """The path names the model and whether to stream; a name with its prefix is the same model."""
    assert GEMINI.encode(ChatRequest(model=model, messages=[Message.user("Hi")], stream=stream)).path == path


def test_gemma_takes_the_system_prompt_from_the_user() -> None:
    """Gemma has no system instruction: it begins the first message of the user."""
    written = part(GEMINI, "gemma-4-31b-it", Message.system("Be brief."), Message.user("Hi"))
    assert written == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "Hi"}]}]}


def test_media() -> None:
    """Media go in line, or by URI with the type that their ending tells; an uploaded file has its own."""
    uploaded = "https://generativelanguage.googleapis.com/v1beta/files/abc"
    blocks: list[Block] = [
        ImageBlock(PNG),
        ImageBlock("https://example.com/a.jpg?size=2"),
        DocumentBlock(PDF),
        DocumentBlock(uploaded),
        AudioBlock("UklGRg==", "mp3"),
    ]
    assert part(GEMINI, MODEL, Message.user(blocks))["contents"][0]["parts"] == [
        IMAGE,
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.com/a.jpg?size=2"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        {"fileData": {"fileUri": uploaded}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "UklGRg=="}},
    ]


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("tide", {"mode": "ANY", "allowedFunctionNames": ["tide"]}),
    ],
)
def test_tools(choice: str | None, config: dict[str, Any] | None) -> None:
    """Tools are declared in one list, without a schema where they take nothing; a choice is a mode."""
    expected: dict[str, Any] = {
        "tools": [{"functionDeclarations": [TIDE_WRITTEN, {"name": "now"}]}],
        "contents": [USER],
    }
    if config:
        expected["toolConfig"] = {"functionCallingConfig": config}
    assert body(GEMINI, MODEL, tools=[TIDE, BARE], tool_choice=choice) == expected


def test_schemas_are_rewritten() -> None:
    """What Gemini does not take of a schema is said in words, in tools and answers alike."""
    asked = {"type": "object", "properties": {"port": {"const": "Oban"}, "name": {"type": "string", "minLength": 2}}}
    taken = {
        "type": "object",
        "properties": {
            "port": {"type": "string", "enum": ["Oban"]},
            "name": {"type": "string", "description": "minLength: 2"},
        },
    }
    written = body(GEMINI, MODEL, tools=[ToolSpec("tide", "", asked)], schema=OutputSchema("Tide", asked))
    assert written["tools"] == [{"functionDeclarations": [{"name": "tide", "parametersJsonSchema": taken}]}]
    assert written["generationConfig"]["responseJsonSchema"] == taken


@pytest.mark.parametrize("choice", [None, "auto"])
def test_strict_tools(choice: str | None) -> None:
    """A tool that asks for exact arguments has all calls validated."""
    written = body(GEMINI, MODEL, tools=[ToolSpec("tide", "", PARAMETERS, True)], tool_choice=choice)
    assert written["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


CALLS = Message.assistant(tool_calls=[ToolCall("c1", "tide", '{"port":"Oban"}'), ToolCall("c2", "now", "")])


def test_tool_results() -> None:
    """Results answer by name in the order of their calls: objects as they are, all else wrapped, errors as errors."""
    moon = ToolCall("c3", "moon", "{}")
    calls = Message.assistant(tool_calls=[*CALLS.tool_calls, moon])
    answers = [
        Message.tool("[1]", "c3"),
        Message.tool('{"error":"a word of the tool"}', "c2"),
        Message.tool([TextBlock("no such port"), ImageBlock(PNG)], "c1", is_error=True),
    ]
    written = part(GEMINI, MODEL, Message.user("Hi"), calls, *answers, Message.user("Well?"))["contents"]
    assert written[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "tide", "args": {"port": "Oban"}}, "thoughtSignature": SKIP},
                {"functionCall": {"name": "now", "args": {}}},
                {"functionCall": {"name": "moon", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "tide", "response": {"error": "no such port"}, "parts": [IMAGE]}},
                {"functionResponse": {"name": "now", "response": {"output": {"error": "a word of the tool"}}}},
                {"functionResponse": {"name": "moon", "response": {"output": [1]}}},
                {"text": "Well?"},
            ],
        },
    ]


def test_media_of_results_before_gemini_3() -> None:
    """Models before Gemini 3 get a result's media after the results, and need no signatures."""
    answer = Message.tool([TextBlock("a chart"), ImageBlock(PNG)], "c1")
    written = part(GEMINI, "gemini-2.5-flash", Message.user("x"), CALLS, answer, Message.tool("noon", "c2"))["contents"]
    assert written[1]["parts"][0] == {"functionCall": {"name": "tide", "args": {"port": "Oban"}}}
    assert written[2]["parts"] == [
        {"functionResponse": {"name": "tide", "response": {"output": "a chart"}}},
        {"functionResponse": {"name": "now", "response": {"output": "noon"}}},
        IMAGE,
    ]


def test_result_of_an_unknown_call() -> None:
    """A result whose call is not there cannot be said as one: it is a text."""
    named = part(GEMINI, MODEL, Message.tool("noon", "c9", name="now"))["contents"][0]["parts"]
    assert named == [{"text": "What now gave back:"}, {"text": "noon"}]


def level(word: str) -> dict[str, Any]:
    return {"includeThoughts": True, "thinkingLevel": word}


def budget(tokens: int) -> dict[str, Any]:
    return {"includeThoughts": True, "thinkingBudget": tokens}


@pytest.mark.parametrize(
    ("model", "reasoning", "config"),
    [
        ("gemini-2.5-flash", "off", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", budget(1024)),
        ("gemini-2.5-flash", 99999, budget(24576)),
        ("gemini-2.5-flash", -1, budget(-1)),
        ("gemini-2.5-flash-lite", 100, budget(512)),
        ("gemini-2.5-pro", "max", budget(32768)),
        ("gemini-2.5-pro", 5, budget(128)),
        ("gemini-3-pro-preview", "medium", level("high")),
        ("gemini-3.1-pro-preview", "minimal", level("low")),
        ("gemini-3.5-flash-lite", "minimal", level("minimal")),
        ("gemini-3.8-flash", "minimal", level("low")),
        ("gemini-3.8-flash", 5000, level("medium")),
        ("gemini-3.8-flash", -1, {"includeThoughts": True}),
        ("gemini-4-argon", "max", level("high")),
        ("gemini-4-hydrogen", "max", level("xhigh")),
        ("gemini-unheard-of", "xhigh", level("high")),
    ],
)
def test_reasoning(model: str, reasoning: str | int, config: dict[str, Any]) -> None:
    """Reasoning is a budget before Gemini 3 and a level since, cut to what the family takes."""
    written = body(GEMINI, model, reasoning=reasoning)
    assert written["generationConfig"] == {"thinkingConfig": config}


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "gemini-3.8-flash", "gemini-4-argon"])
@pytest.mark.parametrize("reasoning", ["off", 0])
def test_models_that_always_think(model: str, reasoning: str | int) -> None:
    """Asking a model not to think that always does is an error, or dropped where the caller allows it."""
    request = ChatRequest(model=model, messages=[Message.user("Hi")], reasoning=reasoning)
    with pytest.raises(UnsupportedParameterError, match="lowest"):
        GEMINI.encode(request)
    assert GEMINI.encode(request, unsupported="drop").body == {"contents": [USER]}


def test_models_that_never_think() -> None:
    """A model without thinking refuses it, and is never asked not to."""
    with pytest.raises(UnsupportedParameterError, match="does not think"):
        body(GEMINI, "gemini-2.0-flash", reasoning="low")
    assert body(GEMINI, "gemini-2.0-flash", reasoning="off") == {"contents": [USER]}


def test_structured_output() -> None:
    """A schema is JSON Schema beside the type of the answer; JSON alone is the type."""
    kind = "application/json"
    written = body(GEMINI, MODEL, schema=SCHEMA)["generationConfig"]
    assert written == {"responseMimeType": kind, "responseJsonSchema": SCHEMA.schema}
    assert body(GEMINI, MODEL, json_mode=True)["generationConfig"] == {"responseMimeType": kind}


ANSWER = Message(
    "assistant",
    "High at six.",
    parts=[
        ReasoningBlock("Oban, then.", origin=OWN),
        ReasoningBlock("Signed.", signature="c2ln", origin=OWN),
        TextBlock("High at six."),
        TextBlock("", signature="bGFzdA==", origin=OWN),
        OpaqueBlock(msgspec.Raw(b'{"executableCode":{"code":"1"}}'), origin=OWN),
        ToolCall("srv1", "tide", "{}", signature="Y2FsbA==", item_id="srv1", origin=OWN),
        ToolCall("call_1", "now", ""),
    ],
)
RESULTS = [Message.tool("six", "srv1"), Message.tool("noon", "call_1")]


def test_replay_to_the_same_model() -> None:
    """What this model made goes back part by part, signatures in place; an id only where the model gave it."""
    contents = part(GEMINI, MODEL, Message.user("x"), ANSWER, *RESULTS)["contents"][1:]
    assert contents[0]["parts"] == [
        {"text": "Signed.", "thought": True, "thoughtSignature": "c2ln"},
        {"text": "High at six."},
        {"text": "", "thoughtSignature": "bGFzdA=="},
        {"executableCode": {"code": "1"}},
        {"functionCall": {"id": "srv1", "name": "tide", "args": {}}, "thoughtSignature": "Y2FsbA=="},
        {"functionCall": {"name": "now", "args": {}}},
    ]
    assert contents[1]["parts"] == [
        {"functionResponse": {"id": "srv1", "name": "tide", "response": {"output": "six"}}},
        {"functionResponse": {"name": "now", "response": {"output": "noon"}}},
    ]


@pytest.mark.parametrize(
    ("model", "leading"),
    [("gemini-4-argon", {"thoughtSignature": SKIP}), ("gemini-2.5-pro", {})],
)
def test_replay_to_another_model(model: str, leading: dict[str, str]) -> None:
    """Another model gets neither signatures nor ids nor opaque parts, but the mark that the first call has none."""
    contents = part(GEMINI, model, Message.user("x"), ANSWER, *RESULTS)["contents"][1:]
    assert contents[0]["parts"] == [
        {"text": "High at six."},
        {"functionCall": {"name": "tide", "args": {}}, **leading},
        {"functionCall": {"name": "now", "args": {}}},
    ]


def test_what_is_read_goes_back_as_it_came() -> None:
    """A streamed answer of signed parts, sent back, is those parts again."""
    parts = [
        {"text": "High "},
        {"text": "at six.", "thoughtSignature": "YQ=="},
        {"text": "", "thoughtSignature": "Yg=="},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}, "thoughtSignature": "Yw=="},
        {"functionCall": {"id": "srv1", "name": "tide", "args": {}}, "thoughtSignature": "ZA=="},
    ]
    reader = GEMINI.stream(MODEL)
    for one in parts:
        frame = {"candidates": [{"content": {"parts": [one]}, "finishReason": "STOP"}]}
        reader.feed(b"data: " + msgspec.json.encode(frame) + b"\r\n\r\n")
    reader.finish()
    assert part(GEMINI, MODEL, Message.user("x"), reader.response().message)["contents"][1]["parts"] == parts


@pytest.mark.parametrize(
    ("model", "parameters", "works"),
    [
        (MODEL, {"parallel_tool_calls": False}, "no place"),
        (MODEL, {"user": "u1"}, "no place"),
        ("gemini-2.5-flash", {"presence_penalty": 0.5}, "Vertex takes them"),
    ],
)
def test_refused(model: str, parameters: dict[str, Any], works: str) -> None:
    """A parameter without a place on this wire is an error that says so."""
    with pytest.raises(UnsupportedParameterError, match=works):
        body(GEMINI, model, **parameters)
