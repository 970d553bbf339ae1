"""One of a router's targets: something to chat with, and what the router is to know of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from ..calls.parameters import NAMES
from ..choosing.table import Entry
from ..client.chat import Chat, SyncChat
from ..core.exceptions import ConfigurationError
from ..core.price import Price
from .costing import Costing

Continues = Literal["prefill", "no"]
AnyChat: TypeAlias = Chat | SyncChat


class Target(msgspec.Struct, frozen=True):
    """A target of a router.

    Args:
        chat: what is asked: `"provider:model"`, a client, another router, a cache, or anything else with their face.
        label: its name in attempts, hooks and tables; `provider/model` if not given.
        weight: its share under the policy `spread`.
        context: the longest prompt that it takes, in tokens; `None` if that is not known.
        tags: words by which a call may ask for some of the targets.
        defaults: parameters for every call that does not say otherwise.
        cut: after how many seconds of silence another target is asked: `auto` learns it, `None` never gives up.
        limit: how many calls it may have at once: a number, `auto` for a server of one's own, `None` for any number.
        price: its rates, if they are not those of the router's price table.
        continues: whether it goes on with an answer that another target began: `prefill` if it does when that answer is
            the last message, `no` if not; `None` to look it up among the models that are known.
        bills_cancelled: what a cancelled answer costs: its prompt (`input`), or the `full` answer.
    """

    chat: str | AnyChat
    label: str | None = None
    weight: float = 1.0
    context: int | None = None
    tags: Collection[str] = ()
    defaults: Mapping[str, Any] = {}
    cut: float | Literal["auto"] | None = "auto"
    limit: int | Literal["auto"] | None = None
    price: Price | None = None
    continues: Continues | None = None
    bills_cancelled: Literal["input", "full"] | None = None

    def __post_init__(self) -> None:
        if self.continues not in ("prefill", "no", None):
            raise ConfigurationError(f"Target(continues={self.continues!r}): 'prefill', 'no' or None")
        if not self.weight > 0:
            raise ConfigurationError(f"Target(weight={self.weight!r}): a number above 0")
        if self.cut is not None and self.cut != "auto" and not self.cut > 0:
            raise ConfigurationError(f"Target(cut={self.cut!r}): seconds above 0, 'auto' or None")
        if isinstance(self.limit, int) and self.limit < 1:
            raise ConfigurationError(f"Target(limit={self.limit!r}): 1 or more, 'auto' or None")
        unknown = [name for name in self.defaults if name not in NAMES]
        if unknown:
            raise ConfigurationError(f"Target(defaults=...): {', '.join(unknown)} is not a parameter of a call")


Given: TypeAlias = str | AnyChat | Target
"""How a target is written."""
Tiers: TypeAlias = Sequence["Given | Sequence[Given]"]
"""Targets in their order; a list within it is a tier, which comes before all that follows."""


def tiered(given: Tiers) -> list[tuple[int, Target]]:
    """The targets with their tiers. Without an inner list all are of one tier; with any, each place is one.

    Raises:
        ConfigurationError: there are none, or something is not a target.
    """
    if isinstance(given, (str, Target)) or not isinstance(given, Sequence):
        raise ConfigurationError('a router takes a list of targets, such as ["anthropic:claude-sonnet-5-5", client]')
    nested = any(_is_tier(one) for one in given)
    found: list[tuple[int, Target]] = []
    for place, one in enumerate(given):
        inner = one if _is_tier(one) else [one]
        found += [(place if nested else 0, _target(each)) for each in inner]  # type: ignore[union-attr]  # a tier is a sequence
    if not found:
        raise ConfigurationError("a router needs one target at least")
    return found


def _is_tier(one: object) -> bool:
    return isinstance(one, (list, tuple))


def _target(given: Any) -> Target:
    if isinstance(given, Target):
        return given
    if isinstance(given, str) or hasattr(given, "stream_chat"):
        return Target(given)
    raise ConfigurationError(f'{given!r} is not a target: give "provider:model", a client or a Target')


def named(text: str) -> tuple[str, str | None]:
    """The provider and model of `provider:model`; the model's own colons are its own.

    Raises:
        ConfigurationError: one of the two is empty.
    """
    provider, colon, model = text.partition(":")
    if not provider or (colon and not model):
        raise ConfigurationError(f"{text!r}: a target is written provider:model")
    return provider, model or None


class Aim(msgspec.Struct):
    """A target as the router uses it. `chat` is asked; `whole` is what the caller gave, which may retry by itself.

    `owns_retries` says that it makes attempts of its own, as a router does: it is asked once per call.
    """

    place: int
    label: str
    target: Target
    chat: Any
    owns_retries: bool

    @property
    def provider(self) -> str:
        """Its provider's name."""
        return str(getattr(self.chat, "provider", "") or "")

    @property
    def model(self) -> str | None:
        """Its model."""
        model: str | None = self.target.defaults.get("model") or getattr(self.chat, "model", None)
        return model

    def entry(self, tier: int) -> Entry:
        """What choosing knows of it."""
        target = self.target
        cut = None if self.owns_retries and target.cut == "auto" else target.cut
        return Entry(self.label, tier, target.weight, target.context, cut, target.limit, once=self.owns_retries)


def aims(targets: Sequence[Target], chats: Sequence[Any], costing: Costing) -> list[Aim]:
    """The targets with what is asked, each label told apart from the others."""
    found: list[Aim] = []
    taken: dict[str, int] = {}
    for place, (target, chat) in enumerate(zip(targets, chats, strict=True)):
        once, pricing = getattr(chat, "once", None), costing.of(target, chat)
        asked = chat if not callable(once) else once() if pricing is None else once(pricing)
        aim = Aim(place, "", target, asked, owns_retries=not callable(once))
        label = target.label or "/".join(filter(None, (aim.provider, aim.model))) or f"target {place + 1}"
        taken[label] = taken.get(label, 0) + 1
        if taken[label] > 1:
            if target.label:
                raise ConfigurationError(f"two targets have the label {label!r}; give each its own")
            label = f"{label} #{taken[label]}"
        aim.label = label
        found.append(aim)
    return found
