"""Who speaks which dialect, and where: one file a provider, loaded when it is first asked for.

`register` adds one from outside; nothing in here reads frames or makes requests.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

from ..core import forks
from ..core.exceptions import ConfigurationError
from ..tables import Provider, dialects_of

ALIASES = {"google": "gemini", "together": "togetherai", "openai_compatible": "openai-compatible"}
"""Other names of the built-in providers; registered ones bring their own."""

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
    return sorted({*builtin_names(), *(provider.name for provider in _registered.values())})


def exists(name: str) -> bool:
    """Whether there is a provider of that name or alias; none is loaded for it."""
    return name in _registered or ALIASES.get(name, name) in builtin_names()


def builtin_names() -> list[str]:
    """The names of the providers that have a file here."""
    folder = Path(__file__).parent
    return sorted(path.stem.replace("_", "-") for path in folder.glob("*.py") if not path.stem.startswith("_"))


def get(name: str) -> Provider:
    """The provider of that name or alias.

    Raises:
        ConfigurationError: there is no such provider; the message names the nearest, and all.
    """
    if name in _registered:
        return _registered[name]
    known = ALIASES.get(name, name)
    module = known.replace("-", "_")
    if not module.isidentifier() or module.startswith("_") or known not in builtin_names():
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
