"""The command `serve`: the web page and its API from this machine, where the extra `[web]` is installed."""

from __future__ import annotations

import importlib
import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import msgspec

from .. import providers
from ..client.chat import Chat
from ..client.config import VARIABLE, load
from ..client.env import load_env
from ..client.pool import ClientPool
from ..core.exceptions import ConfigurationError
from .asking import key_variable
from .ending import say
from .output import write

ROUTE = "route"
"""What the page calls a provider whose models are the configuration's routes."""


class Order(msgspec.Struct, kw_only=True):
    """What is served, and where. `models` are `provider:model`; `demo` replays answers, with no key and no network.

    On loopback, requests to another `Host` than this machine's own names and `allow_hosts` are refused, so that no web
    page can have the user's key used by a name of its own (DNS rebinding). `trial_log` is a file that keeps which of
    two models' answers people prefer.
    """

    host: str
    port: int
    models: Sequence[str] = ()
    config: str | None = None
    demo: bool = False
    allow_hosts: Sequence[str] = ()
    trial_log: str | None = None
    env_file: str = ".env"


def serve(order: Order) -> None:
    """Serve until interrupted; the first line printed is the page's address.

    Raises:
        ConfigurationError: the extra is not installed, the configuration is wrong, or the port is taken.
    """
    load_env(order.env_file)
    uvicorn, web = _needed("uvicorn"), _needed("miiflow_llm.web")
    served = {} if order.demo else allowed(order)
    if not served:
        say("replaying answers: no model is configured, no key is set" if not order.demo else "replaying answers")
    elif not _is_loopback(order.host):
        say(f"anyone who reaches {order.host} can ask with your keys: there is no authentication")
    listener = _listener(order)
    write(f"{_address(order.host, listener)}\n")
    anyio.run(_run, uvicorn, web, listener, served, order)


def allowed(order: Order) -> dict[str, list[str]]:
    """The models to offer by provider: those named, those of the configuration, or one of each provider with a key.

    The routes of a configuration are offered as models of a provider `route`, before all others.

    Raises:
        ConfigurationError: a name is not `provider:model`, or the configuration is wrong.
    """
    if order.models:
        return _named(order.models)
    if _configured(order.config):
        found = load(order.config)
        offered = {name: entry.models or [_example(name)] for name, entry in found.providers.items()}
        return {**({ROUTE: list(found.routes)} if found.routes else {}), **offered}
    return {
        name: [_example(name)] for name in providers.names() if key_variable(providers.get(name)) and _example(name)
    }


def _configured(config: str | None) -> bool:
    return config is not None or VARIABLE in os.environ


def _named(specs: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for spec in specs:
        provider, _, model = spec.partition(":")
        if not model:
            raise ConfigurationError(f"-m {spec}: the provider and the model are needed, as in -m openai:gpt-5")
        found.setdefault(providers.get(provider).name, []).append(model)
    return found


def _example(name: str) -> str:
    try:
        return providers.get(name).example_model
    except ConfigurationError:  # a provider of the configuration's own
        return ""


async def _run(uvicorn: Any, web: Any, listener: socket.socket, served: Mapping[str, Any], order: Order) -> None:
    settled = msgspec.to_builtins(load(order.config)) if _configured(order.config) else None
    hosts = hosts_of(order)
    async with ClientPool(settled) as pool:
        if served:
            clients = clients_of(pool, served, order.config)
            app = web.create_app(clients, models=served, allow_hosts=hosts, trial_log=order.trial_log)
        else:
            app = _needed("miiflow_llm.web.demo").demo_app(allow_hosts=hosts, trial_log=order.trial_log)
        settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
        await uvicorn.Server(settings).serve(sockets=[listener])


def clients_of(
    pool: ClientPool, served: Mapping[str, Sequence[str]], config: str | None
) -> Callable[[str | None, str | None], Chat]:
    """What is asked for a provider's model: a client of the pool, or the route of that name."""
    routes: dict[str, Chat] = {}
    if ROUTE in served:
        from ..routing import Router

        routes = {name: Router.from_config(config, name, pool=pool) for name in served[ROUTE]}

    def chosen(provider: str | None, model: str | None) -> Chat:
        return routes[model] if provider == ROUTE and model in routes else pool.get(provider, model)

    return chosen


def hosts_of(order: Order) -> list[str] | None:
    """The names by which this service may be reached; `None` for any, if it is open to others and none was named."""
    if not _is_loopback(order.host):
        return [order.host, *order.allow_hosts] if order.allow_hosts else None
    return ["localhost", "127.0.0.1", "::1", order.host, *order.allow_hosts]


def _listener(order: Order) -> socket.socket:
    family = socket.AF_INET6 if ":" in order.host else socket.AF_INET
    try:
        return socket.create_server((order.host, order.port), family=family)
    except OSError as reason:
        raise ConfigurationError(f"{order.host}:{order.port}: {reason.strerror or reason}") from None


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _needed(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as reason:
        raise ConfigurationError(f"serve needs more ({reason}): pip install 'miiflow-llm[web]'") from None
