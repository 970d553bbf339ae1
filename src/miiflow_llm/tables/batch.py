"""The batch API of a provider, as data: how requests are handed in by the thousand, and read when they are done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..core.batches import BatchStatus
from .endpoint import Endpoint

BATCH_VALUES = ("model", "endpoint", "file", "requests", "name")
LINE_VALUES = ("model", "endpoint", "key", "body")

GRPC = {1: 499, 3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 10: 409, 11: 400, 12: 501, 13: 500, 14: 503, 16: 401}
"""The HTTP statuses that Google's codes stand for (google/rpc/code.proto)."""


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One request of an upload.

    `form` are the text fields of a multipart body, in order, and `file` is the field with the lines, which comes last;
    `raw` sends the lines themselves as the body. `path` follows the base URL, or is a whole address. `takes` names
    values for later steps, each read at a path of the answer, or of a header as `header:location`; `file` is what the
    batch is made of. `{name}`, `{sha256}` and earlier values are filled in. `also` are statuses beside 2xx that are not
    errors; `known` are those that say that the file is there already, with the path of its id. With `keyless` no key is
    sent, since the address proves who asks.
    """

    path: str
    method: Literal["POST", "PUT"] = "POST"
    form: Mapping[str, str] = {}
    file: str = ""
    raw: bool = False
    takes: Mapping[str, str] = {}
    also: tuple[int, ...] = ()
    known: Mapping[int, str] = {}
    keyless: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Where results stand, once there are any.

    `at` is a path of the batch's own answer: of a list with the results themselves, or of what fills `{at}` in `get`,
    the request that gets them. They are JSON lines, or, with `items`, a list at that path of each page, whose `next`
    fills the parameter `page` of the query for the one after it. Without `at` results are always asked for.
    """

    at: tuple[str, ...] = ()
    get: str = ""
    items: str = ""
    next: str = ""
    page: str = ""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's batch API. Where a path may stand at several places, they are a tuple, and the first found counts.

    `body` is the template of the request that makes a batch, over `model`, `endpoint`, `name` and either `file` (what
    the `upload` steps gave) or `requests` (the lines themselves); `line` that of a line, over `key`, `endpoint`,
    `model` and `body`, the body of the chat. `absent` says, in place of all this, what would be needed.
    """

    path: str = ""
    """What makes a batch; `{model}` is filled in, escaped."""
    body: Any = None
    line: Any = None
    upload: tuple[Upload, ...] = ()
    endpoint: str = ""
    """The endpoint that the requests of a chat are for."""
    embeddings: Endpoint | None = None
    """How a line that embeds one text is written, and how its answer is read; `path` is the endpoint."""
    embeddings_path: str = ""
    """What makes a batch of texts to embed, if not `path`."""

    id: tuple[str, ...] = ("id",)
    get: str = "/batches/{id}"
    cancel: str = "/batches/{id}/cancel"
    cancel_by: Literal["POST", "DELETE"] = "POST"

    status: tuple[str, ...] = ("status",)
    """The provider's word; without one the batch has ended when nothing is `pending`."""
    words: Mapping[str, BatchStatus] = {}
    signs: Mapping[str, BatchStatus] = {}
    """Paths whose presence says how an end without a word of its own came."""
    counts: Mapping[str, tuple[str, ...]] = {}
    """`total`, `succeeded`, `failed` and `pending`, each the sum of what stands at these paths."""
    percent: str = ""
    """How far it is, from 0 to 100, for want of counts."""
    refusal: tuple[str, ...] = ()
    """Why a batch failed as a whole."""

    outcomes: tuple[Outcome, ...] = ()
    key: tuple[str, ...] = ("custom_id",)
    in_order: bool = False
    """Whether results come in the order of the requests, which counts if a result has no key."""
    answer: tuple[str, ...] = ("response.body",)
    answer_status: str = "response.status_code"
    error: tuple[str, ...] = ("error",)
    error_status: Mapping[int, int] = {}
    """The HTTP statuses that the codes of errors stand for."""
    ending: tuple[str, ...] = ("error.code",)
    """Where a result says that its request was never made, in one of the words of `endings`."""
    endings: Mapping[str, Literal["cancelled", "expired"]] = {}

    max_requests: int = 50_000
    max_bytes: int = 100_000_000
    keys: str = r".{1,256}"
    """The pattern of the keys that requests may have."""
    one_model: bool = False
    """Whether all requests of a batch must name one model."""
    not_yet: str = ""
    """What a refusal says if the file has come, but is not seen everywhere yet: then it is asked again."""
    absent: str = ""


def no_batches(reason: str) -> Batch:
    """There is no batch API, or none that is spoken here; `reason` says what would be needed."""
    return Batch(absent=reason)
