"""Make the attempts of an exchange until an answer with a status of 2xx, or its whole body, has come."""

from __future__ import annotations

from ..core import clock
from ..core.exceptions import MiiflowLLMError
from ..http.answer_body import READ_ERRORS
from ..http.body import Body
from ..http.transport import Answer
from ..wire.decode.errors import MAX_BODY
from ..wire.decode.frames import too_large
from .exchange import Exchange
from .players import Player, Sending

CLOSE_SECONDS = 1.0
"""How long closing a connection in good order may take."""

DRAIN_SECONDS = 0.1
DRAIN_BYTES = 64 * 1024
"""After the answer's end the rest of the body is read within these bounds, so that the connection is used again."""


async def send(player: Player, exchange: Exchange) -> Answer:
    """Send until an answer with a status of 2xx begins.

    Raises:
        MiiflowLLMError: an attempt failed and no retry is due.
    """
    if not exchange.setup.pricing.loaded:
        await player.in_thread(exchange.setup.pricing.load)
    budget = exchange.setup.pricing.budget
    while True:
        if budget is not None:
            await exchange.reserve(player, budget)
        try:
            return await _attempt(player, exchange)
        except MiiflowLLMError as error:
            await again(player, exchange, error)


async def again(player: Player, exchange: Exchange, error: MiiflowLLMError) -> None:
    """Wait for the next attempt, or raise `error` if none is due."""
    await player.sleep(exchange.retry_wait(error))


async def whole(player: Player, exchange: Exchange) -> tuple[Answer, bytes]:
    """Send until a whole body has come.

    Raises:
        MiiflowLLMError: as for `send`; the body may take `first_output` from the request, and `total` in all.
    """
    while True:
        answer = await send(player, exchange)
        try:
            return answer, await _whole_body(player, answer.body, exchange)
        except MiiflowLLMError as error:
            await again(player, exchange, error)


async def _attempt(player: Player, exchange: Exchange) -> Answer:
    left = exchange.begin()
    request: Sending = {
        "method": exchange.plan.method,
        "url": exchange.plan.url,
        "headers": exchange.plan.headers,
        "body": exchange.content(),
        "credential": exchange.setup.target.credential,
        "timeout": exchange.timeout,
        "total": left,
        "fresh": exchange.after_stale,
    }
    answer = await player.send(request)
    if not exchange.note_head(answer.status, answer.headers):
        body = await _start_of(player, answer.body, exchange)
        raise exchange.engine.error(answer.status, answer.headers, body, exchange.model)
    return answer


async def _start_of(player: Player, body: Body, exchange: Exchange) -> bytes:
    """As much of an error's body as is kept, whatever becomes of the rest."""
    parts, size = list[bytes](), 0
    body.deadline = exchange.error_body_deadline()
    try:
        while size < MAX_BODY and (data := await body.read()):
            parts.append(data)
            size += len(data)
    except (MiiflowLLMError, *READ_ERRORS):
        pass  # the status says enough
    finally:
        await let_go(player, body)
    return b"".join(parts)


async def _whole_body(player: Player, body: Body, exchange: Exchange) -> bytes:
    parts, size = list[bytes](), 0
    body.deadline = exchange.deadline(exchange.timeout.first_output, exchange.began)
    try:
        while data := await body.read():
            parts.append(data)
            size += len(data)
            if size > exchange.setup.max_frame:
                raise too_large(exchange.setup.max_frame)
            exchange.check(body.deadline, "first_output")
    except READ_ERRORS as reason:
        raise exchange.read_error(reason, "first_output") from None
    finally:
        await let_go(player, body)
    return b"".join(parts)


async def drain(player: Player, body: Body) -> None:
    """Read what little follows a whole answer, then give the connection back."""
    size = 0
    body.deadline = clock.monotonic() + DRAIN_SECONDS
    try:
        while size < DRAIN_BYTES and (data := await body.read()):
            size += len(data)
    except (MiiflowLLMError, *READ_ERRORS):
        pass  # the answer is whole; only the connection is lost
    except BaseException:
        body.abort()
        raise
    await let_go(player, body)


async def let_go(player: Player, body: Body) -> None:
    """Close the body even while being cancelled, but not for long."""
    with player.at_most(CLOSE_SECONDS) as scope:
        await body.aclose()
    if scope.cancelled_caught:
        body.abort()
