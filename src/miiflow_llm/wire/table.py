"""Moved to `miiflow_llm.tables`; this name forwards to it for one release."""

from typing import Any

_RENAMED = {"Side": "Endpoint", "Hints": "ResponseHeaders", "Outgoing": "UnsignedRequest"}


def __getattr__(name: str) -> Any:
    import importlib

    return getattr(importlib.import_module("miiflow_llm.tables"), _RENAMED.get(name, name))
