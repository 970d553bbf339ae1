"""Media in a request: of which kind their bytes are, which kinds a wire takes, and how much of them."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from miiflow_llm import LLMClient
from miiflow_llm.core.exceptions import ConfigurationError, UnsupportedParameterError
from miiflow_llm.core.media_types import media_type
from miiflow_llm.core.messages import AudioBlock, Block, DocumentBlock, ImageBlock, Message, TextBlock, ToolResult
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
        ("data:image/webp;base64,AA", "image/webp"),
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


WIRES = {
    "openai": ("gpt-4.1", None),
    "openai/openai_responses": ("gpt-4.1", "openai_responses"),
    "azure": ("gpt-4.1", None),
    "anthropic": ("claude-haiku-4-5", None),
    "gemini": ("gemini-3.8-flash", None),
    "mistral": ("mistral-small-latest", None),
    "cohere": ("command-a-vision-07-2025", None),
    "ollama": ("llava", None),
    "bedrock": ("us.anthropic.claude-haiku-4-5-20251001-v1:0", None),
    "groq": ("meta-llama/llama-4-scout-17b-16e-instruct", None),
    "togetherai": ("zai-org/GLM-5.3", None),
    "openrouter": ("openai/gpt-6-luna", None),
    "xai": ("grok-4.6", None),
    "deepseek": ("deepseek-flash", None),
    "openai-compatible": ("local", None),
}
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(range(251, 256)) * 9
BARE = base64.b64encode(PIXEL).decode()


def sent(wire: str, *blocks: Block) -> str:
    """What the provider would be sent, as JSON text."""
    model, dialect = WIRES[wire]
    provider = wire.partition("/")[0]
    client = LLMClient.create(provider, model, "k", dialect=dialect, base_url="http://127.0.0.1:9")
    return msgspec.json.encode(client.plan([Message.user([TextBlock("x"), *blocks])]).body).decode()


UNCLEAN = {
    "clean": f"data:image/png;base64,{BARE}",
    "octet-stream": f"data:application/octet-stream;base64,{BARE}",
    "no type": f"data:;base64,{BARE}",
    "nothing": f"data:base64;base64,{BARE}",
    "another type": f"data:image/jpeg;base64,{BARE}",
    "another name": f"data:image/x-png;base64,{BARE}",
    "capitals": f"DATA:IMAGE/PNG;BASE64,{BARE}",
    "a name in it": f"data:image/png;name=x.png;base64,{BARE}",
    "line breaks": "data:image/png;base64," + "\r\n".join(BARE[at : at + 16] for at in range(0, len(BARE), 16)),
    "spaces": f" data:image/png;base64, {BARE[:9]} {BARE[9:]}\n",
    "no padding": f"data:image/png;base64,{BARE.rstrip('=')}",
    "of URLs": f"data:image/png;base64,{BARE.replace('+', '-').replace('/', '_')}",
    "percent": f"data:image/png;base64,{BARE.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}",
    "no base64": f"data:image/png,{quote(PIXEL)}",
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("name", UNCLEAN)
def test_images_are_sent_clean(wire: str, name: str) -> None:
    """However its data URL is written, an image goes out with the type of its bytes and in base64 that servers read."""
    assert BARE.isascii()
    body = sent(wire, ImageBlock(UNCLEAN[name]))
    assert body == sent(wire, ImageBlock.from_bytes(PIXEL))
    assert BARE in body
    assert "png" in body or wire == "ollama"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("block", "words"),
    [
        (ImageBlock("data:image/png;base64,iVBOR$w0KGgo="), r"not base64 \('\$' at 5\)"),
        (ImageBlock("data:image/png;base64,iVBOR"), "not base64"),
        (ImageBlock("data:image/png;base64,=AAA"), "not base64"),
        (ImageBlock("data:image/png;base64,"), "no bytes"),
        (ImageBlock("data:image/png;base64, \n"), "no bytes"),
        (ImageBlock("data:;base64,AAAA"), "no media type"),
        (ImageBlock("iVBORw0KGgo="), "from_bytes"),
        (ImageBlock("x.png"), "from_path"),
        (ImageBlock(data_url("image/png", b"%PDF-1.7")), "give a DocumentBlock"),
        (ImageBlock(data_url("image/png", b"<!DOCTYPE html><p>404")), "give a DocumentBlock"),
        (ImageBlock(data_url("image/png", b'{"error": 404}')), "give a DocumentBlock"),
        (ImageBlock(data_url("image/png", b"RIFF....WAVE")), "give an AudioBlock"),
        (ImageBlock(data_url("image/png", b"\x1a\x45\xdf\xa3")), "videos"),
        (DocumentBlock(data_url("application/pdf", PIXEL)), r"give an ImageBlock|takes? (no )?documents"),
    ],
    ids=range(14),
)
def test_what_is_no_image(wire: str, block: Block, words: str) -> None:
    """Garbage, nothing, and bytes of another kind are refused before anything is sent, with what to do."""
    with pytest.raises(ConfigurationError, match=words):
        sent(wire, block)


SVG = b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="http://www.w3.org/2000/svg"/>'
KINDS = {
    "image/heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "image/avif": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00mif1miaf",
    "image/svg+xml": SVG,
    "image/bmp": b"BM\x46\x00\x00\x00\x00\x00\x00\x00",
    "image/tiff": b"II*\x00\x08\x00\x00\x00",
    "image/jxl": b"\xff\x0a\x00\x00",
    "image/x-icon": b"\x00\x00\x01\x00\x01\x00",
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_few_take(wire: str, kind: str) -> None:
    """An image of a kind that the wire does not take is refused by that name, whatever it was said to be."""
    taken = {"gemini": ("image/heic",), "openai-compatible": ("image/heic", "image/avif", "image/bmp", "image/tiff")}
    for said in ("image/png", "application/octet-stream", kind):
        block = ImageBlock(data_url(said, KINDS[kind]))
        if kind in taken.get(wire, ()):
            assert kind in sent(wire, block)
            continue
        with pytest.raises(UnsupportedParameterError, match=rf"{kind.replace('+', '.')} is not taken here"):
            sent(wire, block)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"ID3\x04\x00", "audio/mp3"),
        (b"\xff\xfb\x90\x00", "audio/mp3"),
        (b"\xff\xf3\x90\x00", "audio/mp3"),
        (b"\xff\xf2\x90\x00", "audio/mp3"),
        (b"\xff\xfa\x90\x00", "audio/mp3"),
        (b"\xff\xf1\x50\x80", "audio/aac"),
        (b"\xff\xf9\x50\x80", "audio/aac"),
        (b"fLaC\x00", "audio/flac"),
        (b"OggS\x00", "audio/ogg"),
        (b"FORM\x00\x00\x00\x00AIFF", "audio/aiff"),
        (b"FORM\x00\x00\x00\x00AIFC", "audio/aiff"),
        (b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00", "audio/m4a"),
        (b"\x00\x00\x00\x1cftypisom\x00\x00\x00\x00", "audio/m4a"),
        (b"\x1a\x45\xdf\xa3\x01", "audio/webm"),
        (b"#!AMR\n", "audio/amr"),
    ],
)
def test_kinds_of_sound(data: bytes, kind: str) -> None:
    """Sound is told by its bytes, whatever format was said and whether its base64 stands in a data URL."""
    bare = base64.b64encode(data).decode()
    made = AudioBlock.from_bytes(data)
    assert made.format == kind.partition("/")[2]
    for block in (made, AudioBlock(bare, "wav"), AudioBlock(f"data:audio/wav;base64,{bare}"), AudioBlock(f"\n{bare}")):
        found = media(block)
        assert (found.type, found.data, found.format) == (kind, bare, kind.partition("/")[2])
    if kind in ("audio/wav", "audio/mp3"):
        assert f'{{"data":"{bare}","format":"{found.format}"}}' in sent("openai", AudioBlock(f"{bare}\n", "flac"))
    else:
        with pytest.raises(UnsupportedParameterError, match=kind):
            sent("openai", AudioBlock(bare, "wav"))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"BMW cars are made in Munich", "text/plain"),
        (b"ID3 tags are old", "text/plain"),
        (b"a,b\n1,2", "text/plain"),
        (b"\xff\xfeB\x00", None),
        (b"\n\nJunk%PDF-1.4", "application/pdf"),
        (b"<html><body>", "text/plain"),
        (b"<svgs>", "text/plain"),
        (b"", None),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1heic", "image/heic"),
        (b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif", "image/avif"),
        (b"\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00mif1", "image/heif"),
    ],
)
def test_what_bytes_are(data: bytes, kind: str | None) -> None:
    """A text that begins with a format's letters is a text; a container is told by its brands."""
    assert media_type(data) == kind


DOCUMENT = {
    "openai": '"file":{"file_id":"file-1"}',
    "openai/openai_responses": '{"type":"input_file","file_id":"file-1"}',
    "anthropic": '"source":{"type":"file","file_id":"file-1"}',
    "mistral": '{"type":"file","file_id":"file-1"}',
    "deepseek": '{"type":"file","file_id":"file-1"}',
    "openrouter": '"file":{"file_id":"file-1"}',
    "openai-compatible": '"file":{"file_id":"file-1"}',
}
IMAGE = {
    "openai/openai_responses": '{"type":"input_image","file_id":"file-1"}',
    "anthropic": '"source":{"type":"file","file_id":"file-1"}',
}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("block", "wires"), [(DocumentBlock(file_id="file-1"), DOCUMENT), (ImageBlock("", file_id="file-1"), IMAGE)]
)
def test_files_by_their_id(wire: str, block: Block, wires: dict[str, str]) -> None:
    """A file that was uploaded goes by its id where the wire has a place for one, and is refused elsewhere."""
    if wire in wires:
        assert wires[wire] in sent(wire, block)
    else:
        with pytest.raises(UnsupportedParameterError, match=r"by its id|takes no|as text|only in Responses"):
            sent(wire, block)


GOOD, LARGE = ImageBlock.from_bytes(PIXEL), ImageBlock(data_url("image/bmp", KINDS["image/bmp"]))


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([Message.user([TextBlock("x"), GOOD, ImageBlock("x.png")])], "messages[0].content[2]"),
        ([Message.user("x"), Message.assistant("y"), Message.user([GOOD, LARGE])], "messages[2].content[1]"),
        ([Message.user([GOOD]), Message.user([AudioBlock("T2dnUw==", "ogg")])], "messages[1].content[0]"),
        ([Message.user([GOOD]), Message.assistant([GOOD])], "messages[1].content[0]"),
        ([Message.user([DocumentBlock(data_url("application/pdf", PIXEL))])], "messages[0].content[0]"),
        ([Message.user([ImageBlock("", file_id="f")])], "messages[0].content[0]"),
        ([Message("user", [ToolResult("c", [TextBlock("x"), ImageBlock("y")])])], "messages[0].content[0].content[1]"),
    ],
    ids=range(7),
)
def test_which_part_is_wrong(messages: list[Message], place: str) -> None:
    """An error over media says in which message, and where in it, they stand."""
    with pytest.raises(ConfigurationError) as caught:
        LLMClient.create("openai", "gpt-4.1", "k").plan(messages)
    assert caught.value.message.startswith(f"{place}: ")
