"""Say what to write when what is for event loops is used by plain code, or the other way round."""

from __future__ import annotations

from typing import ClassVar, Never


class NotPlain:
    """For an event loop only: `with` says that it is `async with`."""

    _instead: ClassVar[str] = ""
    """What has the same for plain code."""

    def __enter__(self) -> Never:
        kind = type(self).__name__
        raise TypeError(f"a {kind} is used in an event loop: write `async with`{_or(self._instead)}")

    def __exit__(self, *_: object) -> None:
        """Never reached; `with` asks for it."""


class NotPlainStream(NotPlain):
    """For an event loop only: `for` says that it is `async for`, `await` that nothing is to be awaited."""

    _call: ClassVar[str] = ""
    """How the stream is made."""

    def __iter__(self) -> Never:
        raise TypeError(f"{self._call} is iterated in an event loop: write `async for`{_or(self._instead)}")

    def __await__(self) -> Never:
        raise TypeError(f"{self._call} is not awaited: write `async for ... in client.{self._call}`, without `await`")


class NotInLoops:
    """For plain code only: `async with` says that it is `with`. (`__aiter__` would make frameworks iterate it so.)"""

    _instead: ClassVar[str] = ""
    """What has the same for event loops."""

    async def __aenter__(self) -> Never:
        kind = type(self).__name__
        raise TypeError(f"a {kind} is used by plain code: write `with`{_or(self._instead)}")

    async def __aexit__(self, *_: object) -> None:
        """Never reached; `async with` asks for it."""


def _or(instead: str) -> str:
    return f", or take {instead}" if instead else ""
