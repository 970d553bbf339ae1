"""`Shadow`: a candidate that answers beside the primary and is never heard, so that the two can be compared.

The copy never delays the primary and never raises into its caller: it begins after the primary's answer has ended, in a
task group of its own, has bounds of its own, and is the first thing that is dropped under load.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.abc
import msgspec

from ..calls.parameters import Messages
from ..client.async_client import LLMClient
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.messages import Message, as_messages
from ..core.response import ChatResponse
from .assign import Assignment
from .logs import Log, open_log
from .records import Pair, brief
from .running import current_unit
from .streams import WatchedStream
from .trial import _client

if TYPE_CHECKING:
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import ToolStream

log = logging.getLogger("miiflow_llm.trials")


class Compared(msgspec.Struct, frozen=True):
    """What a shadow saw: the request, the primary's answer, and the candidate's answer or the error in its place."""

    messages: list[Message]
    primary: ChatResponse
    candidate: ChatResponse | MiiflowLLMError


class ShadowMetrics(msgspec.Struct, frozen=True):
    """`copied` calls were asked of the candidate too, `failed` of them raised. `dropped` were chosen, but so many
    copies were on their way already, or the budget was used up. `skipped` had tools, which may act."""

    copied: int = 0
    failed: int = 0
    dropped: int = 0
    skipped: int = 0


class _Told:
    """How a copy comes about: what the primary's stream tells a trial, here it tells the shadow."""

    call_id: str | None = None

    def __init__(self, shadow: Shadow, messages: Messages, parameters: Mapping[str, Any]) -> None:
        self._shadow = shadow
        self._asked = (messages, parameters)

    def first_output(self) -> None:
        """The copy waits for the end."""

    def finished(self, response: ChatResponse) -> ChatResponse:
        self._shadow.copy(*self._asked, response)
        return response

    def failed(self, error: MiiflowLLMError) -> None:
        """There is nothing to compare with."""

    def abandoned(self) -> None:
        """There is nothing to compare with."""


class Shadow:
    """A primary that answers, and a candidate that is asked the same for a share of the calls.

    Enter it (`async with Shadow(...) as shadow`): the copies belong to it, and end with it.

    Args:
        primary: what answers: a client, whatever has its face, or `provider:model`.
        candidate: what is asked beside it.
        share: the share of calls that are copied, from 0 to 1; of the same unit always the same ones.
        on_pair: told of each pair; what it raises is logged and goes no further.
        log: a file (`.jsonl` or `.sqlite`), or a `Log`, that keeps each pair in brief.
        max_concurrency: copies on their way at once; further ones are dropped.
        max_copies: copies in all, as a budget; further ones are dropped. `None` for no limit.
        seconds: the longest that a copy may take.
        name: the name under which pairs stand in the log.

    Raises:
        ConfigurationError: a value that cannot be.
    """

    def __init__(
        self,
        primary: Any,
        candidate: Any,
        share: float = 0.05,
        *,
        on_pair: Callable[[Compared], Any] | None = None,
        log: Log | str | Path | None = None,
        max_concurrency: int = 4,
        max_copies: int | None = None,
        seconds: float = 120.0,
        name: str = "shadow",
    ) -> None:
        if not 0 <= share <= 1:
            raise ConfigurationError(f"shadow: share={share!r}: a number from 0 to 1")
        if max_concurrency < 1 or seconds <= 0:
            raise ConfigurationError("shadow: max_concurrency is 1 or more, seconds is more than 0")
        self.primary = _client(primary, LLMClient)
        self.candidate = _client(candidate, LLMClient)
        self.name = name
        self._copied = Assignment(name, {"copied": share, "alone": 1 - share})
        self._on_pair = on_pair
        self._log = open_log(log) if isinstance(log, (str, Path)) else log
        self._most = max_concurrency
        self._left = max_copies
        self._seconds = seconds
        self._group: anyio.abc.TaskGroup | None = None
        self._running = 0
        self._counts = dict.fromkeys(("copied", "failed", "dropped", "skipped"), 0)

    async def chat(self, messages: Messages, **parameters: Any) -> ChatResponse:
        """The primary's answer."""
        response: ChatResponse = await self.primary.chat(messages, **parameters)
        self.copy(messages, parameters, response)
        return response

    def stream_chat(self, messages: Messages, **parameters: Any) -> WatchedStream:
        """The primary's answer as it comes."""
        told: Any = _Told(self, messages, parameters)
        return WatchedStream(self.primary.stream_chat(messages, **parameters), told)

    def stream_with_schema(self, messages: Messages, schema: Any, **parameters: Any) -> WatchedStream:
        """The primary's answer as a value of the type `schema`, as it comes."""
        return self.stream_chat(messages, schema=schema, **parameters)

    async def run_tools(self, messages: Messages, tools: Sequence[Any], **parameters: Any) -> ToolRun:
        """Run tools only with the primary: a copy's tools would act a second time."""
        self._counts["skipped"] += 1
        run: ToolRun = await self.primary.run_tools(messages, tools, **parameters)
        return run

    def stream_tools(self, messages: Messages, tools: Sequence[Any], **parameters: Any) -> ToolStream:
        """Run tools only with the primary, as it comes."""
        self._counts["skipped"] += 1
        stream: ToolStream = self.primary.stream_tools(messages, tools, **parameters)
        return stream

    def copy(self, messages: Messages, parameters: Mapping[str, Any], response: ChatResponse) -> None:
        """Ask the candidate the same, unless there is a reason not to."""
        if not self._is_chosen(parameters):
            return
        if parameters.get("tools"):
            self._counts["skipped"] += 1
        elif self._group is None or self._running >= self._most or self._left == 0:
            self._counts["dropped"] += 1
        else:
            self._left = None if self._left is None else self._left - 1
            self._running += 1
            self._group.start_soon(self._ask, as_messages(messages), dict(parameters), response)

    def _is_chosen(self, parameters: Mapping[str, Any]) -> bool:
        unit = current_unit() or parameters.get("user") or f"{random.random()}"  # noqa: S311  no secret
        return self._copied.arm(unit) == "copied"

    async def _ask(self, messages: list[Message], parameters: dict[str, Any], response: ChatResponse) -> None:
        answer: ChatResponse | MiiflowLLMError
        try:
            with anyio.fail_after(self._seconds):
                answer = await self.candidate.chat(messages, **parameters)
        except MiiflowLLMError as error:
            answer = error
        except Exception as reason:
            answer = MiiflowLLMError(f"the candidate failed: {type(reason).__name__}: {reason}")
        finally:
            self._running -= 1
        self._counts["copied"] += 1
        self._counts["failed"] += isinstance(answer, MiiflowLLMError)
        self._tell(Compared(messages, response, answer))

    def _tell(self, pair: Compared) -> None:
        if self._log is not None:
            call_id = pair.primary.call_id or pair.primary.id or ""
            self._log.append(Pair(self.name, call_id, brief(pair.primary), brief(pair.candidate), time.time()))
        if self._on_pair is None:
            return
        try:
            self._on_pair(pair)
        except Exception:
            log.exception("on_pair of shadow %r failed; calls go on", self.name)

    @property
    def statistics(self) -> ShadowMetrics:
        """What became of the copies so far."""
        return ShadowMetrics(**self._counts)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the primary's: `provider`, `model`, `plan`, `embed`, `count_tokens`, `get_metrics` ..."""
        if name.startswith("_") or name == "primary":
            raise AttributeError(name)
        return getattr(self.primary, name)

    async def aclose(self) -> None:
        """End the copies that are still on their way, and close both clients and the log."""
        group, self._group = self._group, None
        if group is not None:
            group.cancel_scope.cancel()
            await group.__aexit__(None, None, None)
        if self._log is not None:
            self._log.close()
        await self.primary.aclose()
        await self.candidate.aclose()

    async def settle(self) -> None:
        """Wait until the copies that are on their way have ended: before a report, and in tests."""
        while self._running:  # noqa: ASYNC110  copies end at any time, each by itself
            await anyio.sleep(0.01)

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
