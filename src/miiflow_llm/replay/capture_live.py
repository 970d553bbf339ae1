"""Record one live answer through the library's own client, in a capture's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ..client.async_client import LLMClient
from ..core.exceptions import ConfigurationError, ProviderError
from .recorder import RecordingTransport, record


class Order(msgspec.Struct, kw_only=True):
    """What to ask, whom, and the folder to keep the answer in.

    `parameters` is more of the request as JSON. `base_url` and `dialect` replace the provider's own. `redact` are texts
    that must not be written. `whole` asks for the answer in one piece.
    """

    provider: str
    name: str
    model: str
    prompt: str
    folder: str
    whole: bool = False
    dialect: str | None = None
    base_url: str | None = None
    parameters: str = "{}"
    redact: list[str] = []


async def capture_live(order: Order, show: Callable[[str], None]) -> list[Path]:
    """Ask, `show` the text as it comes, and keep the exchange; an error that the provider answers is kept too.

    Raises:
        MiiflowLLMError: the request cannot be said, or nothing answered.
        CaptureError, SecretFoundError: the exchange could not be written.
    """
    given = _parameters(order.parameters)
    with record(order.folder, name=order.name, provider=order.provider, redact=order.redact) as transport:
        async with httpx.AsyncClient(transport=transport) as http:
            client = LLMClient.create(
                order.provider,
                order.model,
                base_url=order.base_url,
                dialect=order.dialect,
                http_client=http,
                max_retries=0,
            )
            await _ask(client, order, given, show, transport)
    return transport.written


async def _ask(
    client: LLMClient, order: Order, given: dict[str, Any], show: Callable[[str], None], transport: RecordingTransport
) -> None:
    try:
        if order.whole:
            show((await client.chat(order.prompt, **given)).content)
            return
        async with client.stream_chat(order.prompt, **given) as stream:
            async for chunk in stream:
                show(chunk.reasoning_delta or chunk.delta or "")
    except ProviderError as error:
        transport.settle()
        if not transport.written:
            raise
        show(f"{error}")


def _parameters(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"--parameters is not a JSON object: {error}") from None
