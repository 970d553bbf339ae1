"""httpx transports for plain HTTP/1.1 at the cost of the raw socket, on asyncio, on trio and in threads.

They take httpx's requests and give its responses; nothing here knows of LLMs.
"""

from __future__ import annotations

from .blocking_stream import BlockingStream
from .blocking_transport import BlockingLeanTransport
from .stream import ResponseStream
from .transport import LeanTransport

__all__ = ["BlockingLeanTransport", "BlockingStream", "LeanTransport", "ResponseStream"]
