"""Who speaks which dialect, and where: one file a provider, loaded when it is first asked for.

`register` adds one from outside, and so does an installed package with an entry point in the group
`miiflow_llm.providers`; nothing in here reads frames or makes requests.
"""

from __future__ import annotations

import difflib
import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ..core import forks
from ..core.exceptions import ConfigurationError
from ..tables import Provider, dialects_of

ALIASES = {"google": "gemini", "together": "togetherai", "openai_compatible": "openai-compatible"}
"""Other names of the built-in providers; registered ones bring their own."""

GROUP = "miiflow_llm.providers"
"""The group of entry points by which packages bring providers: the provider's name = "module:PROVIDER"."""

_registered: dict[str, Provider] = {}
_lock = forks.lock()


def register(provider: Provider, *, replace: bool = False) -> Provider:
    """Make `provider` known by its name and aliases, for this process.

    Raises:
        ConfigurationError: the name is taken and `replace` is false, or a row of the table is wrong; the error names
            the provider, the row and what there is.
    """
    dialects_of(provider)
    with _lock:
        for name in (provider.name, *provider.aliases):
            if not replace and (name in _registered or name in ALIASES or name in builtin_names()):
                raise ConfigurationError(f"provider {name!r} exists already; pass replace=True to replace it")
        for name in (provider.name, *provider.aliases):
            _registered[name] = provider
    return provider


def names() -> list[str]:
    """Every provider's name, built in or registered."""
    return sorted({*builtin_names(), *_plugins(), *(provider.name for provider in _registered.values())})


def exists(name: str) -> bool:
    """Whether there is a provider of that name or alias; none is loaded for it."""
    return name in _registered or ALIASES.get(name, name) in builtin_names() or name in _plugins()


def builtin_names() -> list[str]:
    """The names of the providers that have a file here."""
    folder = Path(__file__).parent
    return sorted(path.stem.replace("_", "-") for path in folder.glob("*.py") if not path.stem.startswith("_"))


@cache
def _plugins() -> dict[str, EntryPoint]:
    """The providers that installed packages bring, by name; none is loaded for it."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _loaded(entry: EntryPoint) -> Provider:
    """A package's provider, its table checked."""
    brought = f"provider {entry.name!r}, brought by {entry.dist.name if entry.dist else entry.value}"
    try:
        found = entry.load()
        provider = found() if callable(found) else found
    except Exception as error:  # whatever a package raises as it is loaded
        raise ConfigurationError(f"{brought}, cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(provider, Provider) or provider.name != entry.name:
        raise ConfigurationError(f"{brought}: {entry.value} is not a Provider of that name")
    dialects_of(provider)
    with _lock:
        return _registered.setdefault(entry.name, provider)


def get(name: str) -> Provider:
    """The provider of that name or alias.

    Raises:
        ConfigurationError: there is no such provider, and the message names the nearest, and all; or a package brings
            it and it cannot be loaded.
    """
    if name in _registered:
        return _registered[name]
    known = ALIASES.get(name, name)
    module = known.replace("-", "_")
    if not module.isidentifier() or module.startswith("_") or known not in builtin_names():
        if (entry := _plugins().get(name)) is not None:
            return _loaded(entry)
        raise ConfigurationError(_unknown(name))
    provider = importlib.import_module(f".{module}", __package__).PROVIDER
    assert isinstance(provider, Provider)  # noqa: S101  a test holds it for every file
    return provider


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), [*names(), *ALIASES], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return (
        f"unknown provider {name!r}.{hint} Known: {', '.join(names())}. Any OpenAI-compatible server works with "
        "'openai-compatible' and base_url, and register() adds one of your own."
    )
