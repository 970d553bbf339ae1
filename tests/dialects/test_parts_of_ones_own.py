"""Parts of a user message that have no unified form: they go verbatim to the provider they are of, and nowhere else."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError
from miiflow_llm.core.messages import DocumentBlock, Message, OpaqueBlock, TextBlock

VIDEO = {"type": "video_url", "video_url": {"url": "https://x/y.mp4"}}
FILE = {"type": "document", "source": {"type": "file", "file_id": "f1"}}
URI = {"fileData": {"fileUri": "gs://x/y"}, "videoMetadata": {"fps": 2}}
WAYS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("openrouter", "openai_chat", "google/gemini-3.8-flash", VIDEO),
    ("togetherai", "openai_chat", "Qwen/Qwen3.6-Plus", VIDEO),
    ("openai", "openai_chat", "gpt-4.1", {"type": "file", "file": {"file_id": "f1"}}),
    ("openai", "openai_responses", "gpt-6-luna", {"type": "input_file", "file_id": "f1"}),
    ("anthropic", "anthropic_messages", "claude-haiku-4-5", FILE),
    ("gemini", "gemini_generate", "gemini-3.8-flash", URI),
    ("mistral", "mistral_chat", "mistral-small-latest", {"type": "file", "file_id": "f1"}),
    ("cohere", "cohere_v2", "command-a-03-2025", {"type": "x"}),
    ("bedrock", "bedrock_converse", "us.amazon.nova-2-lite-v1:0", {"guardContent": {"text": {"text": "x"}}}),
]


def sent(provider: str, dialect: str, model: str, message: Message) -> str:
    """The messages that the provider would be sent, as JSON."""
    client = LLMClient.create(provider, model, "k", dialect=dialect, base_url="http://127.0.0.1:9")
    body = client.plan([Message.user("Look:"), message]).body or {}
    return msgspec.json.encode(body.get("messages") or body.get("contents") or body.get("input")).decode()


@pytest.mark.parametrize(("provider", "dialect", "model", "part"), WAYS, ids=[f"{one[0]}-{one[1]}" for one in WAYS])
def test_verbatim(provider: str, dialect: str, model: str, part: dict[str, Any]) -> None:
    """It stands beside the text as it is given; another provider is not sent it."""
    written = msgspec.json.encode(part).decode()
    message = Message.user([TextBlock("this"), OpaqueBlock.of(part, f"{provider}/{dialect}")])
    said = sent(provider, dialect, model, message)
    assert f'"text":"this"}},{written}]' in said  # an element behind the text
    for other in WAYS:
        if other[:2] != (provider, dialect):
            assert written not in sent(*other[:3], message)


@pytest.mark.parametrize("value", [object(), "\ud800"], ids=["object", "surrogate"])
def test_no_json(value: Any) -> None:
    """A value that is no JSON is an error at once."""
    with pytest.raises(ConfigurationError, match="not JSON"):
        OpaqueBlock.of(value, "openai/openai_chat")


def test_citations_are_asked_for() -> None:
    """A document is to be cited where the wire has a switch for it; elsewhere it is as any other."""
    cited, plain = (DocumentBlock("data:text/plain;base64,SGlnaA==", "text", citations=on) for on in (True, False))
    asked = sent("anthropic", "anthropic_messages", "claude-haiku-4-5", Message.user([cited]))
    assert '"citations":{"enabled":true}' in asked
    for way in WAYS[2:]:
        if way[0] not in ("anthropic", "bedrock"):
            assert sent(*way[:3], Message.user([cited])) == sent(*way[:3], Message.user([plain]))
