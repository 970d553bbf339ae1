"""What all calls of a router share: its targets, the table that decides, the lock around it, hooks and counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ..calls.hooks import Hooks
from ..calls.metrics import MetricsRecorder
from ..choosing.order import order
from ..choosing.skipped import skipped
from ..choosing.table import Ask, Table
from ..core import clock, forks
from ..core.messages import Message
from ..core.response import ChatResponse
from ..core.timeout import Timeout
from .asking import Asked
from .costing import Costing
from .sources import Source, source_of
from .state import SharedState
from .target import Aim

Accept = Callable[[ChatResponse], bool]
"""Whether a whole answer is taken; if not, another target is asked."""
_DEFAULT = Timeout()


class Shared:
    """The router as its calls see it. `draw` gives numbers from 0 to 1; the table changes under `lock`.

    `state` is what other processes say of the targets, if they are asked.
    """

    def __init__(
        self,
        name: str,
        aims: Sequence[Aim],
        table: Table,
        hooks: Hooks,
        draw: Callable[[], float],
        accept: Accept | None,
        state: SharedState | None = None,
        costing: Costing | None = None,
    ) -> None:
        self.name = name
        self.aims = aims
        self.table = table
        self.hooks = hooks
        self.draw = draw
        self.accept = accept
        self.state = state
        self.costing = costing or Costing(None, None)
        self.metrics = MetricsRecorder()
        self.lock = forks.lock()
        self._limits: dict[tuple[int, float | None], tuple[Timeout, Timeout]] = {}
        forks.renew(self)

    def begin_anew(self) -> None:
        """In a forked child: no call is under way."""
        self.table.begin_anew()

    def costs(
        self, messages: Sequence[Message], parameters: Mapping[str, Any], *, output: int | None = None
    ) -> tuple[float | None, ...]:
        """What a call is expected to cost at each target; `output` are the tokens of its answer, if they are known."""
        return self.costing.costs(self.aims, messages, parameters, output=output)

    def parameters_of(self, aim: Aim, asked: Asked) -> dict[str, Any]:
        """The parameters of a call to one target."""
        return {**aim.target.defaults, **asked.parameters} if aim.target.defaults else asked.parameters

    def source_of(self, aim: Aim, asked: Asked, cut: float | None) -> Source:
        """The target's answer to a call, not begun; `cut` is how long it may be silent.

        Raises:
            MiiflowLLMError: the target cannot be asked this.
        """
        limits = self.limits_of(aim, asked, cut)
        stream = aim.chat.stream_chat(asked.messages, raw=asked.raw, timeout=limits, **self.parameters_of(aim, asked))
        return source_of(stream)

    def limits_of(self, aim: Aim, asked: Asked, cut: float | None = None) -> Timeout | None:
        """The limits of one attempt: the call's or the target's; silence at most `cut`, all within what is left."""
        own = asked.timeout or getattr(aim.chat, "timeout", None)
        if cut is None and asked.until is None:
            return own
        limits = own or _DEFAULT
        if asked.until is not None:
            left = max(asked.until - clock.monotonic(), 1e-3)
            return msgspec.structs.replace(limits, first_output=_least(limits.first_output, cut), total=left)
        key = (aim.place, None if cut is None else round(cut, 2))
        known = self._limits.get(key)
        if known is None or known[0] is not limits:
            first = _least(limits.first_output, key[1])
            known = self._limits[key] = (limits, msgspec.structs.replace(limits, first_output=first))
            if len(self._limits) > _MANY:
                self._limits.clear()
        return known[1]

    def ranking(self, ask: Ask) -> tuple[tuple[str, ...], dict[str, str]]:
        """The labels of the targets that may be asked now, in their order, and why the others may not."""
        now = clock.monotonic()
        with self.lock:
            ranked = tuple(self.aims[choice.target].label for choice in order(self.table, ask, now, 0.5))
            left = {self.aims[place].label: why for place, why in skipped(self.table, ask, now).items()}
        return ranked, left


_MANY = 256


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)
