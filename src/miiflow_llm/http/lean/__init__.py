"""An httpx transport for plain HTTP/1.1 at the cost of the raw socket: requests in, responses out, nothing of LLMs."""

from __future__ import annotations

from .stream import ResponseStream
from .transport import LeanTransport

__all__ = ["LeanTransport", "ResponseStream"]
