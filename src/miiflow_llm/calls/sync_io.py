"""Make an exchange without an event loop: the twin of `async_io`, with blocking calls."""

from __future__ import annotations

import time

import httpx

from ..core.exceptions import MiiflowLLMError
from ..http.transport_sync import SyncAnswer, SyncBody, SyncTransport
from ..wire.decode.errors import MAX_BODY
from ..wire.decode.frames import too_large
from .async_io import DRAIN_BYTES, DRAIN_SECONDS
from .exchange import Exchange


def send(transport: SyncTransport, exchange: Exchange) -> SyncAnswer:
    """Send until an answer with a status of 2xx begins.

    Raises:
        MiiflowLLMError: an attempt failed and no retry is due.
    """
    while True:
        try:
            return _attempt(transport, exchange)
        except MiiflowLLMError as error:
            again(exchange, error)


def again(exchange: Exchange, error: MiiflowLLMError) -> None:
    """Wait for the next attempt, or raise `error` where none is due."""
    time.sleep(exchange.retry_wait(error))


def whole(transport: SyncTransport, exchange: Exchange) -> tuple[SyncAnswer, bytes]:
    """Send until a whole body has come.

    Raises:
        MiiflowLLMError: as for `send`; the body may take `first_output` from the request, and `total` in all.
    """
    while True:
        answer = send(transport, exchange)
        try:
            return answer, _whole_body(answer.body, exchange)
        except MiiflowLLMError as error:
            again(exchange, error)


def _attempt(transport: SyncTransport, exchange: Exchange) -> SyncAnswer:
    left = exchange.begin()
    answer = transport.send(
        exchange.plan.method,
        exchange.plan.url,
        headers=exchange.plan.headers,
        body=exchange.content(),
        credential=exchange.setup.target.credential,
        timeout=exchange.timeout,
        total=left,
    )
    if not exchange.note_head(answer.status, answer.headers):
        body = _start_of(answer.body, exchange)
        raise exchange.engine.error(answer.status, answer.headers, body, exchange.model)
    return answer


def _start_of(body: SyncBody, exchange: Exchange) -> bytes:
    """As much of an error's body as is kept, whatever becomes of the rest."""
    parts, size = list[bytes](), 0
    body.deadline = exchange.error_body_deadline()
    try:
        while size < MAX_BODY and (data := body.read()):
            parts.append(data)
            size += len(data)
    except (httpx.HTTPError, OSError):
        pass  # the status alone says enough
    finally:
        let_go(body)
    return b"".join(parts)


def _whole_body(body: SyncBody, exchange: Exchange) -> bytes:
    parts, size = list[bytes](), 0
    body.deadline = exchange.deadline(exchange.timeout.first_output, exchange.began)
    try:
        while data := body.read():
            parts.append(data)
            size += len(data)
            if size > exchange.setup.max_frame:
                raise too_large(exchange.setup.max_frame)
            exchange.check(body.deadline, "first_output")
    except (httpx.HTTPError, OSError) as reason:
        raise exchange.read_error(reason, "first_output") from None
    finally:
        let_go(body)
    return b"".join(parts)


def drain(body: SyncBody) -> None:
    """Read what little follows a whole answer, then give the connection back."""
    size = 0
    body.deadline = time.monotonic() + DRAIN_SECONDS
    try:
        while size < DRAIN_BYTES and (data := body.read()):
            size += len(data)
    except (httpx.HTTPError, httpx.StreamError, OSError):
        pass  # the answer is whole; only the connection is lost
    finally:
        let_go(body)


def let_go(body: SyncBody) -> None:
    """Close the body; a connection that broke is closed."""
    try:
        body.close()
    except (httpx.HTTPError, OSError):
        pass
