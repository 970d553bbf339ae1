"""The chunks of a stream, under the name that releases before 1.0 had for their module."""

from .response import StreamChunk, StreamContent

__all__ = ["StreamChunk", "StreamContent"]
