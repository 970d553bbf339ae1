"""Get the whole answer to a chat call, of the caller's type if one was asked for."""

from __future__ import annotations

from ..core.exceptions import MiiflowLLMError
from ..core.response import ChatResponse
from .call import Call
from .players import Player
from .sending import again, whole


async def chat(player: Player, call: Call) -> ChatResponse:
    """Send until an answer has come whole, and read it.

    Raises:
        MiiflowLLMError: no attempt gave an answer, or it is not of the type asked for (`ParsingError`).
    """
    try:
        response = await _response(player, call)
    except MiiflowLLMError:
        raise
    except BaseException:
        call.abandoned()
        raise
    reader = call.shape_reader()
    if reader is not None and response.structured_output is None:
        reader.finish(response)
    return response


async def _response(player: Player, call: Call) -> ChatResponse:
    while True:
        answer, body = await whole(player, call)
        try:
            response = call.read_whole(body)
        except MiiflowLLMError as error:
            body = b""  # this frame is in the traceback, and what it holds may repeat the key
            await again(player, call, error)
            continue
        reader = call.shape_reader()
        if reader is None or not call.asks_again(response, reader):
            return call.finished(response, answer.headers)
