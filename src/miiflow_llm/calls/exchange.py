"""One request to a provider, attempt by attempt: what is tried again, how long is waited, and what is written down.

It knows deadlines, retries and metrics; it does no I/O (see `sending`) and does not know what a body means.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from ..core import clock
from ..core.blot import Blot
from ..core.events import CallEvent, EventName, Operation
from ..core.exceptions import BudgetExceededError, MiiflowLLMError, NetworkError, TimeoutError, TimeoutPhase
from ..core.price import Cost, total
from ..core.request import ChatRequest, Plan
from ..core.response import Attempt, ChatResponse, Embeddings
from ..core.secrets import names_credentials
from ..core.timeout import Timeout
from ..core.usage import TokenCount
from ..http.answer_body import DeadlineError, ReadError
from ..http.credentials import SecretBytes
from ..http.transport import timed_out
from ..wire.decode.headers import request_id
from ..wire.encode.request import Unsupported
from ..wire.engine import Engine
from .hiding import blot_for, hide_in, shown
from .hooks import Hooks, as_hooks, call_hooks
from .metrics import MetricsRecorder
from .pricing import NO_PRICES, Pricing, bills_cancelled, kind_of, output_of, unpriced
from .retry import Bucket, Retries
from .target import Target

if TYPE_CHECKING:
    from ..prices.budget import Budget, Reservation
    from .players import Player

log = logging.getLogger("miiflow_llm")

_OK = 200

ERROR_BODY_SECONDS = 10.0
"""How long the body of an error is waited for: its status says enough."""


class Setup(msgspec.Struct):
    """What a client lends to its calls."""

    target: Target
    timeout: Timeout
    max_retries: int
    unsupported: Unsupported
    budget: Bucket
    metrics: MetricsRecorder
    max_frame: int
    hooks: Hooks = msgspec.field(default_factory=as_hooks)
    pricing: Pricing = NO_PRICES


class Exchange:
    """A planned request being made, and told to the hooks.

    `attempts` grow; `started` is on the monotonic clock, in seconds. `after_stale` says that the attempt before met a
    kept connection that was dead.
    """

    request: ChatRequest | None = None
    operation: Operation = "chat"

    def __init__(self, setup: Setup, engine: Engine, model: str, plan: Plan, timeout: Timeout | None) -> None:
        self.setup = setup
        self.engine = engine
        self.model = model
        self.plan = plan
        self.timeout = timeout or setup.timeout
        self.attempts: list[Attempt] = []
        self.started = self.began = clock.monotonic()
        self.after_stale = False
        self._retries = Retries(setup.max_retries, setup.budget)
        self._waited = 0.0
        self._settled = False
        self._announced = False
        self._failed = 0
        self._held: Reservation | None = None
        self._seen: tuple[Plan, Plan] | None = None
        self._extensions: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """`provider/model`, or the provider's name if there is no model."""
        return f"{self.setup.target.name}/{self.model}".removesuffix("/")

    @property
    def retries_made(self) -> int:
        """Attempts beyond the first."""
        return max(len(self.attempts) - 1, 0)

    def left(self) -> float | None:
        """What remains of the whole call, in seconds; `None` for no limit."""
        if self.timeout.total is None:
            return None
        return self.timeout.total - (clock.monotonic() - self.started)

    def announce(self) -> None:
        """The call begins: say so, once."""
        if not self._announced:
            self._announced = True
            self.setup.budget.called()
            self.tell("request")

    def begin(self) -> float | None:
        """Begin an attempt; what is left of the whole call, in seconds, `None` for no limit.

        Raises:
            TimeoutError: nothing is left.
        """
        self.announce()
        left = self.left()
        if left is not None and left <= 0:
            raise self.timed_out("total")
        self.began = clock.monotonic()
        self.attempts.append(Attempt(self.name, waited_ms=self._waited))
        self.tell("attempt")
        return left

    def content(self) -> bytes | None:
        """The body to send; what stands in it, a credential perhaps, shows in no traceback."""
        content = self.plan.content
        return None if content is None else SecretBytes(content)

    def note_head(self, status: int, headers: Mapping[str, str]) -> bool:
        """The head of an answer came; whether it is one of success."""
        attempt = self.attempts[-1]
        attempt.status = status
        named = request_id(headers, self.engine.dialect.response_headers)
        attempt.request_id = None if named is None else self.blot.text(named)
        attempt.connect_ms = self._since(self.began)
        return 200 <= status < 300

    def retry_wait(self, error: MiiflowLLMError) -> float:
        """Note the failed attempt; seconds to wait before the next.

        Raises:
            MiiflowLLMError: `error` itself, if no further attempt is due; it says why, if that is not plain.
        """
        self.note_failure(error)
        wait = self._retries.wait(error, self.left())
        if isinstance(wait, str):
            if wait:
                error.message = f"{error.message} (not tried again: {wait})"
                error.args = (error.message,)
            raise self.settled(error)
        self._waited = wait * 1000
        if self.attempts[-1].status == _OK:  # what was answered may be paid for
            number, why = len(self.attempts), type(error).__name__
            log.warning("%s: attempt %d was answered, but with %s; asking again", self.name, number, why)
        self.after_stale = isinstance(error, NetworkError) and error.stale_connection
        return wait

    def error_body_deadline(self) -> float:
        """How long the body of an error is waited for."""
        limits = (ERROR_BODY_SECONDS, self.timeout.first_output, self.left())
        return clock.monotonic() + min(limit for limit in limits if limit is not None)

    def deadline(self, seconds: float | None, since: float) -> float | None:
        """The time at which a wait of `seconds` since `since` is over, or the whole call is."""
        total = self.timeout.total
        if total is None:
            return None if seconds is None else since + seconds
        whole = self.started + total
        return whole if seconds is None else min(since + seconds, whole)

    def check(self, deadline: float | None, phase: TimeoutPhase) -> None:
        """See that `deadline` has not passed, for an answer that trickles.

        Raises:
            TimeoutError: it has.
        """
        if deadline is not None and clock.monotonic() >= deadline:
            raise self.timed_out(phase)

    def read_error(self, reason: ReadError, phase: TimeoutPhase) -> MiiflowLLMError:
        """The error for a read that failed while `phase` was running."""
        return self.timed_out(phase) if isinstance(reason, DeadlineError) else reason.error

    def timed_out(self, phase: TimeoutPhase) -> TimeoutError:
        """The error for `phase`, which took too long, or for the whole call."""
        left = self.left()
        if left is not None and left <= 0:
            phase = "total"
        return timed_out(phase, getattr(self.timeout, phase))

    def note_failure(self, error: MiiflowLLMError) -> None:
        """Write down why the attempt did not serve."""
        error.provider = error.provider or self.setup.target.name
        error.model = error.model or self.model
        self._hide(error)
        if not self.attempts:
            self._settle(0.0)
            return
        attempt = self.attempts[-1]
        self._failed = len(self.attempts)
        attempt.reason = type(error).__name__
        attempt.total_ms = self._since(self.began)
        if attempt.status == _OK:
            self.broke_off(output_of(error.partial), error.partial.usage if error.partial is not None else None)
        self._settle(0.0)
        self.log_attempt()

    def spent(self, said: Cost | None, usage: TokenCount, answered: str = "", *, whole: bool = False) -> None:
        """Write down what the last attempt used and cost; `said` is the provider's own word, `answered` its model.

        `whole` says that the answer is, so that others are estimated by it.
        """
        attempt, pricing, name = self.attempts[-1], self.setup.pricing, self.setup.target.name
        attempt.usage = usage
        attempt.cost = pricing.cost(said, usage, name, self.model, answered, self.service)
        if whole and pricing.estimates is not None:
            pricing.learn(name, self.model, kind_of(self.request), self.size, usage, attempt.cost)
        self._settle(None)

    def broke_off(self, output: int, usage: TokenCount | None = None) -> None:
        """An answer broke off, or was left, after so many tokens: guess what it cost, by what usage came, if any."""
        attempt, pricing, name = self.attempts[-1], self.setup.pricing, self.setup.target.name
        attempt.usage = usage or None
        in_full = (pricing.bills_cancelled or bills_cancelled(name)) == "full"
        price = pricing.price_of(name, self.model)
        if not in_full and price is not None and usage is not None and usage.prompt_tokens is not None:
            came = msgspec.structs.replace(usage, completion_tokens=max(usage.completion_tokens or 0, output))
            attempt.cost = price.cost(came, service=self.service, estimated=True)
        else:
            attempt.cost = self.expected(output=None if in_full else output)
        self._settle(None)

    @property
    def service(self) -> str | None:
        """The service tier that was asked for."""
        return self.request.service_tier if self.request is not None else None

    @property
    def size(self) -> int:
        """The bytes of the body."""
        return sum(map(len, self.plan.parts or ()))

    def expected(self, output: int | None = None) -> Cost | None:
        """What an attempt will cost, or has cost if its answer has `output` tokens; `None` if that cannot be told."""
        most = self.request.max_tokens if self.request is not None else None
        kind, name = kind_of(self.request), self.setup.target.name
        return self.setup.pricing.expected(
            name, self.model, kind, self.size, output=output, most=most, service=self.service
        )

    async def reserve(self, player: Player, budget: Budget) -> None:
        """Hold the estimated cost of the next attempt.

        Raises:
            BudgetExceededError: there is not enough left; nothing is sent.
        """
        expected = budget.amount_of(self.expected())
        try:
            if expected is None and budget.unpriced == "refuse":
                raise unpriced(budget)
            self._held = await player.reserve(budget, expected or 0.0)
        except BudgetExceededError as error:
            self.announce()
            error.provider, error.model = self.setup.target.name, self.model
            self.tell("over_budget", error=error)
            raise self.settled(error) from None

    def _settle(self, cost: float | None) -> None:
        """Give back what was held for the attempt; what it cost stands in it, `cost` is for one that does not say."""
        held, self._held = self._held, None
        budget = self.setup.pricing.budget
        if held is not None and budget is not None:
            known = budget.amount_of(self.attempts[-1].cost) if self.attempts else None
            held.settle(cost if known is None else known)

    def known_cost(self) -> Cost | None:
        """What is known of what all attempts cost."""
        return total(attempt.cost for attempt in self.attempts)

    def _hide(self, error: MiiflowLLMError) -> None:
        """Blot out what a provider repeats of the credentials in what was sent."""
        body = self.plan.body if names_credentials(self.plan.parts or ()) else None
        blot = self.blot if body is None else blot_for(self.setup.target.credential, self.plan.headers, body)
        hide_in(error, self.attempts, blot)

    @cached_property
    def blot(self) -> Blot:
        """What blots out the credentials in the head of what is sent."""
        return blot_for(self.setup.target.credential, self.plan.headers)

    def log_attempt(self) -> None:
        """Say in the log how the last attempt went: no content, no key."""
        if not log.isEnabledFor(logging.DEBUG):
            return
        attempt = self.attempts[-1]
        log.debug(
            "%s attempt %d: status=%s request_id=%s reason=%s head_ms=%s first_output_ms=%s total_ms=%s",
            self.name,
            len(self.attempts),
            attempt.status,
            attempt.request_id,
            attempt.reason,
            attempt.connect_ms,
            attempt.first_output_ms,
            attempt.total_ms,
        )

    def note_first_output(self) -> None:
        """The first output of the answer came."""
        self.attempts[-1].first_output_ms = self._since(self.began)
        self.tell("first_output")

    def settled(self, error: MiiflowLLMError) -> MiiflowLLMError:
        """The error as it goes to the caller: with its attempts, and counted."""
        error.attempts = self.attempts
        self._hide(error)
        error.__context__ = None  # httpx's exception, which holds the request and its key
        error.__traceback__ = None  # frames whose variables hold what the provider said, which may repeat the key
        if not self._settled:
            self._settled = True
            usage = error.partial.usage if error.partial is not None else None
            self.setup.metrics.failed(self.name, self.retries_made, usage, self.known_cost())
            self.tell("failed", error=error)
        return error

    def answered(self, embeddings: Embeddings | None) -> Embeddings | None:
        """A call beside the chat has its answer: it is completed with its cost, and told."""
        self._settled = True
        self.attempts[-1].total_ms = self._since(self.began)
        if embeddings is not None:
            self.spent(embeddings.cost, embeddings.usage)
            embeddings = msgspec.structs.replace(embeddings, cost=self.attempts[-1].cost)
        self.tell("finished", embeddings=embeddings)
        return embeddings

    def abandoned(self, usage: TokenCount | None = None, output: int = 0) -> None:
        """The caller left before the end: `usage` is what was reported until then, `output` the tokens that came."""
        if not self._settled:
            self._settled = True
            self._left(usage, output)
            self.setup.metrics.abandoned(self.name, self.retries_made, usage, self.known_cost())
            if self.attempts and self.attempts[-1].reason is None:
                self.attempts[-1].total_ms = self._since(self.began)
                self.attempts[-1].reason = "abandoned"
                self.log_attempt()
            self.tell("abandoned")

    def _left(self, usage: TokenCount | None, output: int) -> None:
        """Write down what the attempt that is left has cost."""
        if len(self.attempts) > self._failed:
            self.broke_off(output, usage)
        self._settle(None)

    def tell(
        self,
        event: EventName,
        *,
        response: ChatResponse | None = None,
        embeddings: Embeddings | None = None,
        error: MiiflowLLMError | None = None,
    ) -> None:
        """Tell the caller's hooks; no event is made if there are none."""
        listening = self.setup.hooks[event]
        if listening:
            call_hooks(listening, self._event(event, response=response, embeddings=embeddings, error=error))

    @property
    def _shown(self) -> Plan:
        """The plan as hooks see it: made once, as long as it is the same."""
        if self._seen is None or self._seen[0] is not self.plan:
            self._seen = (self.plan, shown(self.plan, self.setup.target))
        return self._seen[1]

    def _event(self, event: EventName, **ending: Any) -> CallEvent:
        return CallEvent(
            event=event,
            provider=self.setup.target.name,
            model=self.model,
            operation=self.operation,
            stream=self.request is not None and self.request.stream,
            plan=self._shown,
            request=self.request,
            attempt=len(self.attempts),
            attempts=tuple(self.attempts),
            elapsed_ms=self._since(self.started),
            extensions=self._extensions,
            **ending,
        )

    def _since(self, moment: float) -> float:
        return round((clock.monotonic() - moment) * 1000, 3)
