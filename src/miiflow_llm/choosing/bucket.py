"""An allowance that fills with the calls, so that what is added to them is a share of them: never below 0."""

from __future__ import annotations


class Bucket:
    """`left` grows by `per_call` with each call, up to `most`."""

    __slots__ = ("left", "most", "per_call")

    def __init__(self, most: float, per_call: float, left: float | None = None) -> None:
        self.most = most
        self.per_call = per_call
        self.left = most if left is None else left

    def called(self) -> None:
        """A call began."""
        if self.left < self.most:
            self.left = min(self.most, self.left + self.per_call)

    def take(self) -> bool:
        """Take one, if there is one."""
        if self.left < 1.0:
            return False
        self.left -= 1.0
        return True
