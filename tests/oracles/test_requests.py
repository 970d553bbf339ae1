"""The bodies of all features fit the vendors' own request types, with no key that those do not name.

The SDKs are no dependency: each test runs where its SDK is installed (the group `oracles`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from miiflow_llm.core.exceptions import MiiflowLLMError

from ..dialects.features import LISTED, bodies

pytest.importorskip("pydantic")

from .fitting import fit, misfits, parameters_of

Check = Callable[[dict[str, Any], bool], list[str]]


def openai_chat(body: dict[str, Any], stream: bool) -> list[str]:
    """The openai SDK, chat."""
    pytest.importorskip("openai")
    from openai.types.chat import completion_create_params as params

    kind = params.CompletionCreateParamsStreaming if stream else params.CompletionCreateParamsNonStreaming
    return misfits(body, kind)


def openai_responses(body: dict[str, Any], stream: bool) -> list[str]:
    """The openai SDK, Responses."""
    pytest.importorskip("openai")
    from openai.types.responses import response_create_params as params

    return misfits(body, params.ResponseCreateParamsStreaming if stream else params.ResponseCreateParamsNonStreaming)


def anthropic(body: dict[str, Any], stream: bool) -> list[str]:
    """The anthropic SDK."""
    pytest.importorskip("anthropic")
    from anthropic.types import message_create_params as params

    return misfits(body, params.MessageCreateParamsStreaming if stream else params.MessageCreateParamsNonStreaming)


def groq(body: dict[str, Any], stream: bool) -> list[str]:
    """The groq SDK."""
    pytest.importorskip("groq")
    from groq.types.chat.completion_create_params import CompletionCreateParams

    return misfits(body, CompletionCreateParams)


def mistral(body: dict[str, Any], stream: bool) -> list[str]:
    """The mistralai SDK."""
    models = pytest.importorskip("mistralai.client.models")
    return misfits(body, models.ChatCompletionStreamRequest if stream else models.ChatCompletionRequest)


def ollama(body: dict[str, Any], stream: bool) -> list[str]:
    """The ollama SDK."""
    return misfits(body, pytest.importorskip("ollama._types").ChatRequest)


def cohere(body: dict[str, Any], stream: bool) -> list[str]:
    """The cohere SDK, whose functions' arguments are the keys of the body, but for `stream`."""
    client = pytest.importorskip("cohere").ClientV2
    rest = {key: value for key, value in body.items() if key != "stream"}
    return fit(rest, parameters_of(client.chat_stream if stream else client.chat))


def gemini(body: dict[str, Any], stream: bool) -> list[str]:
    """The google-genai SDK, whose config has beside the contents all that the wire has apart."""
    kinds = pytest.importorskip("google.genai.types")
    rest = {key: value for key, value in body.items() if key not in ("contents", "generationConfig")}
    config = {**rest, **body.get("generationConfig", {})}
    if "thinkingLevel" in config.get("thinkingConfig", {}):  # the server takes either case, the SDK's enum has capitals
        config["thinkingConfig"] = {
            **config["thinkingConfig"],
            "thinkingLevel": config["thinkingConfig"]["thinkingLevel"].upper(),
        }
    found = misfits(config, kinds.GenerateContentConfig)
    return found + misfits(body["contents"], list[kinds.Content], "$.contents")


def bedrock(body: dict[str, Any], stream: bool) -> list[str]:
    """botocore's model of the service, which knows of every key but those inside what is the models' own."""
    session = pytest.importorskip("botocore.session").Session()
    validate = pytest.importorskip("botocore.validate")
    operation = session.get_service_model("bedrock-runtime").operation_model("ConverseStream" if stream else "Converse")
    found = validate.ParamValidator().validate({"modelId": "m", **body}, operation.input_shape)
    return [found.generate_report()] if found.has_errors() else []


CHECKS: dict[str, Check] = {
    "openai chat": openai_chat,
    "openai chat reasoning": openai_chat,
    "openai responses": openai_responses,
    "anthropic": anthropic,
    "anthropic budget": anthropic,
    "gemini": gemini,
    "gemini budget": gemini,
    "mistral": mistral,
    "cohere": cohere,
    "ollama": ollama,
    "groq": groq,
    "bedrock": bedrock,
    "bedrock nova": bedrock,
    "bedrock gpt-oss": bedrock,
}
THEIRS = [
    (openai_responses, "detail is missing", "recorded requests without it were answered"),
    (openai_responses, "input_audio", "the type lists it, but not among the parts of a message"),
    (
        anthropic,
        "temperature is not known",
        "gone from version 2026-10-21 of the API, not from 2023-06-01, which is sent",
    ),
    (anthropic, "top_p is not known", "as above"),
    (anthropic, "top_k is not known", "as above"),
    (groq, "stream_options is not known", "the server takes it and sends the usage with and without"),
    (ollama, "anyOf is not known", "the server's own struct has it"),
]
"""What a type does not know though the server takes it: by SDK and words, with the reason."""


def is_theirs(check: Check, misfit: str) -> bool:
    """Whether the misfit is one of those explained."""
    return any(check is one and words in misfit for one, words, _ in THEIRS)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", CHECKS)
def test_bodies_fit(wire: str, stream: bool) -> None:
    """Every feature that the wire takes is said in the vendor's own words."""
    check, seen = CHECKS[wire], 0
    found: dict[str, list[str]] = {}
    for feature, body in bodies(wire, stream=stream).items():
        if isinstance(body, MiiflowLLMError):
            continue
        seen += 1
        wrong = [one for one in check(body, stream) if not is_theirs(check, one)]
        if wrong:
            found[feature] = wrong
    assert found == {}
    assert seen >= 20


def test_what_does_not_fit_is_found() -> None:
    """A key too many, one too few and a wrong value are each found where they stand."""
    pytest.importorskip("anthropic")
    good = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}
    assert anthropic(good, False) == []
    assert anthropic({**good, "seed": 1}, False) == ["$: seed is not known"]
    assert anthropic({key: good[key] for key in ("model", "messages")}, False) == ["$: max_tokens is missing"]
    assert anthropic({**good, "tool_choice": {"type": "some"}}, False)[0].startswith("$.tool_choice.type: 'some'")
    assert anthropic({**good, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, False) != []


def test_every_excuse_is_needed() -> None:
    """What is explained is still so: an excuse that no body needs any more is taken out."""
    pytest.importorskip("cohere")  # the last of the SDKs to be installed
    found = {
        (check.__name__, words)
        for wire, check in CHECKS.items()
        for body in bodies(wire, stream=True).values()
        if isinstance(body, dict)
        for misfit in check(body, True)
        for one, words, _ in THEIRS
        if check is one and words in misfit
    }
    assert found == {(check.__name__, words) for check, words, _ in THEIRS}


def test_every_sdk_has_its_wires() -> None:
    """The wires that are not checked are those of makers without an SDK of their own here."""
    others = {LISTED[wire][0] for wire in LISTED.keys() - CHECKS.keys()}
    assert others == {"ollama", "deepseek", "openrouter", "togetherai", "xai", "azure", "ai21", "openai-compatible"}
