"""What the commands that ask a model share: options become a client and the call's parameters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from .. import providers
from ..client.async_client import LLMClient
from ..client.base import BaseClient
from ..client.chat import Chat, SyncChat
from ..client.config import VARIABLE, Config, load
from ..client.env import load_env
from ..client.sync_client import SyncLLMClient
from ..core.exceptions import ConfigurationError
from ..core.messages import Block, ImageBlock, Message, TextBlock
from ..tables import Provider
from .places import config_file
from .short_schema import schema_of
from .stored_keys import use_stored

MODEL = "MIIFLOW_LLM_MODEL"
"""The variable that names the model, `provider:model`, where `-m` does not."""

PRICES = "MIIFLOW_LLM_PRICES"
"""The variable that says what tokens cost: `genai-prices`, or the path of a TOML file."""

Client = TypeVar("Client", bound=BaseClient[Any])


class Ask(msgspec.Struct, kw_only=True):
    """The options of a command that asks."""

    model: str | None = None
    route: str | None = None
    cache: str | None = None
    config: str | None = None
    base_url: str | None = None
    dialect: str | None = None
    system: str | None = None
    images: Sequence[str] = ()
    attachments: Sequence[str] = ()
    schema: str | dict[str, Any] | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    reasoning: str | None = None
    parameters: str = "{}"
    timeout: float | None = None
    env_file: str = ".env"

    def client(self) -> SyncChat:
        """What to ask: a client, or the route or trial that was named; behind a cache if that was said.

        Raises:
            ConfigurationError: no model is named, or the provider is not known or has no key.
        """
        found: SyncChat = self._routed(loop=False) if self.route is not None else self.direct(SyncLLMClient)
        if self.cache is None:
            return found
        from ..caching import SyncCache

        if self.cache == "config":
            return SyncCache.from_config(found, self.source)
        return SyncCache(found, store=self.cache, tenant=self.route and f"route:{self.route}")

    def prepare(self) -> None:
        """Read the variables of the `.env` file, and the keys that `keys set` keeps."""
        load_env(self.env_file)
        use_stored()

    @property
    def source(self) -> str | None:
        """The configuration: the option, the variable (`None`), or the user's own file if there is one."""
        if self.config is None and not os.environ.get(VARIABLE) and config_file().is_file():
            return str(config_file())
        return self.config

    def configuration(self) -> Config:
        """The configuration, an empty one if there is none.

        Raises:
            ConfigurationError: it is wrong.
        """
        there = self.source is not None or os.environ.get(VARIABLE)
        return load(self.source) if there else Config()

    def loop_client(self) -> Chat:
        """The same for an event loop, without a cache."""
        return self._routed(loop=True) if self.route is not None else self.direct(LLMClient)

    def _routed(self, *, loop: bool) -> Any:
        """The route, or else the trial, of that name in the configuration."""
        self.prepare()
        name = self.route or ""
        if name in load(self.source).trials:
            from ..trials import SyncTrial, Trial

            return (Trial if loop else SyncTrial).from_config(self.source, name)
        from ..routing import Router, SyncRouter

        return (Router if loop else SyncRouter).from_config(self.source, name)

    def direct(self, kind: type[Client]) -> Client:
        """A client of the model that was chosen."""
        provider, model = self.chosen()
        if provider is None or self.configured:
            return kind.from_config(self.source, provider, model)
        prices = os.environ.get(PRICES) or None
        return kind.create(provider, model, base_url=self.base_url, dialect=self.dialect, prices=prices)

    @property
    def configured(self) -> bool:
        """Whether the configuration says where requests go.

        Raises:
            ConfigurationError: an option says something else than the configuration that is named beside it.
        """
        elsewhere = self.base_url is not None or self.dialect is not None
        if self.config is not None and elsewhere:
            raise ConfigurationError("--config says where requests go: leave out --base-url and --dialect")
        return not elsewhere and (self.source is not None or VARIABLE in os.environ)

    def chosen(self) -> tuple[str | None, str | None]:
        """Provider and model; neither where the configuration has a default.

        Raises:
            ConfigurationError: neither an option nor a variable nor a configuration names them.
        """
        self.prepare()
        given = self.model or os.environ.get(MODEL)
        if given is not None and ":" not in given:
            given = self.configuration().aliases.get(given, given)
        if given is None:
            if self.configured and self.configuration().providers:
                return None, None
            raise ConfigurationError(f"no model: pass -m provider:model, or set {MODEL}")
        provider, _, model = given.partition(":")
        if not model and not self.configured:
            raise ConfigurationError(
                f"-m {given}: the provider and the model are needed, as in -m {_example(provider)}"
            )
        return provider, model or None

    def settings(self) -> dict[str, Any]:
        """The parameters of the call.

        Raises:
            ConfigurationError: `--parameters` is not a JSON object, or `--schema` is not a schema.
        """
        found = {
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "reasoning": int(self.reasoning) if self.reasoning and self.reasoning.isdigit() else self.reasoning,
            "schema": self._schema(),
            "timeout": self.timeout,
        }
        return {**self.own_parameters(), **{name: value for name, value in found.items() if value is not None}}

    def own_parameters(self) -> dict[str, Any]:
        """What `--parameters` says.

        Raises:
            ConfigurationError: it is not a JSON object.
        """
        return _object(self.parameters.encode(), "--parameters")

    def _schema(self) -> dict[str, Any] | None:
        return schema_of(self.schema) if isinstance(self.schema, str) else self.schema

    def opening(self) -> list[Message]:
        """What stands before the user's first words."""
        return [Message.system(self.system)] if self.system else []

    def turn(self, prompt: str) -> Message:
        """The user's words with what is attached.

        Raises:
            ConfigurationError: an attachment cannot be read.
        """
        from .attaching import attached

        blocks: list[Block] = [*map(_image, self.images), *map(attached, self.attachments)]
        return Message.user([*blocks, TextBlock(prompt)] if blocks else prompt)


def asynchronous(spec: str, base_url: str | None) -> LLMClient:
    """A client for the calls beside the chat; `spec` is a provider, or `provider:model`."""
    provider, _, model = spec.partition(":")
    return LLMClient.create(provider, model or None, base_url=base_url)


def key_variable(provider: Provider) -> str | None:
    """The variable of the key that is set, of a key of several parts the first; `None` if none is."""
    found = next((name for name in provider.env if os.environ.get(name)), None)
    if found is None and provider.sign is not None and all(map(os.environ.get, provider.sign.env[:2])):
        return provider.sign.env[0]
    return found


def _image(place: str) -> ImageBlock:
    if place.startswith(("http://", "https://", "data:")):
        return ImageBlock.from_url(place)
    return ImageBlock.from_path(place)


def _object(text: bytes, place: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as reason:
        raise ConfigurationError(f"{place}: it is not a JSON object: {reason}") from None


def _example(provider: str) -> str:
    try:
        found = providers.get(provider)
    except ConfigurationError:
        return "openai:gpt-5"
    return f"{provider}:{found.example_model or 'NAME'}"
