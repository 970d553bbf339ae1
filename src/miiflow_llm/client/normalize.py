"""Make one chunk of one frame's payload, without a client or a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..calls.target import engine_for, spoken_by
from ..core.exceptions import ConfigurationError
from ..core.response import StreamChunk


class ProviderStreamNormalizer:
    """The engine's decoder with no I/O and no memory."""

    def normalize_chunk(
        self, payload: Mapping[str, Any] | str | bytes | Any, provider: str, *, dialect: str | None = None
    ) -> StreamChunk | None:
        """One chunk with all that this frame says, or `None` when it says nothing.

        `payload` is the JSON of one event: what follows `data:`, or one line of NDJSON, or the same already decoded,
        or a chunk of a vendor's SDK (anything with `model_dump()` or `to_dict()`).
        `dialect` names another wire format of the provider's.

        Raises:
            ConfigurationError: unknown provider or dialect, or a payload of another kind.
            ProviderError: the payload reports an error.
            StreamProtocolError: it is not a payload of this format.
        """
        return engine_for(*spoken_by(provider, dialect)).normalize(_bytes_of(payload))


def _bytes_of(payload: Any) -> bytes:
    """The payload as JSON."""
    if isinstance(payload, bytes | bytearray | memoryview):
        return bytes(payload)
    if isinstance(payload, str):
        return payload.encode()
    value = payload if isinstance(payload, Mapping) else _dumped(payload)
    try:
        return msgspec.json.encode(value, enc_hook=_dumped)
    except (TypeError, msgspec.MsgspecError) as reason:
        raise ConfigurationError(f"the chunk holds what JSON cannot: {reason}") from None


def _dumped(value: Any) -> Any:
    """What an SDK's object holds, by the names of the wire and without fields that the server did not send."""
    dump, to_dict = getattr(value, "model_dump", None), getattr(value, "to_dict", None)
    if callable(dump):
        try:
            return dump(mode="json", by_alias=True, exclude_unset=True)
        except TypeError:  # not pydantic's, but of the same name
            return dump()
    if callable(to_dict):
        return to_dict()
    if isinstance(value, Mapping):
        return dict(value)
    kind = type(value).__name__
    raise ConfigurationError(
        f"the chunk is a {kind}: give bytes, text, a mapping, or an object with model_dump() or to_dict()"
    )
