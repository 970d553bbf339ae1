"""The commands that tell: `providers`, `models` and `plan`."""

from __future__ import annotations

import anyio
import msgspec

from .. import providers as known
from ..calls.target import key_variables
from ..client.chat import SyncChat
from ..client.env import load_env
from ..client.sync_client import SyncLLMClient
from ..core.response import ModelInfo
from .asking import Ask, asynchronous, key_variable
from .output import console, is_terminal, write, write_json, write_table
from .stored_keys import use_stored


class Row(msgspec.Struct):
    """A provider as it is listed: `key` is the variable that is set, or those that would be looked at."""

    name: str
    dialects: list[str]
    base_url: str | None
    key: str
    ready: bool


def row(name: str) -> Row:
    """A provider's row; a key's value is never read into it."""
    provider = known.get(name)
    found = key_variable(provider)
    if found is not None:
        key = f"{found} is set"
    elif not provider.env:
        key = "needs none"
    else:
        key = f"{' or '.join(key_variables(provider))} is not set" + (
            " (optional)" if provider.key == "optional" else ""
        )
    dialects = [option.dialect.name for option in provider.options]
    return Row(name, dialects, provider.base_url, key, found is not None or provider.key == "optional")


def providers(env_file: str, *, as_json: bool) -> None:
    """Every provider: its formats, its address, and whether its key is set."""
    load_env(env_file)
    use_stored()
    rows = [row(name) for name in known.names()]
    if as_json:
        for found in rows:
            write_json(found)
        return
    if is_terminal(console()):
        write_table(("provider", "key", "address and dialects"), [_drawn(found) for found in rows])
    else:
        write_table(("provider", "dialects", "address", "key"), [_told(found) for found in rows])


def _told(found: Row) -> list[str]:
    return [found.name, ", ".join(found.dialects), _address(found), found.key]


def _address(found: Row) -> str:
    """The address, or what says it."""
    regions = known.get(found.name).regions
    return found.base_url or (f"({regions.env[0]})" if regions is not None else "(--base-url)")


def _drawn(found: Row) -> list[str]:
    """A row for eyes: one variable, marked if it is set, so that 80 columns are enough."""
    provider = known.get(found.name)
    variable = key_variable(provider)
    mark = "●" if variable else "○"
    note = " (optional)" if provider.key == "optional" and not variable else ""
    key = f"{mark} {variable or provider.env[0]}{note}" if provider.env else "needs none"
    address = _address(found).removeprefix("https://")
    return [found.name, key, f"{address}\n{', '.join(found.dialects)}"]


def models(spec: str, base_url: str | None, env_file: str, *, as_json: bool) -> None:
    """The models that a provider lists for the key."""
    load_env(env_file)
    use_stored()
    for found in sorted(anyio.run(_models, spec, base_url), key=lambda model: model.id):
        if as_json:
            write_json(found)
        else:
            write(f"{found.id}\n")


async def _models(spec: str, base_url: str | None) -> list[ModelInfo]:
    async with asynchronous(spec, base_url) as client:
        return await client.models()


def plan(ask: Ask, prompt: str, *, stream: bool) -> None:
    """The request that `chat` would send, with the key hidden; nothing is sent, and no key is needed."""
    ask.prepare()
    messages = [*ask.opening(), ask.turn(prompt)]
    with _planning(ask) as client:
        write_json(client.plan(messages, stream=stream, **ask.settings()).to_dict(), indent=2)


def _planning(ask: Ask) -> SyncChat:
    provider, model = ask.chosen()
    if provider is None or ask.configured or key_variable(known.get(provider)) is not None:
        return ask.client()
    return SyncLLMClient.create(provider, model, "unset", base_url=ask.base_url, dialect=ask.dialect)
