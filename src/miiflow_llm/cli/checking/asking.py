"""Ask one server: a small request that it takes, and the same with one thing more.

An answer that says nothing of the one thing, since it would be the same for every request, ends the check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.exceptions import MiiflowLLMError, NetworkError, TimeoutError
from .finding import Finding, Row
from .format import engine
from .recording import Asker, Recorded

CHAT = "/chat/completions"
QUESTION = "Count from one to twenty in words, separated by commas. Nothing else."
TOKENS = 120
"""The limit of every answer."""

LIMITS = (("max_completion_tokens", "max_tokens"), ("max_tokens",), ("max_completion_tokens",), ())
"""The names of the limit that are tried, in order: an answer without one may never end."""


class Asking:
    """`limits` and `temperature` are what the server takes of the parameters that keep answers short and the same."""

    def __init__(self, asker: Asker, model: str) -> None:
        self.asker = asker
        self.model = model
        self.limits: tuple[str, ...] = LIMITS[0]
        self.temperature: dict[str, Any] = {"temperature": 0}

    def open(self) -> tuple[Recorded, list[Finding]]:
        """The first answer, and what had to be left out for it.

        Raises:
            MiiflowLLMError: the server refuses this request in every form, or fails.
        """
        refusals = list[Recorded]()
        for temperature in ({"temperature": 0}, {}):
            for limits in LIMITS:
                self.limits, self.temperature = limits, temperature
                recorded = self.send()
                if recorded.status not in (400, 422):
                    self._raise_if_failed(recorded)
                    return recorded, self._left_out()
                refusals.append(recorded)
        raise self.error(refusals[0])

    def send(self, *, path: str = CHAT, **more: Any) -> Recorded:
        """The answer to the question, or to what `more` says in its place."""
        return self.asker.post(path, self.body(**more))

    def body(self, *, tokens: int = TOKENS, **more: Any) -> dict[str, Any]:
        """The body of a chat."""
        question = {"model": self.model, "messages": [{"role": "user", "content": QUESTION}]}
        return {**question, **dict.fromkeys(self.limits, tokens), **self.temperature, **more}

    def tried(self, recorded: Recorded) -> Recorded:
        """The answer to something particular.

        Raises:
            MiiflowLLMError: the plain question fails too by now, so that the answer says nothing.
        """
        if recorded.late or recorded.status in (400, 422) or 200 <= recorded.status < 300:
            return recorded
        self._raise_if_failed(self.send())
        return recorded

    def error(self, recorded: Recorded) -> MiiflowLLMError:
        """The error that a client raises for this answer."""
        if recorded.late:
            return TimeoutError(
                f"{self.model}: {recorded.failure}", phase="total", seconds=self.asker.timeout, model=self.model
            )
        if not recorded.status:
            return NetworkError(recorded.failure, model=self.model)
        headers = {name.lower(): value for name, value in recorded.headers.items()}
        return engine().error(recorded.status, headers, recorded.body, self.model)

    def _raise_if_failed(self, recorded: Recorded) -> None:
        if recorded.late or not 200 <= recorded.status < 300:
            raise self.error(recorded)

    def _left_out(self) -> list[Finding]:
        if self.temperature:
            return [Finding("temperature", "ok", "taken")]
        return [Finding("temperature", "row", "refused", (Row("body", '"temperature": None'),))]


def untried(behaviour: str, recorded: Recorded) -> list[Finding]:
    """The finding of a behaviour whose answer did not come in time; none if it came."""
    return [Finding(behaviour, "untried", recorded.failure)] if recorded.late else []


def refused(recorded: Recorded) -> bool:
    """Whether the server took the request for one that it does not do."""
    return not recorded.late and not 200 <= recorded.status < 300


def with_words(words: str) -> Mapping[str, Any]:
    """Messages of a user who says that."""
    return {"messages": [{"role": "user", "content": words}]}
