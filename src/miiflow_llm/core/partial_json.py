"""Moved to `miiflow_llm.schema.partial_json`; this name forwards to it for one release."""

from typing import Any


def __getattr__(name: str) -> Any:
    import importlib

    return getattr(importlib.import_module("miiflow_llm.schema.partial_json"), name)
