"""Whether httpx, or what is beneath it, has been replaced from outside: by a mock, or by a tracer around it.

The lean transports would go past a replacement, so if there is one, httpx's way is taken.
"""

from __future__ import annotations

import sys
from types import FunctionType

import httpx


def is_replaced(kind: type, method: str) -> bool:
    """Whether the method of a class of httpx's or httpcore's is not theirs."""
    found = kind.__dict__.get(method)
    return not isinstance(found, FunctionType) or _package(found.__globals__["__name__"]) != _package(kind.__module__)


def is_traced(kind: type[httpx.AsyncClient | httpx.Client]) -> bool:
    """Whether somebody listens to what a client of httpx's sends, any transport being fine."""
    return is_replaced(kind, "send")


def is_mocked() -> bool:
    """Whether a mock stands in for httpx's transport (pytest-httpx) or the pool beneath it (respx, VCR.py)."""
    return is_replaced(httpx.AsyncHTTPTransport, "handle_async_request") or _pool("AsyncConnectionPool", "async_")


def is_mocked_without_loop() -> bool:
    """The same for plain synchronous code."""
    return is_replaced(httpx.HTTPTransport, "handle_request") or _pool("ConnectionPool", "")


def _pool(name: str, infix: str) -> bool:
    pool = getattr(sys.modules.get("httpcore"), name, None)  # httpx loads it late: nobody has replaced it before
    return pool is not None and is_replaced(pool, f"handle_{infix}request")


def _package(module: str) -> str:
    return module.partition(".")[0]
