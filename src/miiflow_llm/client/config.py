"""Make clients from a configuration: a dict, a TOML or JSON file, or an environment variable.

Keys of secrets are refused: a key belongs into the environment, its variable's name into the file.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from .. import providers
from ..calls.parameters import NAMES
from ..calls.retry import RetryBudget
from ..core.exceptions import ConfigurationError
from ..core.secrets import Secret, is_credential_header
from ..core.timeout import Timeout
from ..tables import Provider
from ..wire.encode.request import Unsupported

VARIABLE = "MIIFLOW_LLM_CONFIG"
"""The environment variable that holds the configuration itself, as JSON, or the path of its file."""

_SECRET = re.compile(
    r"(^|[-_])(api_?key|key|token|secret|passwd|password|authorization|credentials?|cookie)$", re.IGNORECASE
)
_DEFAULT = "default_"

T = TypeVar("T")


class ProviderConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One provider of a configuration.

    `models` are the models that may be used, the first by default; none means any. `api_key_env` names the variable of
    the key. `like` makes a provider of your own: the built-in one it is a copy of, at its own `base_url`. `defaults`
    are parameters for every call (written `default_temperature = 0.2` in the file).
    """

    models: list[str] = []
    base_url: str | None = None
    region: str | None = None
    api_key_env: str | None = None
    headers: dict[str, str] = {}
    dialect: str | None = None
    like: str | None = None
    timeout: float | dict[str, float | None] | None = None
    max_retries: int | None = None
    retry_budget: RetryBudget | bool | None = None
    unsupported: Unsupported | None = None
    defaults: dict[str, Any] = {}


class Config(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A whole configuration.

    `timeout` is a number for each single wait, or the fields of `Timeout`, in seconds. `retry_budget` has the fields of
    `RetryBudget`, or is `false` for no limit. `routes` are routers by name (`Router.from_config`), `trials` trials
    (`Trial.from_config`), `cache` is a cache's settings (`Cache.from_config`): what they may hold is checked where they
    are made. `prices` says what tokens cost, and `budget` what calls may cost together, as `LLMClient.create` takes
    them. `aliases` are other names of `provider:model`, and `templates` what is asked again and again, both for the
    command line.
    """

    default_provider: str | None = None
    default_model: str | None = None
    timeout: float | dict[str, float | None] | None = None
    max_retries: int = 2
    retry_budget: RetryBudget | bool | None = None
    enable_metrics: bool = True
    providers: dict[str, ProviderConfig] = {}
    routes: dict[str, dict[str, Any]] = {}
    trials: dict[str, dict[str, Any]] = {}
    cache: dict[str, Any] | None = None
    prices: str | list[str | dict[str, Any]] | dict[str, Any] | None = None
    budget: float | dict[str, Any] | None = None
    aliases: dict[str, str] = {}
    templates: dict[str, dict[str, Any]] = {}

    def choose(self, provider: str | None, model: str | None) -> tuple[str, str]:
        """The provider and model to use, of those configured.

        Raises:
            ConfigurationError: none is named and there is no default, or it is not among those configured.
        """
        name = provider or self.default_provider or next(iter(self.providers), None)
        if name is None:
            raise ConfigurationError("the configuration names no provider: set default_provider, or pass provider=...")
        if self.providers and name not in self.providers:
            raise ConfigurationError(f"provider {name!r} is not configured; there are {', '.join(self.providers)}")
        entry = self.providers.get(name, ProviderConfig())
        default = self.default_model if name == self.default_provider or provider is None else None
        chosen = model or default or next(iter(entry.models), None)
        if chosen is None:
            raise ConfigurationError(f"provider {name!r} has no model: list models, or pass model=...")
        if entry.models and chosen not in entry.models:
            raise ConfigurationError(f"model {chosen!r} is not among those of {name!r}: {', '.join(entry.models)}")
        return name, chosen

    def arguments(self, name: str) -> dict[str, Any]:
        """What `create` gets for the provider, beside its model.

        Raises:
            ConfigurationError: the key's variable is not set, or a limit is not above 0.
        """
        entry = self.providers.get(name, ProviderConfig())
        return {
            "provider": _provider(name, entry),
            "api_key": _key(name, entry),
            "base_url": entry.base_url,
            "region": entry.region,
            "dialect": entry.dialect,
            "headers": entry.headers or None,
            "timeout": _timeout(entry.timeout if entry.timeout is not None else self.timeout),
            "max_retries": self.max_retries if entry.max_retries is None else entry.max_retries,
            "retry_budget": _budget(self.retry_budget if entry.retry_budget is None else entry.retry_budget),
            "unsupported": entry.unsupported or "raise",
            "defaults": entry.defaults or None,
            "prices": self.prices,
            "budget": self.budget,
        }


def load(source: Mapping[str, Any] | str | Path | None = None) -> Config:
    """The configuration of a dict, a `.toml` or `.json` file, or, where `None`, of the variable `MIIFLOW_LLM_CONFIG`.

    Raises:
        ConfigurationError: there is none, or it is wrong; the message names the place and the nearest legal key.
    """
    if source is None:
        source = _from_variable()
    data = dict(source) if isinstance(source, Mapping) else _from_file(Path(source))
    _refuse_secrets(data, "")
    check_keys(data, Config.__struct_fields__, "")
    entries = data.pop("providers", {})
    if not isinstance(entries, Mapping):
        raise ConfigurationError("configuration: providers is a mapping of each provider's name to its settings")
    config = converted(data, Config, "")
    config.providers = {str(name): _entry(str(name), entry) for name, entry in entries.items()}
    return config


def converted(data: Any, kind: type[T], place: str) -> T:
    """A value of the configuration as a type.

    Raises:
        ConfigurationError: it is not one; the message names the place.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as reason:
        words, _, path = str(reason).partition(" - at `$")
        where = f"{place}{path.rstrip('`')}".strip(".")
        raise ConfigurationError(f"configuration: {where}: {words}") from None


def _from_variable() -> Mapping[str, Any] | str:
    value = os.environ.get(VARIABLE, "").strip()
    if not value:
        raise ConfigurationError(f"no configuration: pass a dict or a path, or set {VARIABLE}")
    return _parsed(value, VARIABLE) if value.startswith("{") else value


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.expanduser().read_text(encoding="utf-8")
    except OSError as reason:
        raise ConfigurationError(f"configuration {str(path)!r} cannot be read: {reason.strerror or reason}") from None
    if path.suffix != ".toml":
        return _parsed(text, str(path))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        raise ConfigurationError(f"configuration {str(path)!r} is not TOML: {reason}") from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as reason:
        raise ConfigurationError(f"configuration {where!r} is not a JSON object: {reason}") from None


def _refuse_secrets(value: Any, place: str) -> None:
    if isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_secrets(inner, f"{place}[{number}]")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{place}.{key}" if place else str(key)
            name = str(key).strip()
            if isinstance(inner, str) and (_SECRET.search(name) or is_credential_header(name)):
                raise ConfigurationError(
                    f"{here}: a configuration holds no secrets, it gets copied and committed; set the environment "
                    "variable, and name it with api_key_env if it is not the provider's usual one"
                )
            _refuse_secrets(inner, here)


def _entry(name: str, entry: Any) -> ProviderConfig:
    """One provider, its `default_...` keys gathered under `defaults`."""
    place = f"providers.{name}"
    if not isinstance(entry, Mapping):
        return converted(entry, ProviderConfig, place)
    defaults = {key.removeprefix(_DEFAULT): value for key, value in entry.items() if key.startswith(_DEFAULT)}
    rest = {key: value for key, value in entry.items() if not key.startswith(_DEFAULT)}
    check_keys(defaults, NAMES, f"{place}.{_DEFAULT}")
    check_keys(rest, ProviderConfig.__struct_fields__, f"{place}.")
    found = converted(rest, ProviderConfig, place)
    check_keys(found.defaults, NAMES, f"{place}.defaults.")
    found.defaults = {**found.defaults, **defaults}
    if not providers.exists(found.like or name):
        _refuse_provider(found.like or name, f"{place}.like" if found.like else place)
    return found


def _refuse_provider(name: str, place: str) -> NoReturn:
    near = difflib.get_close_matches(name, providers.names(), n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(providers.names())}"
    raise ConfigurationError(
        f"configuration: {place}: no provider {name!r}; {hint} Or is it your own? Then say what it is like: like = "
        '"openai-compatible", and its base_url'
    )


def check_keys(data: Mapping[str, Any], legal: tuple[str, ...], place: str) -> None:
    """See that every key is a legal one.

    Raises:
        ConfigurationError: one is not; the message names the nearest that is.
    """
    for key in data:
        if key not in legal:
            near = difflib.get_close_matches(str(key), legal, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(legal)}"
            raise ConfigurationError(f"configuration: no key {place}{key}; {hint}")


def _provider(name: str, entry: ProviderConfig) -> Provider | str:
    if entry.like is None:
        return name
    return msgspec.structs.replace(providers.get(entry.like), name=name, env=(), sign=None, aliases=())


def _key(name: str, entry: ProviderConfig) -> str | None:
    if entry.api_key_env is None:
        return None
    key = os.environ.get(entry.api_key_env)
    if not key:
        raise ConfigurationError(f"{name}: the variable {entry.api_key_env} (api_key_env) is not set")
    return Secret(key)


def _budget(value: RetryBudget | bool | None) -> RetryBudget | None:
    return RetryBudget() if value is None or value is True else value or None


def _timeout(value: float | dict[str, float | None] | None) -> Timeout:
    if value is None:
        return Timeout()
    try:
        return Timeout(**value) if isinstance(value, dict) else Timeout.of(value)
    except (TypeError, ConfigurationError) as reason:
        raise ConfigurationError(f"configuration: timeout: {reason}") from None
