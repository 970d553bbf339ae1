"""Every failure a caller can meet, as a type.

An exception says what happened (`message`), to whom (`provider`, `model`, `request_id`) and, in the message, what
to do about it. What had already been received is never lost: it is in `partial`.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Literal

from .plain import plain_values

if TYPE_CHECKING:
    from .messages import Message
    from .response import Attempt, ChatResponse
    from .usage import TokenCount

TimeoutPhase = Literal["connect", "pool", "write", "first_output", "idle", "total"]


class MiiflowLLMError(Exception):
    """Base of all errors of this library.

    `provider` and `model` are the names the client was made with, `None` if no request was being made.
    `retry_after` is the provider's own hint in seconds, `None` if it gave none.
    `partial` is the answer so far if a stream had begun, otherwise `None`; it has no `finish_reason`.
    `attempts` are the requests made for this call, in order, the failed one last.
    `messages` and `usage` are set if a conversation with tools broke off: everything said until then, from which one
    can go on, and the tokens of all its answers.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.provider = provider
        self.model = model
        self.retry_after = retry_after
        self.partial: ChatResponse | None = None
        self.attempts: list[Attempt] = []
        self.messages: list[Message] = []
        self.usage: TokenCount | None = None

    def __str__(self) -> str:
        target = "/".join(name for name in (self.provider, self.model) if name)
        return f"{target}: {self.message}" if target else self.message

    def to_dict(self, *, raw: bool = False) -> dict[str, Any]:
        """Its type and what it says, as plain values that JSON has; `raw` adds a provider's bytes as text."""
        return {"type": type(self).__name__, **plain_values(self.__dict__, raw=raw)}

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, dict(self.__dict__))


def _rebuild(kind: type[MiiflowLLMError], message: str, state: dict[str, Any]) -> MiiflowLLMError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigurationError(MiiflowLLMError):
    """The client or the call was set up wrongly; nothing was sent."""


class UnsupportedParameterError(ConfigurationError):
    """The provider, or this model of it, does not take a parameter or content that was given; nothing was sent.

    `parameter` is its name as the caller wrote it.
    """

    def __init__(self, message: str, *, parameter: str, provider: str | None = None, model: str | None = None) -> None:
        super().__init__(message, provider=provider, model=model)
        self.parameter = parameter


class NetworkError(MiiflowLLMError):
    """The connection could not be made, or broke before the answer began.

    `retryable` says whether the same request may succeed later: not if a certificate is not trusted, or a proxy lets
    nobody through. `stale_connection` says that a kept connection turned out to be dead before any byte of an answer
    came: servers and NATs end them while they rest.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        retryable: bool = True,
        stale_connection: bool = False,
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.retryable = retryable
        self.stale_connection = stale_connection


class TimeoutError(MiiflowLLMError, builtins.TimeoutError):  # noqa: A001  the design's name; also a builtin TimeoutError
    """A deadline of `Timeout` passed.

    `phase` names it; `seconds` is the limit that was set.
    """

    def __init__(
        self,
        message: str,
        *,
        phase: TimeoutPhase,
        seconds: float | None = None,
        provider: str | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.phase: TimeoutPhase = phase
        self.seconds = seconds


class ProviderError(MiiflowLLMError):
    """The provider answered with an error, before the stream or inside it.

    `status_code` is the HTTP status, or, for an error inside a 200 stream, the one that the provider's own code or
    type stands for (`None` where it names none). `code` is the provider's own word, `request_id` its id for the
    request, `body` the error's payload, at most 64 KiB. `retryable` says whether the same request may succeed later.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        model: str | None = None,
        retry_after: float | None = None,
        status_code: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        body: bytes = b"",
        retryable: bool = False,
    ) -> None:
        super().__init__(message, provider=provider, model=model, retry_after=retry_after)
        self.status_code = status_code
        self.code = code
        self.request_id = request_id
        self.body = body
        self.retryable = retryable

    def __str__(self) -> str:
        facts = [
            f"HTTP {self.status_code}" if self.status_code else "",
            self.code or "",
            f"request {self.request_id}" if self.request_id else "",
        ]
        tail = ", ".join(fact for fact in facts if fact)
        return f"{super().__str__()} ({tail})" if tail else super().__str__()


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired."""


class PermissionDeniedError(ProviderError):
    """The key is right but may not do this."""


class RateLimitError(ProviderError):
    """Too many requests or tokens; `retry_after` says when to come back where the provider told."""


class QuotaExceededError(ProviderError):
    """Credit, spending cap or long-term quota used up: waiting does not help."""


class InvalidRequestError(ProviderError):
    """The provider refused the request as malformed or unsupported."""


class ContextLengthError(InvalidRequestError):
    """The conversation, or it and `max_tokens`, is longer than the model's context."""


class ModelNotFoundError(InvalidRequestError):
    """No such model (or deployment, or endpoint) for this key."""


class ContentFilterError(ProviderError):
    """The provider's safety system refused the request itself.

    An answer that was refused or stopped is not an exception: it is a response with `finish_reason="content_filter"`.
    """


class ServiceUnavailableError(ProviderError):
    """The provider failed or is overloaded; the same request may succeed later."""


class BatchError(ProviderError):
    """The provider refused a batch as a whole: a line is malformed, the model has no batches, a limit is reached."""


class BatchExpiredError(BatchError):
    """The batch ran out of time before this request was made; it costs nothing, and may be sent again."""


class BatchCancelledError(BatchError):
    """The batch was cancelled before this request was made; it costs nothing."""


class StreamInterruptedError(MiiflowLLMError):
    """The stream ended before the answer was complete; `partial` holds what came."""


class StreamProtocolError(MiiflowLLMError):
    """The provider sent something its own format does not allow; `partial` holds what came.

    `payload` is the first 200 characters of it.
    """

    def __init__(
        self, message: str, *, payload: str = "", provider: str | None = None, model: str | None = None
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.payload = payload


class ParsingError(MiiflowLLMError):
    """The model's text is not the JSON, or not the type, that was asked for.

    `text` is the model's text, `path` where in it (`$.items[0].price`), `reason` what was wrong there.
    """

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        path: str = "$",
        reason: str = "",
        provider: str | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, model=model)
        self.text = text
        self.path = path
        self.reason = reason


class BudgetExceededError(MiiflowLLMError):
    """A call does not fit into a `Budget`; nothing was sent.

    `key` names the budget. `limit`, `spent` (in this window), `reserved` (by calls under way) and `needed` (by this
    call, estimated) are amounts in `currency`. `retry_after` is when the budget begins anew, in seconds; `None` if it
    never does. `cheaper` says that a router may ask a cheaper target.
    """

    def __init__(
        self,
        message: str,
        *,
        key: str,
        limit: float,
        spent: float,
        reserved: float = 0.0,
        needed: float = 0.0,
        currency: str = "USD",
        cheaper: bool = False,
        retry_after: float | None = None,
        provider: str | None = None,
        model: str | None = None,
    ) -> None:
        super().__init__(message, provider=provider, model=model, retry_after=retry_after)
        self.key = key
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.needed = needed
        self.currency = currency
        self.cheaper = cheaper


__all__ = [
    "AuthenticationError",
    "BudgetExceededError",
    "ConfigurationError",
    "ContentFilterError",
    "ContextLengthError",
    "InvalidRequestError",
    "MiiflowLLMError",
    "ModelNotFoundError",
    "NetworkError",
    "ParsingError",
    "PermissionDeniedError",
    "ProviderError",
    "QuotaExceededError",
    "RateLimitError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "StreamProtocolError",
    "TimeoutError",
    "TimeoutPhase",
    "UnsupportedParameterError",
]
