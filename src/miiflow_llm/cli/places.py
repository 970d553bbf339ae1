"""Where the command line keeps what it remembers: the configuration, keys, and conversations."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..core.exceptions import ConfigurationError

HOME = "MIIFLOW_LLM_HOME"
"""The variable that names another folder for all of it."""
NAME = "miiflow-llm"


def config_file() -> Path:
    """The user's configuration; it need not exist."""
    return _folder("XDG_CONFIG_HOME", ".config") / "config.toml"


def keys_file() -> Path:
    """The keys that `keys set` keeps."""
    return _folder("XDG_CONFIG_HOME", ".config") / "keys.json"


def conversations_file() -> Path:
    """The SQLite file of conversations."""
    return _folder("XDG_DATA_HOME", ".local/share") / "conversations.db"


def _folder(variable: str, usual: str) -> Path:
    """The folder by `MIIFLOW_LLM_HOME`, or else as the platform has it."""
    if home := os.environ.get(HOME):
        return Path(home).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData/Roaming") / NAME
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support" / NAME
    return Path(os.environ.get(variable) or Path.home() / usual) / NAME


def private(path: Path) -> Path:
    """The file, in a folder that there is, for its owner's eyes only.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be written: {reason.strerror}; set {HOME} to a folder") from None
    return path
