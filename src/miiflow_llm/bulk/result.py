"""What came of one request: an answer or an error, as values that go through a journal and come back."""

from __future__ import annotations

from typing import Any

import msgspec

from ..core import exceptions
from ..core.exceptions import MiiflowLLMError, ProviderError
from ..core.response import ChatResponse


class BulkError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why there is no answer: `type` is the exception's name, `message` its words, `status_code` the HTTP status."""

    type: str
    message: str
    status_code: int | None = None
    code: str | None = None

    def raised(self) -> MiiflowLLMError:
        """The error as an exception of its type, without what belonged only to its call."""
        kind = getattr(exceptions, self.type, MiiflowLLMError)
        error: MiiflowLLMError = kind.__new__(kind)
        Exception.__init__(error, self.message)
        error.__dict__.update(
            message=self.message, provider=None, model=None, retry_after=None, partial=None, attempts=[],
            status_code=self.status_code, code=self.code, request_id=None, body=b"", retryable=False,
        )  # fmt: skip
        return error


class BulkResult(msgspec.Struct, omit_defaults=True):
    """What came of one request.

    `number` is its place in the input, from 0, `key` the caller's own name for it. Either `response` or `error` is
    there. `tries` are the requests that were made for it; `maybe_billed_twice` says that a run broke off while it was
    on its way, so that the provider may have answered it before. `resumed` says that it was answered by an earlier run.
    """

    number: int
    key: str | None = None
    response: ChatResponse | None = None
    error: BulkError | None = None
    tries: int = 1
    maybe_billed_twice: bool = False
    resumed: bool = False

    @property
    def text(self) -> str | None:
        """The text of the answer; `None` if there is none."""
        return self.response.content if self.response is not None else None


_decode = msgspec.json.Decoder(ChatResponse).decode
_decode_error = msgspec.json.Decoder(BulkError).decode


def dumped(outcome: ChatResponse | BulkError) -> bytes:
    """An answer or an error as bytes. An answer's body, headers' counters and timings are not kept."""
    if isinstance(outcome, BulkError):
        return msgspec.json.encode(outcome)
    bare = msgspec.structs.replace(outcome, raw=None, attempts=[], rate_limit=None, structured_output=None)
    return msgspec.json.encode(bare)


def loaded(data: bytes, *, failed: bool) -> ChatResponse | BulkError:
    """What `dumped` made."""
    return _decode_error(data) if failed else _decode(data)


def error_of(error: MiiflowLLMError) -> BulkError:
    """An exception as a value."""
    status: Any = error.status_code if isinstance(error, ProviderError) else None
    code = error.code if isinstance(error, ProviderError) else None
    return BulkError(type(error).__name__, error.message, status, code)
