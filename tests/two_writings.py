"""Write a request twice, by the generated functions and by walking the tables: the two are equal to the byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from miiflow_llm.core.exceptions import MiiflowLLMError
from miiflow_llm.core.request import ChatRequest
from miiflow_llm.tables import Dialect
from miiflow_llm.wire.encode.interpret import interpreted
from miiflow_llm.wire.encode.request import Encoded

Encode = Callable[..., Encoded]


def compared(encode: Encode) -> Encode:
    """`encode`, which writes each request a second time by the tables and sees that both say the same."""

    def twice(dialect: Dialect, writer_of: Any, request: ChatRequest, **how: Any) -> Encoded:
        by_tables = outcome(lambda: encode(dialect, lambda _: interpreted(dialect), request, **how | {"recall": None}))
        by_functions = outcome(lambda: encode(dialect, writer_of, request, **how))
        assert shown(by_functions) == shown(by_tables)
        if isinstance(by_functions, MiiflowLLMError):
            raise by_functions
        return by_functions

    return twice


def outcome(write: Callable[[], Encoded]) -> Encoded | MiiflowLLMError:
    """What is written, or the error that says why nothing is."""
    try:
        return write()
    except MiiflowLLMError as raised:
        return raised


def shown(found: Encoded | MiiflowLLMError) -> Any:
    """The outcome in a form that can be compared."""
    return said(found) if isinstance(found, MiiflowLLMError) else written(found)


def written(found: Encoded) -> Any:
    """The request as it goes out, with the notes on it."""
    try:
        return found.path, b"".join(found.parts), found.notes
    except (UnicodeEncodeError, TypeError, RecursionError) as reason:
        return found.path, str(reason), found.notes


def said(raised: MiiflowLLMError) -> Any:
    """The error in words."""
    return type(raised), raised.message, getattr(raised, "parameter", None)
