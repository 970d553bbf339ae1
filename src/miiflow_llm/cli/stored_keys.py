"""Keys that `keys set` keeps: in the system's keyring if there is one, otherwise in a file only its owner can read."""

from __future__ import annotations

import importlib
import os
from typing import Any

import msgspec

from .. import providers
from ..core.exceptions import ConfigurationError
from ..tables import Provider
from .places import keys_file, private

SERVICE = "miiflow-llm"
"""The keyring's name for what is ours."""
WITHOUT = "MIIFLOW_LLM_NO_KEYRING"
"""The variable that, if it is set, keeps keys in the file even if there is a keyring."""


class StoredKey(msgspec.Struct, omit_defaults=True):
    """A provider's key: `key` itself, or `None` if the keyring has it."""

    key: str | None = None

    def __repr__(self) -> str:
        return "StoredKey(***)"


def set_key(name: str, key: str) -> str:
    """Keep a provider's key; return the place in words.

    Raises:
        ConfigurationError: there is no such provider, or its key is not one text, or cannot be kept.
    """
    provider = _with_a_key(name)
    key = key.strip()
    if not key or any(mark.isspace() for mark in key):
        raise ConfigurationError(f"keys set {name}: a key is one word, and none was given")
    ring, found = _keyring(), stored()
    if ring is not None and _put(ring, provider.name, key):
        found[provider.name], where = StoredKey(), "the keyring"
    else:
        found[provider.name], where = StoredKey(key), str(keys_file())
    _write(found)
    return where


def remove_key(name: str) -> None:
    """Forget a provider's key.

    Raises:
        ConfigurationError: there is no such provider, or none of its keys is kept.
    """
    provider, found, ring = _with_a_key(name), stored(), _keyring()
    if found.pop(provider.name, None) is None:
        raise ConfigurationError(f"keys remove {name}: no key of it is kept")
    _write(found)
    if ring is not None:
        try:
            ring.delete_password(SERVICE, provider.name)
        except Exception:  # noqa: S110  it is not there, or the keyring is locked; backends have errors of their own
            pass


def stored() -> dict[str, StoredKey]:
    """The keys that are kept, by provider.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        return msgspec.json.decode(keys_file().read_bytes() or b"{}", type=dict[str, StoredKey])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, msgspec.MsgspecError):
        raise ConfigurationError(
            f"the keys in {keys_file()} cannot be read; remove the file, and set them anew"
        ) from None


def use_stored() -> None:
    """Set the variables of the keys that are kept, of those that are not set, for this process."""
    for name, kept in stored().items():
        if not providers.exists(name):
            continue
        variables = providers.get(name).env
        if variables and not any(map(os.environ.get, variables)) and (key := kept.key or _from_keyring(name)):
            os.environ[variables[0]] = key


def _with_a_key(name: str) -> Provider:
    provider = providers.get(name)
    if not provider.env:
        raise ConfigurationError(f"{name} has no key of one text: see `miiflow-llm providers`")
    return provider


def _write(found: dict[str, StoredKey]) -> None:
    path = private(keys_file())
    new = path.with_suffix(f".{os.getpid()}")
    private(new).write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2))
    new.replace(path)


def _keyring() -> Any:
    """The keyring's module if it has somewhere safe to put keys."""
    if os.environ.get(WITHOUT):
        return None
    try:
        keyring: Any = importlib.import_module("keyring")
        return keyring if keyring.get_keyring().priority > 0 else None
    except Exception:  # it is not installed, or its backend cannot start; backends have errors of their own
        return None


def _put(ring: Any, name: str, key: str) -> bool:
    try:
        ring.set_password(SERVICE, name, key)
    except Exception:  # locked, or nobody to ask; backends have errors of their own
        return False
    return True


def _from_keyring(name: str) -> str | None:
    ring = _keyring()
    try:
        found = ring.get_password(SERVICE, name) if ring is not None else None
    except Exception:  # as above
        return None
    return found if isinstance(found, str) else None
