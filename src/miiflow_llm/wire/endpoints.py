"""The calls beside the chat, by the table.

What is asked in, path and body out; an answer's body in, models, vectors or a number of tokens out.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from ..core.exceptions import ConfigurationError, StreamProtocolError, UnsupportedParameterError
from ..core.price import Cost
from ..core.response import Embeddings, ModelInfo
from ..core.usage import TokenCount, as_count
from ..tables import Endpoint
from ..tables.template import NOTHING, attribute, fill
from .encode.json_bytes import json_bytes
from .plain_answers import at, read_json, unreadable

_WHAT = "the answer is not what this call gives"


def write(row: Endpoint, model: str, values: Mapping[str, Any]) -> tuple[str, tuple[bytes, ...] | None]:
    """Path of the call, and its body in pieces; `None` if it has none.

    Raises:
        ConfigurationError: the provider has no such call, or takes no dimensions in it.
    """
    if row.absent:
        raise ConfigurationError(row.absent)
    path = row.path.replace("{model}", quote(model, safe=""))
    if values.get("dimensions") is not None and "dimensions" not in row.takes:
        raise UnsupportedParameterError("dimensions is not taken here; leave it out", parameter="dimensions")
    if row.body is None:
        return path, None
    body = fill(row.body, lambda name: attribute({"model": model, **values}, name))
    return path, (json_bytes({} if body is NOTHING else body),)


def read_models(row: Endpoint, body: bytes) -> list[ModelInfo]:
    """The models in the answer.

    Raises:
        StreamProtocolError: it is no such answer.
    """
    return [ModelInfo(str(at(item, row.value)), item) for item in _items(row, body) if isinstance(item, dict)]


def read_embeddings(row: Endpoint, body: bytes, model: str, texts: Sequence[str]) -> Embeddings:
    """The vectors in the answer, in the order of the texts.

    Raises:
        StreamProtocolError: it is no such answer, or not one vector a text.
    """
    items = _items(row, body)
    if all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in items):
        items = sorted(items, key=lambda item: item["index"])
    try:
        vectors = msgspec.convert([_floats(at(item, row.value)) for item in items], list[list[float]])
    except msgspec.ValidationError as reason:
        raise _unreadable(body, str(reason)) from None
    if len(vectors) != len(texts):
        raise _unreadable(body, f"{len(vectors)} vectors for {len(texts)} texts")
    tokens = as_count(at(_decoded(body), row.tokens)) if row.tokens else None
    return Embeddings(
        vectors, model, TokenCount(prompt_tokens=tokens, total_tokens=tokens), read_cost(row, _decoded(body))
    )


def read_cost(row: Endpoint, answer: Any) -> Cost | None:
    """What the provider says that the call cost; `None` if it does not say."""
    said = at(answer, row.cost) if row.cost else None
    if not isinstance(said, (int, float)) or isinstance(said, bool) or said < 0:
        return None
    return Cost(float(said))


def read_tokens(row: Endpoint, body: bytes) -> int:
    """The number of tokens in the answer.

    Raises:
        StreamProtocolError: it holds none.
    """
    number = as_count(at(_decoded(body), row.tokens))
    if number is None:
        raise _unreadable(body, f"no number at {row.tokens}")
    return number


def _floats(vector: Any) -> Any:
    """A vector sent as base64 is little-endian float32, as OpenAI's is."""
    if not isinstance(vector, str):
        return vector
    packed = base64.b64decode(vector)
    return list(struct.unpack(f"<{len(packed) // 4}f", packed)) if len(packed) % 4 == 0 else vector


def _items(row: Endpoint, body: bytes) -> list[Any]:
    found = at(_decoded(body), row.items)
    if isinstance(found, dict):  # one vector for one text
        found = [found]
    if not isinstance(found, list):
        raise _unreadable(body, f"no list at {row.items}")
    return found


def _decoded(body: bytes) -> Any:
    return read_json(body, _WHAT)


def _unreadable(body: bytes, detail: str) -> StreamProtocolError:
    return unreadable(body, detail, _WHAT)
