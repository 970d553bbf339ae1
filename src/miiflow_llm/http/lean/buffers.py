"""One read buffer for all connections of an event loop.

What is read is parsed before another connection of the loop can read. A fresh object for each read, asyncio's 256 KiB
say, costs as much as everything else together when frames come one by one.
"""

from __future__ import annotations

import weakref


class LoopBuffers:
    """Buffers of `size` bytes, by event loop (trio's: its token)."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffers: weakref.WeakKeyDictionary[object, memoryview] = weakref.WeakKeyDictionary()

    def of(self, loop: object) -> memoryview:
        """The loop's one buffer."""
        buffer = self._buffers.get(loop)
        if buffer is None:
            buffer = self._buffers[loop] = memoryview(bytearray(self._size))
        return buffer
