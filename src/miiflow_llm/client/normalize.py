"""Make one chunk of one frame's payload, without a client or a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..calls.target import engine_for, spoken_by
from ..core.response import StreamChunk


class ProviderStreamNormalizer:
    """The engine's decoder with no I/O and no memory."""

    def normalize_chunk(
        self, payload: Mapping[str, Any] | str | bytes, *, provider: str, dialect: str | None = None
    ) -> StreamChunk | None:
        """One chunk with all that this frame says, or `None` when it says nothing.

        `payload` is the JSON of one event: what follows `data:`, or one line of NDJSON, or the same already decoded.
        `dialect` names another wire format of the provider's.

        Raises:
            ConfigurationError: unknown provider or dialect.
            ProviderError: the payload reports an error.
            StreamProtocolError: it is not a payload of this format.
        """
        if isinstance(payload, str):
            data = payload.encode()
        else:
            data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        return engine_for(*spoken_by(provider, dialect)).normalize(data)
