"""What the attempts of a call cost, and will cost: by the caller's own price, the provider's word, or a table."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Literal

import msgspec

from ..core.exceptions import BudgetExceededError
from ..core.messages import AudioBlock, DocumentBlock, ImageBlock, Message
from ..core.price import Cost, Price
from ..core.request import ChatRequest, HostedTool
from ..core.response import ChatResponse
from ..core.usage import TokenCount

if TYPE_CHECKING:
    from ..prices.book import Prices
    from ..prices.budget import Budget
    from ..prices.estimate import Estimates

Kind = tuple[bool, bool, bool]
"""What tells requests apart whose bytes have not the same tokens: tools, tools that the provider runs, media."""
_MEDIA = (ImageBlock, DocumentBlock, AudioBlock)


class Pricing(msgspec.Struct, frozen=True):
    """How a client knows what its calls cost.

    `price` holds for all of them, `prices` has one for each model. `estimates` learns how many tokens requests have,
    `budget` is what may be spent. `bills_cancelled` is what an answer costs that was left: its prompt and what came of
    it (`input`), or all of it (`full`); `None` for what is known of the provider.
    """

    price: Price | None = None
    prices: Prices | None = None
    estimates: Estimates | None = None
    budget: Budget | None = None
    bills_cancelled: Literal["input", "full"] | None = None

    @property
    def loaded(self) -> bool:
        """Whether nothing must be loaded before prices are known."""
        return self.prices is None or self.prices.loaded

    def load(self) -> None:
        """Load what must be loaded."""
        if self.prices is not None:
            self.prices.load()

    def price_of(self, provider: str, model: str, answered: str = "") -> Price | None:
        """The price of a model; `answered` is its name in the answer."""
        if self.price is not None or self.prices is None:
            return self.price
        return self.prices.price(provider, model, answered)

    def cost(
        self, said: Cost | None, usage: TokenCount, provider: str, model: str, answered: str, service: str | None
    ) -> Cost | None:
        """What a call with this usage cost; `said` is what the provider says itself.

        The caller's own prices stand above the provider's word, and that above a table of others'.
        """
        if said is not None and not self._is_own(provider, model, answered):
            return said
        price = self.price_of(provider, model, answered)
        return None if price is None else price.cost(usage, service=service)

    def expected(
        self,
        provider: str,
        model: str,
        kind: Kind,
        size: int,
        *,
        output: int | None = None,
        most: int | None = None,
        service: str | None = None,
    ) -> Cost | None:
        """What a request of `size` bytes will cost; `None` if that cannot be told.

        Args:
            provider: whom it goes to.
            model: which model.
            kind: what tells its tokens for a byte.
            size: the bytes of its body.
            output: the tokens of its answer, if they are known.
            most: the most tokens that the answer may have.
            service: its service tier, or `batch`.
        """
        if self.estimates is None:
            return None
        target, family = keys(provider, model, kind)
        price = self.price_of(provider, model)
        if price is None:
            amount = self.estimates.cost(target)
            return None if amount is None else Cost(amount, source="learned", estimated=True)
        usage = self.estimates.usage(target, family, size, most)
        if output is not None:
            usage = msgspec.structs.replace(usage, completion_tokens=output)
        return price.cost(usage, service=service, estimated=True)

    def expected_usage(self, provider: str, model: str, kind: Kind, size: int, most: int | None = None) -> TokenCount:
        """What a request of `size` bytes will use; by its bytes only if nothing is learned here."""
        from ..prices.estimate import Estimates

        target, family = keys(provider, model, kind)
        return (self.estimates or Estimates()).usage(target, family, size, most)

    def learn(self, provider: str, model: str, kind: Kind, size: int, usage: TokenCount, cost: Cost | None) -> None:
        """A request of `size` bytes was answered."""
        if self.estimates is not None:
            target, family = keys(provider, model, kind)
            self.estimates.learn(target, family, size, usage, None if cost is None else cost.amount)

    def _is_own(self, provider: str, model: str, answered: str) -> bool:
        if self.price is not None:
            return True
        return self.prices is not None and self.prices.own(provider, model, answered) is not None


NO_PRICES = Pricing()


class Estimate(msgspec.Struct, frozen=True):
    """What a call is expected to use and to cost; `cost` is `None` if that cannot be told."""

    usage: TokenCount
    cost: Cost | None = None


_BILLS_CANCELLED: dict[str, Literal["input", "full"]] = {"bedrock": "full"}
"""Who is known to charge for answers that were left as for whole ones."""
_LETTERS_A_TOKEN = 4


def bills_cancelled(provider: str) -> Literal["input", "full"]:
    """What an answer costs that was left."""
    return _BILLS_CANCELLED.get(provider, "input")


def output_of(partial: ChatResponse | None) -> int:
    """About how many tokens have come of an answer."""
    if partial is None:
        return 0
    calls = sum(len(call.arguments) for call in partial.message.tool_calls)
    return (len(partial.message.text) + calls) // _LETTERS_A_TOKEN


def unpriced(budget: Budget) -> BudgetExceededError:
    """The error for a call whose cost cannot be estimated."""
    return BudgetExceededError(
        f"the budget {budget.key!r} refuses calls whose cost cannot be estimated, and this model has no price; give "
        "one with prices=, or unpriced='allow'",
        key=budget.key,
        limit=budget.limit,
        spent=budget.state.spent,
        currency=budget.currency,
        cheaper=budget.on_exceeded == "cheaper",
    )


def keys(provider: str, model: str, kind: Kind) -> tuple[Hashable, Hashable]:
    """What a target's answers are remembered by, and those of others like it."""
    return (provider, model, kind), (provider, kind)


def kind_of(request: ChatRequest | None) -> Kind:
    """What tells a request's tokens for a byte."""
    if request is None:
        return False, False, False
    tools = request.tools or ()
    return bool(tools), any(isinstance(tool, HostedTool) for tool in tools), has_media(request.messages)


def has_media(messages: Iterable[Message]) -> bool:
    """Whether there are pictures, documents or sound, whose tokens are not told by their bytes."""
    return any(isinstance(part, _MEDIA) for message in messages for part in message.parts)
