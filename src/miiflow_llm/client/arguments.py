"""Check what a client is made with: kinds of values, and names that others use for what has another name here."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from ..calls.hiding import seal
from ..calls.parameters import NAMES
from ..calls.retry import RetryBudget
from ..core.access_key import AccessKey
from ..core.exceptions import ConfigurationError
from ..tables import Provider

P = ParamSpec("P")
R = TypeVar("R")

_HERE = {
    "api_base": "base_url",
    "url": "base_url",
    "endpoint": "base_url",
    "host": "base_url",
    "key": "api_key",
    "token": "api_key",
    "model_name": "model",
    "deployment": "model",
    "azure_deployment": "model",
    "default_headers": "headers",
    "extra_headers": "headers",
    "organization": "headers={'OpenAI-Organization': ...}",
    "project": "headers={'OpenAI-Project': ...}",
    "retries": "max_retries",
    "num_retries": "max_retries",
    "request_timeout": "timeout",
    "callbacks": "event_hooks",
    "hooks": "event_hooks",
    "aws_region": "region",
    "location": "region",
    "client": "http_client",
    "proxy": "http_client=httpx.AsyncClient(proxy=...)",
    "proxies": "http_client=httpx.AsyncClient(proxy=...)",
    "verify": "http_client=httpx.AsyncClient(verify=...)",
    "drop_params": "unsupported='drop'",
    "fallbacks": "a Router over several clients",
    "cache": "a Cache around the client",
}
"""What other libraries call it, and what it is here."""


def explained(function: Callable[P, R]) -> Callable[P, R]:
    """`create`, with an error that says what to write for a keyword that it does not have."""
    known = list(inspect.signature(function).parameters)[1:]

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        args = _sealed(args, known)  # type: ignore[assignment]  # the same arguments, not shown
        for name in seal(kwargs):
            if name not in known:
                raise ConfigurationError(f"create() has no {name}: {_instead(name, known)}")
        return function(*args, **kwargs)

    return call


def _sealed(args: tuple[Any, ...], known: list[str]) -> tuple[Any, ...]:
    """The arguments given by position, the first of which is the class; a key among them does not show."""
    names = ["", *known]
    return tuple(seal({name: value})[name] for name, value in zip(names, args, strict=False)) + args[len(names) :]


def _instead(name: str, known: list[str]) -> str:
    if name in _HERE:
        return f"it is {_HERE[name]} here"
    if name in NAMES:
        return f"it is a parameter of a call; for every call write defaults={{{name!r}: ...}}"
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def check_target(provider: object, key: object, base_url: object, headers: object) -> None:
    """See that the values that say whom to ask are of the right kinds.

    Raises:
        ConfigurationError: one is not; the message says what to write.
    """
    if not isinstance(provider, (str, Provider)):
        raise ConfigurationError(f"provider={provider!r}: a name such as 'openai', or a Provider")
    if isinstance(provider, str) and (found := _split(provider)) is not None:
        raise ConfigurationError(f"provider={provider!r}: give provider and model apart: create({found})")
    if not isinstance(key, str | AccessKey | None):
        raise ConfigurationError(f"api_key is a {type(key).__name__}: text, or an AccessKey if requests are signed")
    if not isinstance(base_url, str | None):
        raise ConfigurationError(f"base_url={base_url!r}: text, such as 'https://api.example.com/v1'")
    if not isinstance(headers, Mapping | None):
        raise ConfigurationError(f"headers is a {type(headers).__name__}: a mapping of names to values")


def _split(provider: str) -> str | None:
    """The arguments for `provider:model` or `provider/model`, if that is what was written."""
    from .. import providers

    for mark in (":", "/"):
        name, found, model = provider.partition(mark)
        if found and providers.exists(name):
            return f"{name!r}, {model!r}"
    return None


def check_policy(max_retries: object, budget: object, unsupported: object, max_frame: object) -> None:
    """See that the values that say how calls are made are of the right kinds.

    Raises:
        ConfigurationError: one is not.
    """
    if not isinstance(max_retries, int) or max_retries < 0:
        raise ConfigurationError(f"max_retries={max_retries!r}: a whole number, 0 or more")
    if not isinstance(budget, RetryBudget | None):
        raise ConfigurationError(f"retry_budget={budget!r}: RetryBudget(most=..., per_call=...), or None for no limit")
    if unsupported not in ("raise", "drop"):
        raise ConfigurationError(f"unsupported={unsupported!r}: 'raise' or 'drop'")
    if not isinstance(max_frame, int) or max_frame < 1:
        raise ConfigurationError(f"max_frame_bytes={max_frame!r}: a whole number, 1 or more")


def check_defaults(defaults: Any) -> None:
    """See that the defaults are parameters of a call.

    Raises:
        ConfigurationError: they are not.
    """
    if not isinstance(defaults, Mapping | None):
        raise ConfigurationError(f"defaults is a {type(defaults).__name__}: a mapping of parameters to values")
    for name in defaults or ():
        if name not in NAMES:
            near = difflib.get_close_matches(str(name), NAMES, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}"
            raise ConfigurationError(f"defaults: {name!r} is not a parameter of a call; {hint}")


def checked_client(http_client: Any, wanted: type, other: type, owner: str) -> Any:
    """The caller's own httpx client, of the kind `wanted` and not the `other`.

    Raises:
        ConfigurationError: it is of the other kind, or not a client.
    """
    if http_client is None or (not isinstance(http_client, other) and hasattr(http_client, "build_request")):
        return http_client
    raise ConfigurationError(f"http_client is a {type(http_client).__name__}: {owner} takes an httpx.{wanted.__name__}")
