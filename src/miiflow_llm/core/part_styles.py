"""Read parts of messages in the forms that users have: those of OpenAI's Chat and Responses, and Anthropic's.

Every key is looked at: one that the form does not have is an error. A value of the wrong type is left to whoever reads
the result as a block.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from .exceptions import ConfigurationError
from .legal_keys import check_keys, nearest

Keys: TypeAlias = Mapping[str, frozenset[str]]
"""The keys of ours: those of a message under `message`, those of a block under its type."""
Part: TypeAlias = Mapping[str, Any]

_MARKS = frozenset(("type", "cache_control"))


def content_of(content: Any, keys: Keys, place: str) -> Any:
    """The content of a message or of a tool's result, its parts as ours.

    Raises:
        ConfigurationError: a part has a key, or a type, that there is not; the error names the place.
    """
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, (list, tuple)):
        return [part_of(part, keys, f"{place}[{at}]") for at, part in enumerate(content)]
    return content


def part_of(part: Any, keys: Keys, place: str) -> Any:
    """A part as ours; a bare string is text, and anything else but a dict stays as it is.

    Raises:
        ConfigurationError: it has a key, or a type, that there is not; the error names the place.
    """
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping):
        return part
    kind = str(part.get("type") or "")
    form = next((form for form in _FORMS if form.type == kind and form.applies(part)), None)
    if form is None and (kind not in keys or kind == "message"):
        raise ConfigurationError(f"{place}: {_unknown(kind, keys)}")
    legal = keys.get(kind, frozenset()) | _MARKS if form is None else form.keys | _MARKS
    check_keys(part, legal, place, f"a part of type {kind!r}")
    ours = {key: value for key, value in part.items() if key != "cache_control"} if form is None else {}
    return _marked(ours if form is None else form.ours(part, keys, place), part, place)


def _unknown(kind: str, keys: Keys) -> str:
    if kind in _REFUSED:
        return _REFUSED[kind]
    legal = {form.type for form in _FORMS} | (keys.keys() - {"message"})
    return f"{f'no part is a {kind!r}' if kind else 'a part needs its type'}{nearest(kind, legal)}"


def _marked(ours: dict[str, Any], part: Part, place: str) -> dict[str, Any]:
    """The part with its mark of the cache, under our name; what is JSON in it is kept as JSON."""
    mark = part.get("cache_control")
    if isinstance(mark, Mapping):
        check_keys(mark, ("type", "ttl"), f"{place}.cache_control", "a mark of the cache")
    if mark is not None:
        ours["cache"] = mark.get("ttl", True) if isinstance(mark, Mapping) else mark
    if ours.get("type") == "opaque" and not isinstance(ours.get("payload"), msgspec.Raw):
        ours["payload"] = msgspec.Raw(msgspec.json.encode(ours.get("payload")))
    return {key: value for key, value in ours.items() if value is not None}


class _Form(msgspec.Struct, frozen=True):
    """A form of parts that is not ours: its type, its keys, and how one is written as ours.

    `mark` is a key that tells it from our part of the same type, which has none, or no object, there.
    """

    type: str
    keys: frozenset[str]
    ours: Callable[[Part, Keys, str], dict[str, Any]]
    mark: str = ""

    def applies(self, part: Part) -> bool:
        """Whether the part, of this type, is of this form."""
        return not self.mark or isinstance(part.get(self.mark), Mapping)


def _text(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    return {"type": "text", "text": part.get("text", part.get("refusal"))}


def _inner(part: Part, legal: tuple[str, ...], place: str) -> Part:
    """What stands under the name of the part's type."""
    kind = part["type"]
    inner = part.get(kind)
    if not isinstance(inner, Mapping):
        raise ConfigurationError(f"{place}.{kind}: a dict with {' or '.join(legal)} is needed")
    check_keys(inner, legal, f"{place}.{kind}", f"{kind!r}")
    return inner


def _image_url(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    inner = _inner(part, ("url", "detail"), place)
    return {"type": "image_url", "image_url": inner.get("url"), "detail": inner.get("detail")}


def _input_image(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    url = part.get("image_url") or ("" if part.get("file_id") else None)
    return {"type": "image_url", "image_url": url, "detail": part.get("detail"), "file_id": part.get("file_id")}


def _input_audio(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    return {"type": "audio", **_inner(part, ("data", "format"), place)}


def _file(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    return _input_file(_inner(part, ("file_data", "file_id", "filename"), place), keys, f"{place}.file")


def _input_file(file: Part, keys: Keys, place: str) -> dict[str, Any]:
    url, file_id = file.get("file_data") or file.get("file_url") or "", file.get("file_id")
    if not url and not file_id:
        raise ConfigurationError(f"{place}: a file needs its file_data (a data URL) or its file_id")
    return {"type": "document", "document_url": url, "file_id": file_id, "filename": file.get("filename")}


def _source(part: Part, place: str) -> tuple[Any, Any]:
    """A `source` as a URL, and as the id of a file."""
    source = part["source"]
    check_keys(source, ("type", "media_type", "data", "url", "file_id"), f"{place}.source", "a source")
    kind, data = source.get("type"), source.get("data")
    if kind == "base64" and isinstance(data, str):
        return f"data:{source.get('media_type') or ''};base64,{data}", None
    if kind == "text" and isinstance(data, str):
        return f"data:text/plain;base64,{base64.b64encode(data.encode('utf-8', 'replace')).decode()}", None
    if kind in ("url", "file"):
        return source.get("url") if kind == "url" else "", source.get("file_id")
    raise ConfigurationError(
        f"{place}.source: {kind!r} with its data is not taken; there are base64, text, url and file"
    )


def _image(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    url, file_id = _source(part, place)
    return {"type": "image_url", "image_url": url, "file_id": file_id}


def _document(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    url, file_id = _source(part, place)
    cited = part.get("citations")
    asked = cited.get("enabled") if isinstance(cited, Mapping) else cited
    out = {"type": "document", "document_url": url, "file_id": file_id, "filename": part.get("title")}
    return {**out, "citations": True if asked else None}


def _tool_use(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    text = json_text(part.get("input") or {}, f"{place}.input")
    return {"type": "tool_call", "id": part.get("id"), "name": part.get("name"), "arguments": text}


def _tool_result(part: Part, keys: Keys, place: str) -> dict[str, Any]:
    out = {key: value for key, value in part.items() if key not in ("tool_use_id", "cache_control", "content")}
    content = part.get("content") or []
    listed = content_of([content] if isinstance(content, str) else content, keys, f"{place}.content")
    return {**out, "id": part.get("id", part.get("tool_use_id")), "content": listed}


def json_text(value: Any, place: str) -> str:
    """A value as JSON text; a text is taken for JSON.

    Raises:
        ConfigurationError: JSON has no form for it.
    """
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError) as reason:
        raise ConfigurationError(f"{place}: it cannot be written as JSON: {reason}") from None


_FORMS = (
    _Form("input_text", frozenset(("text",)), _text),
    _Form("output_text", frozenset(("text", "annotations", "logprobs")), _text),
    _Form("refusal", frozenset(("refusal",)), _text),
    _Form("image_url", frozenset(("image_url",)), _image_url, "image_url"),
    _Form("input_image", frozenset(("image_url", "detail", "file_id")), _input_image),
    _Form("input_audio", frozenset(("input_audio",)), _input_audio),
    _Form("file", frozenset(("file",)), _file),
    _Form("input_file", frozenset(("file_data", "file_url", "file_id", "filename")), _input_file),
    _Form("image", frozenset(("source",)), _image),
    _Form("document", frozenset(("source", "title", "citations")), _document, "source"),
    _Form("tool_use", frozenset(("id", "name", "input")), _tool_use),
    _Form("tool_result", frozenset(("id", "tool_use_id", "name", "content", "is_error", "cache")), _tool_result),
)
"""The parts of other forms. `annotations` and `logprobs` are a server's notes, which no request repeats."""

_PROOF = "keep the answer's own Message (response.message, or its to_dict()), which knows who signed it"
_REFUSED = {
    "thinking": f"signed thinking is not taken from a dict: {_PROOF}",
    "redacted_thinking": f"encrypted thinking is not taken from a dict: {_PROOF}",
    "video_url": "there is no form for videos that all providers share: give OpaqueBlock.of(part, 'provider/dialect')",
}
"""Parts of other forms that cannot be taken, and what works."""
