"""`Trial` and `SyncTrial`: several targets under one name, each unit served by its own, with the face of a client."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from ..calls.hiding import seal
from ..calls.hooks import Hook, Hooks, as_hooks, call_hooks
from ..calls.metrics import Metrics
from ..calls.parameters import Messages
from ..client.async_client import LLMClient
from ..client.config import Config, load
from ..client.settled import named, settled
from ..client.sync_client import SyncLLMClient
from ..core.events import EVENTS, CallEvent
from ..core.exceptions import ConfigurationError, MiiflowLLMError
from ..core.request import Plan
from ..core.response import ChatResponse, Embeddings, ModelInfo
from ..core.timeout import Timeout
from .logs import Log
from .records import Exposure
from .running import Entry, Policy, RunningTrial, current_unit
from .streams import SyncWatchedStream, WatchedStream
from .tallies import Metric

if TYPE_CHECKING:
    from ..calls.tool_loop import ToolRun
    from ..calls.tool_stream import SyncToolStream, ToolStream


class TrialConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A `[trials.NAME]` table: the arguments of `Trial` that a file can say."""

    arms: dict[str, str]
    weights: dict[str, float] | None = None
    goal: Metric = "success"
    policy: Policy = "fixed"
    salt: str = ""
    log: str | None = None


class _Trial(RunningTrial[Any]):
    """What both trials share beside the calls."""

    _kind: type[LLMClient | SyncLLMClient]

    def __init__(
        self,
        name: str,
        arms: Mapping[str, Any],
        weights: Mapping[str, float] | None = None,
        *,
        goal: Metric = "success",
        policy: Policy = "fixed",
        salt: str = "",
        log: Log | str | Path | None = None,
        on_exposure: Callable[[Exposure], Any] | None = None,
    ) -> None:
        made = {arm: _client(target, self._kind) for arm, target in arms.items()}
        super().__init__(name, made, weights, goal=goal, policy=policy, salt=salt, log=log, on_exposure=on_exposure)
        self._hooks = as_hooks()
        for client in {id(client): client for client in made.values()}.values():
            for event in EVENTS:
                client.event_hooks[event].append(self._pass_on)

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | str | Path | None, name: str) -> Self:
        """The trial that a configuration describes under `[trials.NAME]`: arms (`a = "provider:model"`), weights, goal,
        policy, salt and log.

        Raises:
            ConfigurationError: there is no such trial, or it holds what cannot be.
        """
        found = load(config)
        table = settled(named(found.trials, name, "trials"), TrialConfig, f"trials.{name}")
        arms = {arm: _configured(found, target, cls._kind) for arm, target in table.arms.items()}
        return cls(name, arms, table.weights, goal=table.goal, policy=table.policy, salt=table.salt, log=table.log)

    @property
    def provider(self) -> str:
        """The trial's name, which stands for its arms."""
        return self.name

    @property
    def model(self) -> str | None:
        """The model of the first arm."""
        model: str | None = next(iter(self.arms.values())).model
        return model

    @property
    def identity(self) -> str:
        """Whose answers these are, in place of a tenant: a digest of all arms' identities."""
        return self.identity_of([arm.identity for arm in self.arms.values()])

    def cache_scope(self, parameters: Mapping[str, Any]) -> str:
        """The arm of a call: a cache before a trial keeps the answers of each arm apart."""
        unit = parameters.get("unit") or current_unit() or parameters.get("user")
        if unit is None:
            raise ConfigurationError(
                f"trial {self.name!r} stands behind a cache: name the unit (unit=, user=, or as_unit), so that the "
                "cache knows which arm's answers to look for"
            )
        return f"trial:{self.name}:{self.arm_of(str(unit))}"

    def plan(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> Plan:
        """The exact request that the unit's arm would send, unsent."""
        plan: Plan = self._entry(unit, parameters).client.plan(messages, **parameters)
        return plan

    def _entry(self, unit: str | None, parameters: Mapping[str, Any]) -> Entry[Any]:
        return self.begin(unit, seal(parameters).get("user"))

    def get_metrics(self) -> Metrics:
        """What the trial has done so far, under `trial/arm`."""
        return self.metrics.summary()

    @property
    def event_hooks(self) -> Hooks:
        """The hooks by event, for the calls of every arm: append to its lists, or set a mapping."""
        return self._hooks

    @event_hooks.setter
    def event_hooks(self, given: Mapping[str, Sequence[Hook]]) -> None:
        self._hooks = as_hooks(given)

    def _pass_on(self, event: CallEvent) -> None:
        call_hooks(self._hooks[event.event], event)

    def __repr__(self) -> str:
        shares = ", ".join(f"{arm}={share:.0%}" for arm, share in self.shares.items())
        return f"{type(self).__name__}({self.name!r}, {shares})"


def _configured(config: Config, target: str, kind: type[LLMClient | SyncLLMClient]) -> Any:
    """A client as the configuration makes it, if it knows the provider."""
    provider, _, model = target.partition(":")
    if provider in config.providers:
        name, chosen = config.choose(provider, model or None)
        return kind.create(**config.arguments(name), model=chosen)
    return _client(target, kind)


def _client(target: Any, kind: type[LLMClient | SyncLLMClient]) -> Any:
    """What serves an arm: a client, whatever has its face, a router's target, or `provider:model`.

    Raises:
        ConfigurationError: it is something else.
    """
    if isinstance(target, str):
        provider, colon, model = target.partition(":")
        if not colon or not model:
            raise ConfigurationError(f"{target!r}: an arm is written provider:model, such as openai:gpt-5-mini")
        return kind.create(provider, model=model)
    if isinstance(target, msgspec.Struct):  # a router's target
        inner = getattr(target, "chat", None)
        return _client(inner, kind)
    if not callable(getattr(target, "stream_chat", None)):
        raise ConfigurationError(f"{target!r} cannot be an arm: give a client, a router, or 'provider:model'")
    return target


def _note_end(entry: Entry[Any], how: ToolRun | BaseException | None) -> None:
    if isinstance(how, MiiflowLLMError):
        entry.failed(how)
    elif how is None or isinstance(how, BaseException):
        entry.abandoned()
    else:
        entry.finished(how.response)


class Trial(_Trial):
    """Several targets under one name; each unit is served by its own arm, the same one every time.

    A trial has the face of a client, so it stands in routes and behind caches. Whose call it is is said by `unit=`, by
    `as_unit` around it, or by the request's `user`; a call of nobody is a unit of its own. See `RunningTrial` for what
    each argument means.
    """

    _kind = LLMClient

    async def chat(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> ChatResponse:
        """The whole answer of the unit's arm; its `call_id` is what `score` takes."""
        entry = self._entry(unit, parameters)
        try:
            response: ChatResponse = await entry.client.chat(messages, **parameters)
        except MiiflowLLMError as error:
            entry.failed(error)
            raise
        return entry.finished(response)

    def stream_chat(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> WatchedStream:
        """The answer of the unit's arm as it comes."""
        entry = self._entry(unit, parameters)
        return WatchedStream(entry.client.stream_chat(messages, **parameters), entry)

    def stream_with_schema(
        self, messages: Messages, schema: Any, *, unit: str | None = None, **parameters: Any
    ) -> WatchedStream:
        """The answer of the unit's arm as a value of the type `schema`, as it comes."""
        return self.stream_chat(messages, unit=unit, schema=schema, **parameters)

    async def run_tools(
        self, messages: Messages, tools: Sequence[Any], *, unit: str | None = None, **parameters: Any
    ) -> ToolRun:
        """Run tools with the unit's arm, from the first answer to the last; the run is one call of the trial."""
        entry = self._entry(unit, parameters)
        try:
            run: ToolRun = await entry.client.run_tools(messages, tools, **parameters)
        except MiiflowLLMError as error:
            entry.failed(error)
            raise
        entry.finished(run.response)
        return run

    def stream_tools(
        self, messages: Messages, tools: Sequence[Any], *, unit: str | None = None, **parameters: Any
    ) -> ToolStream:
        """As `run_tools`, but as it comes."""
        entry = self._entry(unit, parameters)
        stream: ToolStream = entry.client.stream_tools(messages, tools, **parameters)
        stream.on_end = partial(_note_end, entry)
        return stream

    async def embed(self, texts: str | Sequence[str], *, unit: str | None = None, **parameters: Any) -> Embeddings:
        """Vectors of the unit's arm; nothing of it is counted."""
        vectors: Embeddings = await self._entry(unit, {}).client.embed(texts, **parameters)
        return vectors

    async def count_tokens(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> int:
        """As the unit's arm counts."""
        counted: int = await self._entry(unit, parameters).client.count_tokens(messages, **parameters)
        return counted

    async def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that the first arm lists."""
        listed: list[ModelInfo] = await next(iter(self.arms.values())).models(timeout=timeout)
        return listed

    async def aclose(self) -> None:
        """Close the log and the arms. Harmless when done twice."""
        self.close_log()
        for client in self.arms.values():
            await client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class SyncTrial(_Trial):
    __doc__ = Trial.__doc__

    _kind = SyncLLMClient

    def chat(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> ChatResponse:
        """The whole answer of the unit's arm; as `Trial.chat`."""
        entry = self._entry(unit, parameters)
        try:
            response: ChatResponse = entry.client.chat(messages, **parameters)
        except MiiflowLLMError as error:
            entry.failed(error)
            raise
        return entry.finished(response)

    def stream_chat(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> SyncWatchedStream:
        """The answer of the unit's arm as it comes."""
        entry = self._entry(unit, parameters)
        return SyncWatchedStream(entry.client.stream_chat(messages, **parameters), entry)

    def stream_with_schema(
        self, messages: Messages, schema: Any, *, unit: str | None = None, **parameters: Any
    ) -> SyncWatchedStream:
        """The answer of the unit's arm as a value of the type `schema`, as it comes."""
        return self.stream_chat(messages, unit=unit, schema=schema, **parameters)

    def run_tools(
        self, messages: Messages, tools: Sequence[Any], *, unit: str | None = None, **parameters: Any
    ) -> ToolRun:
        """Run tools with the unit's arm, from the first answer to the last; as `Trial.run_tools`."""
        entry = self._entry(unit, parameters)
        try:
            run: ToolRun = entry.client.run_tools(messages, tools, **parameters)
        except MiiflowLLMError as error:
            entry.failed(error)
            raise
        entry.finished(run.response)
        return run

    def stream_tools(
        self, messages: Messages, tools: Sequence[Any], *, unit: str | None = None, **parameters: Any
    ) -> SyncToolStream:
        """As `run_tools`, but as it comes."""
        entry = self._entry(unit, parameters)
        stream: SyncToolStream = entry.client.stream_tools(messages, tools, **parameters)
        stream.on_end = partial(_note_end, entry)
        return stream

    def embed(self, texts: str | Sequence[str], *, unit: str | None = None, **parameters: Any) -> Embeddings:
        """Vectors of the unit's arm; nothing of it is counted."""
        vectors: Embeddings = self._entry(unit, {}).client.embed(texts, **parameters)
        return vectors

    def count_tokens(self, messages: Messages, *, unit: str | None = None, **parameters: Any) -> int:
        """As the unit's arm counts."""
        counted: int = self._entry(unit, parameters).client.count_tokens(messages, **parameters)
        return counted

    def models(self, *, timeout: Timeout | float | None = None) -> list[ModelInfo]:
        """The models that the first arm lists."""
        listed: list[ModelInfo] = next(iter(self.arms.values())).models(timeout=timeout)
        return listed

    def close(self) -> None:
        """Close the log and the arms. Harmless when done twice."""
        self.close_log()
        for client in self.arms.values():
            client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
