"""The command `serve`: the web page and its API on this machine, where the extra `[web]` is installed."""

from __future__ import annotations

import importlib
from typing import Any

from ..core.exceptions import ConfigurationError
from ..env import load_env


def serve(host: str, port: int, config: str | None, env_file: str) -> None:
    """Serve until interrupted.

    Raises:
        ConfigurationError: the extra is not installed, or the configuration is wrong.
    """
    load_env(env_file)
    _web().serve(host=host, port=port, config=config)


def _web() -> Any:
    try:
        return importlib.import_module("miiflow_llm.web")
    except ImportError as reason:
        raise ConfigurationError(f"serve needs more ({reason}): pip install 'miiflow-llm[web]'") from None
