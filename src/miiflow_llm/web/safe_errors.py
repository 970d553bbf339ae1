"""Tell a browser of a failure what it may know: a type, a fixed sentence and an HTTP status.

Nothing that a provider wrote goes out: its messages name accounts, organisations and pieces of keys.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from ..core import exceptions as errors

log = logging.getLogger("miiflow_llm.web")


class SafeError(msgspec.Struct, frozen=True, omit_defaults=True):
    """A failure as the browser sees it.

    `type` is a stable word to decide by, `message` a sentence to show, `retry_after` in seconds where the provider
    gave it, `place` where in the request body the fault lies (`$.messages[0].role`), `sign_in` the address of a page
    where one signs in.
    """

    type: str
    message: str
    retry_after: float | None = None
    place: str | None = None
    sign_in: str | None = None


class Rejected(Exception):
    """A request that is answered with an error instead of being passed on; raise it from `authorize` too.

    `status` is the HTTP status, `type` and `message` go to the browser as they are. With `sign_in`, an address on this
    server or an https URL, the page shows a link to where one signs in; without it a 401 makes it ask for a token.
    """

    def __init__(
        self,
        status: int = 401,
        type: str = "unauthorized",  # noqa: A002  the name that the browser sees
        message: str = "Sign in first.",
        *,
        place: str | None = None,
        sign_in: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.safe = SafeError(type, message, place=place, sign_in=sign_in)


_TYPES: tuple[tuple[type[Exception], int, str, str], ...] = (
    (errors.RateLimitError, 429, "rate_limited", "Too many requests just now. Try again in a while."),
    (errors.BudgetExceededError, 429, "over_budget", "What may be spent on answers is spent for now."),
    (errors.QuotaExceededError, 502, "upstream_refused", "The model's provider does not serve this service now."),
    (errors.AuthenticationError, 502, "upstream_refused", "The model's provider does not serve this service now."),
    (errors.PermissionDeniedError, 502, "upstream_refused", "The model's provider does not serve this service now."),
    (errors.ContextLengthError, 400, "context_length", "The conversation is longer than this model can take."),
    (errors.ModelNotFoundError, 400, "model_not_found", "The provider does not know this model."),
    (errors.InvalidRequestError, 400, "invalid_request", "The provider refused the request as malformed."),
    (errors.ContentFilterError, 400, "content_filter", "The provider's safety system refused the request."),
    (errors.ServiceUnavailableError, 503, "overloaded", "The model's provider is overloaded. Try again in a while."),
    (errors.UnsupportedParameterError, 422, "unsupported_parameter", "This model does not take one of the settings."),
    (errors.ConfigurationError, 500, "misconfigured", "This service is not set up for that."),
    (errors.TimeoutError, 504, "timeout", "The model took too long to answer."),
    (errors.StreamInterruptedError, 502, "interrupted", "The answer broke off before its end."),
    (errors.ParsingError, 502, "schema_mismatch", "The model's answer does not have the form that was asked for."),
    (errors.MiiflowLLMError, 502, "upstream_failed", "The model's provider could not be reached or failed."),
)
"""Exception, status, type and sentence; the first that fits."""
_OURS = ("upstream_refused", "misconfigured")
"""What only whoever runs the service can mend: a key, a quota, a setting."""


def safe_error(error: BaseException) -> tuple[int, SafeError]:
    """The HTTP status and the error as a browser may see it. An error that is not the library's is logged."""
    if isinstance(error, Rejected):
        return error.status, error.safe
    for kind, status, name, message in _TYPES:
        if isinstance(error, kind):
            log.log(logging.WARNING if name in _OURS else logging.INFO, "%s: %s", name, error)
            if isinstance(error, errors.UnsupportedParameterError):
                message = f"This model does not take {error.parameter!r}."
            return status, SafeError(name, message, getattr(error, "retry_after", None))
    log.error("an answer failed", exc_info=error)
    return 500, SafeError("internal", "Something went wrong here.")


def error_body(error: SafeError) -> dict[str, Any]:
    """The JSON of a failure, as a body or as a stream's last frame."""
    return {"type": "error", "error": error}
