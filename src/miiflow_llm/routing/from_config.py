"""Turn a `[routes.NAME]` table of a configuration into the arguments of a router."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..client.config import load
from ..client.settled import named, settled
from ..core.exceptions import ConfigurationError
from ..core.timeout import Timeout
from .target import Target

_OTHERS = ("routes", "trials", "cache")
Listed = str | dict[str, Any]


class RouteConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A `[routes.NAME]` table: the arguments of `Router` that a file can say.

    `targets` are `"provider:model"`, tables with the fields of `Target` (`chat` is its `"provider:model"`), and lists
    of these, each of which is a tier. `state` is the address of a Redis server. `prices` and `budget`
    replace those of the whole configuration.
    """

    targets: list[Listed | list[Listed]]
    policy: str = "order"
    hedge: bool | None = None
    after_output: str = "raise"
    timeout: float | dict[str, float | None] | None = None
    state: str | None = None
    prices: str | list[str | dict[str, Any]] | dict[str, Any] | None = None
    budget: float | dict[str, Any] | None = None


def arguments(config: Mapping[str, Any] | str | Path | None, name: str) -> tuple[list[Any], dict[str, Any]]:
    """The targets and the keyword arguments of the route of that name.

    Raises:
        ConfigurationError: there is no such route, or it holds what cannot be.
    """
    found = load(config)
    route = settled(named(found.routes, name, "routes"), RouteConfig, f"routes.{name}")
    rest: dict[str, Any] = {"policy": route.policy, "after_output": route.after_output, "name": name}
    if route.state is not None:
        rest["state"] = route.state
    for setting in ("prices", "budget"):
        own = getattr(route, setting)
        if (said := getattr(found, setting) if own is None else own) is not None:
            rest[setting] = said
    if route.hedge is not None:
        rest["hedge"] = route.hedge
    if route.timeout is not None:
        rest["timeout"] = Timeout(**route.timeout) if isinstance(route.timeout, dict) else route.timeout
    plain = {
        key: value for key, value in msgspec.to_builtins(found).items() if key not in ("routes", "trials", "cache")
    }
    targets = [_tier(one, f"routes.{name}.targets[{place}]") for place, one in enumerate(route.targets)]
    return targets, {**rest, "config": plain if found.providers else None}


def _tier(listed: Listed | list[Listed], place: str) -> Any:
    return [_target(one, place) for one in listed] if isinstance(listed, list) else _target(listed, place)


def _target(listed: Listed, place: str) -> str | Target:
    if isinstance(listed, str):
        return listed
    chat = listed.get("chat")
    if not isinstance(chat, str):
        raise ConfigurationError(f'configuration: {place}: name the target, as in {{chat = "provider:model"}}')
    rest = {key: value for key, value in listed.items() if key != "chat"}
    target = settled(rest, _TargetConfig, place)
    said = {field: value for field in rest if (value := getattr(target, field)) is not msgspec.UNSET}
    return Target(chat, **said)


class _TargetConfig(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The fields of `Target` that a file can say."""

    label: str | None = None
    weight: float = 1.0
    context: int | None = None
    tags: list[str] = []
    defaults: dict[str, Any] = {}
    cut: float | str | None = "auto"
    limit: int | str | None = None
