"""Something to chat with that needs no network: what it does is a list of pauses, words and errors.

`open` counts streams that were begun and not closed, so that a test sees what is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import anyio

from miiflow_llm.core import Message
from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.response import Attempt, ChatResponse, StreamChunk
from miiflow_llm.core.timeout import Timeout
from miiflow_llm.core.usage import TokenCount

Step = float | str | Exception | anyio.Event
Script = Callable[[int], list[Step]] | list[Step]


class FakeStream:
    """One answer. It obeys `first_output` as a client does."""

    def __init__(self, chat: FakeChat, steps: list[Step], timeout: Timeout | None) -> None:
        self._chat = chat
        self._steps = list(steps)
        self._limit = timeout.first_output if timeout is not None else None
        self._text = ""
        self._begun = self._closed = False
        self.attempts = [Attempt(chat.model)]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> StreamChunk:
        if not self._begun:
            self._begun = True
            self._chat.open += 1
        while self._steps:
            step = self._steps.pop(0)
            if isinstance(step, str):
                self._text += step
                return StreamChunk(delta=step, finish_reason=None if self._steps else "stop")
            await self._wait(step)
        self._close()
        raise StopAsyncIteration

    async def _wait(self, step: float | Exception | anyio.Event) -> None:
        if isinstance(step, Exception):
            self._close()
            raise step
        if isinstance(step, anyio.Event):
            await step.wait()
        elif self._limit is not None and not self._text and step > self._limit:
            await anyio.sleep(self._limit)
            self._close()
            raise _silent(self._limit)
        else:
            await anyio.sleep(step)

    @property
    def response(self) -> ChatResponse:
        """The answer so far."""
        usage = TokenCount(prompt_tokens=10, completion_tokens=5)
        return ChatResponse(message=Message.assistant(self._text), model=self._chat.model, usage=usage)

    async def aclose(self) -> None:
        """Close it; whoever closes gives others their turn."""
        self._close()
        await anyio.lowlevel.checkpoint()

    def _close(self) -> None:
        if self._begun and not self._closed:
            self._closed = True
            self._chat.open -= 1


def _silent(seconds: float) -> MiiflowLLMError:
    from miiflow_llm.core.exceptions import TimeoutError

    return TimeoutError("silent", phase="first_output", seconds=seconds)


class FakeChat:
    """A target. `calls` counts its streams; a script may differ from call to call, which are counted from 1."""

    provider = "fake"
    timeout = Timeout(first_output=30)

    def __init__(self, model: str, script: Script) -> None:
        self.model = model
        self.script = script
        self.calls = 0
        self.open = 0

    def once(self) -> Self:
        """It has no retries."""
        return self

    def stream_chat(self, messages: Any, *, timeout: Timeout | None = None, **_: Any) -> FakeStream:
        """A stream that follows the script."""
        self.calls += 1
        steps = self.script(self.calls) if callable(self.script) else self.script
        return FakeStream(self, steps, timeout)
