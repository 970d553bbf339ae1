"""Media in a request: of which kind their bytes are, which kinds a wire takes, and how much of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import UnsupportedParameterError
from miiflow_llm.core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, Message, TextBlock
from miiflow_llm.dialects.anthropic_messages import ANTHROPIC_MESSAGES
from miiflow_llm.tables import Provider
from miiflow_llm.tables.media import media

from .asking import PNG

GIF, BMP, HEIC = b"GIF89a....", b"BM......", b"....ftypheic"


def data_url(kind: str, data: bytes) -> str:
    """The bytes under a type that need not be theirs."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def plan(provider: str, model: str, *blocks: Block) -> Any:
    """The body of a question with the blocks."""
    return LLMClient.create(provider, model, "k").plan([Message.user([TextBlock("x"), *blocks])]).body


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        (data_url("image/png", GIF), "image/gif"),
        (data_url("image/jpeg", base64.b64decode(PNG.partition(",")[2])), "image/png"),
        (data_url("image/webp", b"...."), "image/webp"),
        ("data:image/webp;base64,A", "image/webp"),
        ("data:;base64,R0lGODlhLi4u", "image/gif"),
    ],
)
def test_the_bytes_say_what_they_are(url: str, kind: str) -> None:
    """A data URL that is mistaken about its bytes is corrected; where they say nothing it is believed."""
    assert media(ImageBlock(url)).type == kind
    sent = plan("anthropic", "claude-haiku-4-5", ImageBlock(url))["messages"][0]["content"][1]
    assert sent["source"]["media_type"] == kind


REFUSED: list[tuple[str, str, Block, str]] = [
    ("anthropic", "claude-haiku-4-5", ImageBlock.from_bytes(BMP), "image/bmp"),
    ("anthropic", "claude-haiku-4-5", ImageBlock(data_url("image/png", HEIC)), "image/heic"),
    ("gemini", "gemini-3.8-flash", ImageBlock.from_bytes(GIF), "image/gif"),
    ("deepseek", "deepseek-flash", ImageBlock.from_bytes(HEIC), "image/heic"),
    ("openai", "gpt-4.1", AudioBlock("T2dnUw==", "ogg"), "audio/ogg"),
]


@pytest.mark.parametrize(("provider", "model", "block", "kind"), REFUSED, ids=[one[3] for one in REFUSED])
def test_kinds_that_are_not_taken(provider: str, model: str, block: Block, kind: str) -> None:
    """A kind that the wire does not take is named, with those that it does, before anything is sent."""
    with pytest.raises(UnsupportedParameterError, match=rf"Block: {kind} is not taken here, but .*: convert it"):
        plan(provider, model, block)


@pytest.mark.parametrize("kind", ["text", "txt"])
def test_text_documents_are_text(kind: str) -> None:
    """Where a text document can be no part of its own it is text; one behind a link would have to be fetched."""
    document = DocumentBlock("data:text/plain;base64,SGlnaA==", kind, filename="t.txt")
    assert plan("groq", "m", document)["messages"][0]["content"][1] == {"type": "text", "text": "High"}
    with pytest.raises(UnsupportedParameterError, match="from_text"):
        plan("groq", "m", DocumentBlock("https://x/t.txt", kind))


def test_kinds_in_results_and_links() -> None:
    """An image in a tool's result is looked at too; a link is the provider's to judge."""
    result = [Message.user("x"), Message.tool([ImageBlock.from_bytes(BMP)], "c")]
    with pytest.raises(UnsupportedParameterError, match="image/bmp"):
        LLMClient.create("anthropic", "claude-haiku-4-5", "k").plan(result)
    assert plan("anthropic", "claude-haiku-4-5", ImageBlock("https://x/y.bmp"))


def test_too_much() -> None:
    """All media of a request together have a limit where the wire has one; links count for nothing."""
    small = Provider(
        name="small", dialect=ANTHROPIC_MESSAGES, base_url="https://small", docs="https://small", max_media=3 << 20
    )
    client = LLMClient.create(small, "claude-haiku-4-5", "k")
    big = ImageBlock(data_url("image/png", b"\x89PNG\r\n\x1a\n" + bytes(1 << 20)))
    link = ImageBlock("https://x/y.png")
    assert client.plan([Message.user([big, link]), Message.assistant("y"), Message.user([big, link])])
    with pytest.raises(UnsupportedParameterError, match="ImageBlock: a request takes 3 MB of media in all"):
        client.plan([Message.user([big, big]), Message.assistant("y"), Message.user([big])])
