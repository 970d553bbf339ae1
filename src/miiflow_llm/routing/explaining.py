"""Say how a router's targets are and which of them a call would go to, without asking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from ..choosing.health import Health
from ..choosing.hedge import cut_at, hedge_at
from ..choosing.limits import Counter
from ..choosing.order import order, scored
from ..choosing.skipped import skipped, why
from ..choosing.table import Ask, Choice, Table
from ..core import clock
from ..core.exceptions import MiiflowLLMError
from .asking import Asked
from .continuing import row_of
from .report import Candidate, Explanation, RouteHealth, State, TargetHealth
from .shared import Shared
from .target import Aim


def health_of(router: Shared) -> RouteHealth:
    """How the targets are now."""
    table, now = router.table, clock.monotonic()
    with router.lock:
        targets = [_target(table, aim, now) for aim in router.aims]
        left = (table.failovers.left, table.retries.left, table.hedges.left)
    failovers, retries, hedges = left
    return RouteHealth(
        name=router.name,
        policy=policy_of(table),
        targets=targets,
        failovers=failovers,
        retries=retries,
        hedges=hedges,
        state=None if router.state is None else "connected" if router.state.server.connected else "lost",
    )


def policy_of(table: Table) -> str:
    """The policy's name, which a function has too."""
    policy = table.policy
    return policy if isinstance(policy, str) else str(getattr(policy, "__name__", type(policy).__name__))


def _target(table: Table, aim: Aim, now: float) -> TargetHealth:
    health, entry = table.health[aim.place], table.entries[aim.place]
    state, back = _state(health, now)
    window = health.window
    return TargetHealth(
        label=aim.label,
        provider=aim.provider,
        model=aim.model,
        tier=entry.tier,
        state=state,
        back_in=None if back is None else max(back - now, 0.0),
        why=why(table, Ask(), aim.place, now),
        first_output=health.first_output,
        p95=window.at(0.95) if len(window) else None,
        p99=window.at(0.99) if len(window) else None,
        success=health.ok,
        fails=health.fails,
        in_flight=health.in_flight,
        limit=None if health.limit == inf else health.limit,
        remaining_tokens=_left(health.tokens, now),
        remaining_requests=_left(health.requests, now),
    )


def _state(health: Health, now: float) -> tuple[State, float | None]:
    """Its state, and when it ends if that is known."""
    if now < health.out_until:
        return "out", health.out_until
    if now < health.cool_until:
        return "cooling", health.cool_until
    if health.open_until is not None:
        return ("open", health.open_until) if now < health.open_until else ("probing", None)
    return ("full", None) if health.in_flight >= health.limit else ("well", None)


def _left(counter: Counter | None, now: float) -> float | None:
    return None if counter is None or now >= counter.full_at else max(counter.left, 0.0)


def explained(router: Shared, asked: Asked) -> Explanation:
    """Where the call would go now: the targets in their order, then those that it would not go to, with the reason."""
    table, ask, now = router.table, asked.ask, clock.monotonic()
    notes = _planned(router, asked)
    with router.lock:
        choices = order(table, ask, now, 0.5)
        left = skipped(table, ask, now)
        places = [choice.target for choice in choices]
        scores = scored(table, places, now)
    asked_for = [
        _candidate(router, ask, choice, place, scores, notes, another=len(choices) > 1)
        for place, choice in enumerate(choices, 1)
    ]
    not_asked = [
        Candidate(
            label=aim.label,
            place=None,
            why=left.get(aim.place, "it is not due to be tried again"),
            continues=_continues(aim),
            cost=_cost(ask, aim.place),
        )
        for aim in router.aims
        if aim.place not in places
    ]
    return Explanation(
        route=router.name, policy=policy_of(table), candidates=[*asked_for, *not_asked], affinity=ask.affinity
    )


def _planned(router: Shared, asked: Asked) -> dict[int, Sequence[str]]:
    """What was done to say the request to each target; who cannot be asked it at all is noted in the request."""
    notes: dict[int, Sequence[str]] = {}
    for aim in router.aims:
        if aim.place in asked.ask.unsayable:
            continue
        try:
            notes[aim.place] = aim.chat.plan(asked.messages, stream=True, **router.parameters_of(aim, asked)).notes
        except MiiflowLLMError as error:
            asked.ask.unsayable[aim.place] = error.message
    return notes


def _candidate(
    router: Shared,
    ask: Ask,
    choice: Choice,
    place: int,
    scores: dict[int, float],
    notes: dict[int, Sequence[str]],
    *,
    another: bool,
) -> Candidate:
    table, target = router.table, choice.target
    aim, health = router.aims[target], table.health[target]
    return Candidate(
        label=aim.label,
        place=place,
        why=choice.why,
        score=scores[target],
        hedge_at=hedge_at(table, target) if another and ask.hedge else None,
        cut_at=cut_at(table.entries[target], health, table.settings, another=another),
        cost=_cost(ask, target),
        continues=_continues(aim),
        notes=notes.get(target, ()),
    )


def _cost(ask: Ask, target: int) -> float | None:
    return ask.costs[target] if target < len(ask.costs) else None


def _continues(aim: Aim) -> str:
    row = row_of(aim)
    if row.refused is not None:
        return f"no: {row.refused}"
    if row.unproven is not None and aim.target.continues != "prefill":
        return f"not unless the caller says so: {row.unproven}"
    return "yes" if row.thinks else "yes, unless it thinks"
