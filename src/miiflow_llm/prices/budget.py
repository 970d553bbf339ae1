"""How much may be spent: an estimate is reserved before a call, and settled by what the call cost.

Amounts are kept as whole billionths of a unit, so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import msgspec

from ..core import forks
from ..core.exceptions import BudgetExceededError, ConfigurationError
from ..core.legal_keys import check_keys
from ..core.price import Cost
from .windows import PERS, Per, Window, window

NANO = 1_000_000_000


class Reservation:
    """An estimate that is held until `settle`. Settling twice does nothing."""

    __slots__ = ("_budget", "amount", "id", "shared", "window")

    def __init__(self, budget: Budget, window: Window, amount: int, named: str = "", *, shared: bool = False) -> None:
        self._budget: Budget | None = budget
        self.window = window
        self.amount = amount
        self.id = named
        self.shared = shared

    def settle(self, cost: float | None) -> None:
        """The call is over: count what it cost in place of the estimate, which stands if that is not known (`None`)."""
        budget, self._budget = self._budget, None
        if budget is not None:
            budget._settle(self, self.amount if cost is None else round(cost * NANO))


class BudgetState(msgspec.Struct, frozen=True):
    """How a budget stands: what was spent in this window, what calls under way hold, and seconds until the next.

    `shared` says whether other processes are in the numbers; `None` for a budget that is not shared. Calls that were
    decided without the server, since it did not answer, are counted in `by_itself`.
    """

    limit: float
    spent: float
    reserved: float
    left: float
    resets_in: float | None
    currency: str = "USD"
    shared: bool | None = None
    by_itself: int = 0


class Budget:
    """A limit on what calls may cost together. Give one object to everything that is to keep it.

        Budget(5, per="day")                                        # of this process
        Budget(5, per="day", key="team-a", server="redis://host/0")  # of all processes that name the key

    Before a request its estimated cost is reserved; if it does not fit, `BudgetExceededError` is raised and nothing is
    sent. After it the estimate is replaced by what the request cost. So concurrent calls never exceed the limit by more
    than estimates were too low; failed attempts and losers of a hedge count too.

    With a server the numbers are its own, changed by scripts that run as a whole. A server that is lost or silent costs
    a call 50 ms at most and never an error: each process then counts by itself, on top of what it last knew of all,
    and tells the server once it is back. Until then several processes can each spend what was left.

    Args:
        limit: the most that may be spent, in units of `currency`.
        per: the time that it holds for: a calendar `minute`, `hour`, `day`, `week` or `month` in UTC, or `total`.
        key: the name of the budget; budgets of one key and server are one.
        currency: what the limit is in. Costs in another one are not counted, and a warning is logged.
        server: a `redis://` address or a `RedisServer` (extra `[redis]`), for a budget of several processes.
        on_exceeded: `raise`, or `cheaper`: a router then asks a target for which there is enough left, if it has one.
        unpriced: what becomes of a call whose cost cannot be estimated: `allow`, or `refuse`.

    Raises:
        ConfigurationError: a value that cannot be.
    """

    def __init__(
        self,
        limit: float,
        per: Per = "day",
        *,
        key: str = "default",
        currency: str = "USD",
        server: Any = None,
        on_exceeded: Literal["raise", "cheaper"] = "raise",
        unpriced: Literal["allow", "refuse"] = "allow",
    ) -> None:
        given: Any = limit
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given < 2**53 / NANO:
            raise ConfigurationError(f"Budget(limit={limit!r}): a number from 0 to 9 million")
        if per not in PERS:
            raise ConfigurationError(f"Budget(per={per!r}): {', '.join(PERS)}")
        if on_exceeded not in ("raise", "cheaper") or unpriced not in ("allow", "refuse"):
            raise ConfigurationError("Budget: on_exceeded is 'raise' or 'cheaper', unpriced is 'allow' or 'refuse'")
        self.limit = float(limit)
        self.per: Per = per
        self.key = key
        self.currency = currency
        self.on_exceeded = on_exceeded
        self.unpriced = unpriced
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._most = round(limit * NANO)
        self._lock = forks.lock()
        self._at: Window | None = None
        self._since = 0.0
        self._name = ""
        self._spent = self._reserved = 0
        self._shared: Any = None
        if server is not None:
            from .shared_budget import SharedBudget

            self._shared = SharedBudget(server, key, self._most)

    @classmethod
    def of(cls, given: BudgetLike) -> Budget:
        """The budget as `budget=` takes it: a `Budget`, an amount for a day, or a mapping of its arguments.

        Raises:
            ConfigurationError: it is something else.
        """
        if isinstance(given, Budget):
            return given
        if isinstance(given, Mapping):
            check_keys(given, _ARGUMENTS, "budget", "a budget")
            if "limit" not in given:
                raise ConfigurationError("budget: say limit, as in {'limit': 5, 'per': 'day'}")
            return cls(**given)
        return cls(given)  # type: ignore[arg-type]  # whatever else it is, the class says what it must be

    def __repr__(self) -> str:
        return f"Budget({self.limit:g}, per={self.per!r}, key={self.key!r})"

    async def reserve(self, amount: float) -> Reservation:
        """Hold so much for a call.

        Raises:
            BudgetExceededError: it does not fit.
        """
        if self._shared is None:
            return self._reserve_here(amount)
        at, wanted = self._window(), round(amount * NANO)
        return self._made(at, wanted, await self._shared.reserve(at, wanted))

    def reserve_sync(self, amount: float) -> Reservation:
        """As `reserve`, in a thread."""
        if self._shared is None:
            return self._reserve_here(amount)
        at, wanted = self._window(), round(amount * NANO)
        return self._made(at, wanted, self._shared.reserve_sync(at, wanted))

    async def connect(self, timeout: float = 5.0) -> bool:
        """Wait for the server, at most so many seconds; whether it is reached.

        Calls before that are decided by this process itself.
        """
        return self._shared is None or await self._shared.server.connect(timeout)

    def connect_sync(self, timeout: float = 5.0) -> bool:
        """As `connect`, in a thread."""
        return self._shared is None or self._shared.server.connect_sync(timeout)

    async def aclose(self) -> None:
        """Close the connection that was made for an address. Harmless when done twice."""
        if self._shared is not None:
            await self._shared.aclose()

    def close(self) -> None:
        """As `aclose`, in a thread."""
        if self._shared is not None:
            self._shared.close()

    @property
    def state(self) -> BudgetState:
        """How it stands, as far as this process knows."""
        at = self._window()
        spent, reserved = self._shared.known(at) if self._shared is not None else self._here(at)
        shared = None if self._shared is None else self._shared.server.connected
        by_itself = 0 if self._shared is None else self._shared.by_itself
        left = max(0, self._most - spent - reserved)
        return BudgetState(
            self.limit, spent / NANO, reserved / NANO, left / NANO, at.left, self.currency, shared, by_itself
        )

    def amount_of(self, cost: Cost | None) -> float | None:
        """What of a cost counts; `None` if it is not known, or in another currency."""
        return cost.amount if cost is not None and cost.currency == self.currency else None

    def _window(self) -> Window:
        """The window that is now; known until it ends, for making one takes longer than the rest."""
        now = self.now()
        at, moment = self._at, now.timestamp()
        if at is None or not self._since <= moment < at.end:
            at, self._since = window(self.per, now), moment
            self._at = at
        return at if at.left is None else Window(at.name, at.end - moment, at.end)

    def _here(self, at: Window) -> tuple[int, int]:
        with self._lock:
            self._turn(at)
            return self._spent, self._reserved

    def _turn(self, at: Window) -> None:
        """Begin anew if another window has begun."""
        if self._name != at.name:
            self._name, self._spent, self._reserved = at.name, 0, 0

    def _reserve_here(self, amount: float) -> Reservation:
        at, wanted = self._window(), round(amount * NANO)
        with self._lock:
            self._turn(at)
            fits = self._spent + self._reserved + wanted <= self._most and self._spent < max(self._most, 1)
            if fits:
                self._reserved += wanted
            spent, reserved = self._spent, self._reserved
        if not fits:
            raise self._exceeded(at, wanted, spent, reserved)
        return Reservation(self, at, wanted)

    def _made(self, at: Window, wanted: int, answer: Any) -> Reservation:
        if not answer.fits:
            raise self._exceeded(at, wanted, answer.spent, answer.reserved)
        return Reservation(self, at, wanted, answer.id, shared=answer.shared)

    def _settle(self, held: Reservation, amount: int) -> None:
        if self._shared is not None:
            self._shared.settle(held, amount)
            return
        with self._lock:
            if self._name == held.window.name:
                self._reserved -= held.amount
                self._spent += amount

    def _exceeded(self, at: Window, wanted: int, spent: int, reserved: int) -> BudgetExceededError:
        again = "it does not come free again" if at.left is None else f"it begins anew in {at.left:.0f} s"
        held = f" and {reserved / NANO:.6g} held by calls under way" if reserved else ""
        return BudgetExceededError(
            f"the budget {self.key!r} of {self.limit:g} {self.currency} {_PER[self.per]} has {spent / NANO:.6g} spent"
            f"{held}: a call of about {wanted / NANO:.6g} does not fit, and was not sent; {again}",
            key=self.key,
            limit=self.limit,
            spent=spent / NANO,
            reserved=reserved / NANO,
            needed=wanted / NANO,
            currency=self.currency,
            retry_after=at.left,
            cheaper=self.on_exceeded == "cheaper",
        )


BudgetLike: TypeAlias = Budget | Mapping[str, Any] | float | None
"""What `budget=` takes."""
_ARGUMENTS = ("limit", "per", "key", "currency", "server", "on_exceeded", "unpriced")
_PER = {per: "in all" if per == "total" else f"a {per}" for per in PERS}
_PER["hour"] = "an hour"
