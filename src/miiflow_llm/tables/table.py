"""The grammar of the tables: how a dialect says, as data, how a request is written and how an event is read.

The laws:

1. A *body* is the wire JSON itself with holes. A hole with no value vanishes, and so does a container of the template
   left empty by that; what the caller gave is never pruned.
2. A *part* is placed `inside` the message's content, `beside` it under a key (in a list, or `joined` into a string),
   `apart` as an item of its own, `left_out` on purpose, or `refused` with a reason. Every block type is listed: silence
   is not an answer. A template of a place inside, or of each element, that is a list gives several neighbours.
3. A *rule* fires when its first path (or its `when`) is present: a string or list not empty, a number or object not
   null, a boolean true; and when `on` (the event's name) and `where` (one equality, or `other_than`; an absent value
   equals the empty one of its type) hold. `when=exists(path)` is content with anything but null, `when=absent(...)`
   with nothing at any of its paths.
4. Rules of one frame fire in table order; the rules of an `each` run element by element, so that wire order is kept.
5. A frame is read without memory. Memory lives in `fold`.
6. A provider replaces rows; it holds no function that reads frames.
7. Whole answers are read by the same grammar (`whole`), not by a second parser.

A *path* is `choices[0].delta.content`: keys and list positions from the frame, or from the element inside an `each`;
`.` is the element itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from ..core import exceptions
from ..core.access_key import AccessKey
from ..core.request import ChatRequest
from ..schema.subset import SchemaSubset
from .event_words import (
    PIECES,
    Absent,
    Condition,
    Const,
    Each,
    Exists,
    First,
    Json,
    Other,
    Rule,
    RuleLike,
    Value,
    absent,
    const,
    each,
    emit,
    exists,
    first,
    json,
    merge,
    other_than,
)
from .request_words import (
    BLOCKS,
    ByModel,
    Own,
    Place,
    PlaceBy,
    Take,
    When,
    apart,
    beside,
    by_model,
    by_role,
    by_value,
    inside,
    joined,
    left_out,
    refused,
    take,
    when,
)
from .template import holes

__all__ = [
    "BLOCKS",
    "PIECES",
    "Absent",
    "AccessKey",
    "Also",
    "Auth",
    "BaseUrlFrom",
    "ByModel",
    "Condition",
    "Const",
    "Counter",
    "Dialect",
    "Drop",
    "Each",
    "Exists",
    "Fault",
    "First",
    "Hints",
    "Json",
    "Other",
    "Outgoing",
    "Own",
    "Place",
    "PlaceBy",
    "Provider",
    "Regions",
    "Rows",
    "Rule",
    "RuleLike",
    "SchemaSubset",
    "Side",
    "Signing",
    "Structured",
    "Take",
    "Value",
    "When",
    "absent",
    "apart",
    "beside",
    "by_model",
    "by_role",
    "by_value",
    "const",
    "count",
    "count_unless_in_total",
    "drop",
    "each",
    "emit",
    "exists",
    "fault",
    "first",
    "inside",
    "joined",
    "json",
    "left_out",
    "merge",
    "not_offered",
    "other_than",
    "refused",
    "take",
    "when",
]


class Counter(msgspec.Struct, frozen=True):
    """A unified count: the sum of raw counters, `None` where the first of them (or all, with `any_of`) is missing.

    `extra` are added only when `total` is not reached without them: a provider that leaves reasoning out of the
    completion shows it by its own total.
    """

    names: tuple[str, ...]
    extra: tuple[str, ...] = ()
    total: str = ""
    with_prompt: str = ""


def count(*names: str) -> Counter:
    """The sum of the raw counters that were reported; nothing where none was."""
    return Counter(names)


def count_unless_in_total(name: str, extra: str, *, beside: str, total: str) -> Counter:
    """`name`, plus `extra` where `beside + name + extra` is exactly the reported `total`."""
    return Counter((name,), (extra,), total, beside)


class Fault(msgspec.Struct, frozen=True):
    """A row from status, code, type and words of a failure to its exception; all that is given must hold.

    `says` is a regular expression looked for in the message and in the failure's details. `retry` overrides what the
    exception would say.
    """

    error: type[exceptions.ProviderError]
    status: tuple[int, ...] = ()
    code: tuple[str, ...] = ()
    says: str = ""
    retry: bool | None = None
    stands_for: int | None = None


def fault(
    error: type[exceptions.ProviderError],
    *codes: str,
    status: int | tuple[int, ...] = (),
    says: str = "",
    retry: bool | None = None,
    stands_for: int | None = None,
) -> Fault:
    """A row of the error table; `codes` are looked for in the failure's code and type.

    `stands_for` is the HTTP status that this failure has when it comes inside a stream.
    """
    return Fault(error, (status,) if isinstance(status, int) else status, codes, says, retry, stands_for)


class Drop(msgspec.Struct, frozen=True):
    """Parameters that models matching `models` refuse, with the reason.

    `unless` are parameters and the values of them that lift it; with `beside` it holds only where that parameter is
    given too.
    """

    parameters: tuple[str, ...]
    reason: str
    models: str = ""
    unless: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    beside: str = ""


def drop(
    *parameters: str,
    reason: str,
    models: str = "",
    unless: tuple[str, Any] | Mapping[str, tuple[Any, ...]] | None = None,
    beside: str = "",
) -> Drop:
    """Parameters not taken (by models whose name matches the pattern `models`), and what would work.

    `unless` is one parameter and value that lift it, or several with their values.
    """
    if isinstance(unless, tuple):
        unless = {unless[0]: (unless[1],)}
    return Drop(parameters, reason, models, tuple((unless or {}).items()), beside)


class Hints(msgspec.Struct, frozen=True):
    """Where the headers hold what the caller may want. Each is a list of header names, the first found wins.

    `retry_after` values are seconds, dates or durations, in milliseconds where the name ends in `-ms`. `error_code` is
    the word for a failure, up to a colon, where its body has none.
    """

    request_id: tuple[str, ...] = ("x-request-id", "request-id")
    retry_after: tuple[str, ...] = ("retry-after-ms", "x-ms-retry-after-ms", "retry-after")
    retry_flag: tuple[str, ...] = ("x-should-retry",)
    error_code: tuple[str, ...] = ()
    limits: Mapping[str, tuple[str, ...]] = {}


class Side(msgspec.Struct, frozen=True):
    """A call beside the chat: a list of models, embeddings, a count of tokens.

    `body` is a template over `model`, `texts`, `dimensions` and `chat` (the body that a chat would send). The answer's
    elements stand at `items` (`.` is the answer itself), what is wanted of each at `value`, a number of tokens at
    `tokens`. `absent` says, in place of all this, why there is no such call and what would work.
    """

    path: str = ""
    method: Literal["GET", "POST"] = "POST"
    body: Any = None
    items: str = "."
    value: str = "."
    tokens: str = ""
    absent: str = ""


def not_offered(reason: str) -> Side:
    """There is no such call; `reason` says what would work."""
    return Side(absent=reason)


Structured = Literal["native", "tool", "prompt"]
"""How a model is made to follow a schema: the wire's own field, a tool it must call, or words in the prompt."""


class Rows(msgspec.Struct, kw_only=True):
    """Rows that a provider replaces in, or adds to, the dialect it speaks.

    `events` and `whole` replace rules by name (`None` removes) wherever they stand; `more_events` and `more_whole` are
    added at the end; mappings are merged key by key, a body key of `None` is taken out.
    """

    path: str | None = None
    stream_path: str | None = None
    headers: Mapping[str, str] = {}
    body: Mapping[str, Any] = {}
    message: Mapping[str, Any] = {}
    parts: Mapping[type, Place | PlaceBy] = {}
    media: Mapping[type, tuple[str, ...]] = {}
    max_media: int | None = None
    roles: Mapping[str, str] = {}
    events: Mapping[str, RuleLike | None] = {}
    whole: Mapping[str, RuleLike | None] = {}
    more_events: tuple[RuleLike, ...] = ()
    more_whole: tuple[RuleLike, ...] = ()
    ignored: tuple[str, ...] = ()
    finish: Mapping[str, str] = {}
    usage: Mapping[str, Counter] = {}
    complete: tuple[str, ...] | None = None
    end: tuple[str, ...] | None = None
    errors: tuple[Fault, ...] = ()
    drops: tuple[Drop, ...] = ()
    structured: Mapping[str, Structured] = {}
    hints: Hints | None = None
    model_list: Side | None = None
    embeddings: Side | None = None
    token_count: Side | None = None


class Dialect(msgspec.Struct, kw_only=True, dict=True):
    """A wire format.

    `media` are the media types that a block's own bytes may have, any where it is not listed; `max_media` is the most
    that those of a request may have in all, in bytes of base64.
    `path` (and `stream_path`, where it differs) follows the base URL; `{model}` in it is filled in, escaped.
    `framing` is `sse`, `ndjson` or `aws_eventstream`; `done` the payload that ends a stream without being JSON. `event`
    is the path of the event's name in the payload, for streams whose events have names.
    `system` is `inline` (a message like others) or `hoist` (taken out, for a hole of the body). `merge` joins
    neighbouring messages of one wire role. `plain` says whether content of text alone is a bare string.
    `tool_names` is the pattern of the names that tools may have; others are renamed, and named back in answers.
    `complete` and `end` name what makes an answer whole, and what ends it: `finish` (a finish reason was read), the
    `done` payload, or an event's name.
    `finish` maps the provider's words to `stop length tool_calls content_filter unknown`, or `error`; `ignored` lists
    the events that no rule reads.
    `failure` are the rules that read an error body, tried in order.
    `structured` says by the model's name (patterns tried in order) how a schema is enforced; `output_subset` is what
    the wire's own field can say of one, where it cannot say all: a schema beyond it is asked for in the prompt.
    `model_list`, `embeddings` and `token_count` are the calls beside the chat.
    """

    name: str
    path: str
    docs: str
    body: Mapping[str, Any]
    parts: Mapping[type, Place | PlaceBy]
    message: Mapping[str, Any] | None = None
    media: Mapping[type, tuple[str, ...]] = {}
    max_media: int | None = None
    stream_path: str | None = None
    headers: Mapping[str, str] = {}
    framing: Literal["sse", "ndjson", "aws_eventstream"] = "sse"
    done: str | None = None
    event: str | None = None
    system: Literal["inline", "hoist"] = "inline"
    merge: bool = False
    plain: bool = True
    roles: Mapping[str, str] = {}
    prepare: tuple[Callable[[ChatRequest], ChatRequest], ...] = ()
    tool_names: str = "[A-Za-z0-9_-]{1,64}"
    events: tuple[RuleLike, ...] = ()
    whole: tuple[RuleLike, ...] = ()
    failure: tuple[Rule, ...] = ()
    ignored: tuple[str, ...] = ()
    finish: Mapping[str, str] = {}
    usage: Mapping[str, Counter] = {}
    complete: tuple[str, ...] = ("finish",)
    end: tuple[str, ...] = ()
    errors: tuple[Fault, ...] = ()
    drops: tuple[Drop, ...] = ()
    structured: Mapping[str, Structured] = msgspec.field(default_factory=lambda: {"": "native"})
    output_subset: SchemaSubset | None = None
    hints: Hints = Hints()
    model_list: Side = not_offered("this wire format lists no models")
    embeddings: Side = not_offered("this wire format embeds no texts")
    token_count: Side = not_offered("this wire format counts no tokens ahead; usage comes with the answer")

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Every value that the body has a hole for, with its first place on the wire; found once for all requests."""
        return dict(reversed(list(holes(self.body))))


class BaseUrlFrom(msgspec.Struct, frozen=True):
    """An environment variable that holds a base URL, read as the vendor's own client reads it: `through` makes a URL of
    what is none, then `suffix` is added where the URL does not end in it."""

    name: str
    suffix: str = ""
    through: Callable[[str], str] | None = None


class Also(Rows, kw_only=True):
    """Another dialect that a provider speaks; `models` is a pattern of the models that need it.

    `base_url` and `base_url_env` replace the provider's, where this dialect has another address.
    """

    dialect: Dialect
    base_url: str | None = None
    base_url_env: tuple[BaseUrlFrom, ...] = ()
    models: str = ""


class Auth(msgspec.Struct, frozen=True):
    """How a key is sent: in `header`, after `prefix`."""

    header: str = "authorization"
    prefix: str = "Bearer "


class Regions(msgspec.Struct, frozen=True):
    """Regions with an address each: `url` makes it of a region's name, `env` are the variables looked at for one."""

    url: Callable[[str], str]
    env: tuple[str, ...]


class Outgoing(msgspec.Struct, frozen=True):
    """A request as it goes out, to be signed: `host` as the Host header has it, `target` the path with its query."""

    method: str
    host: str
    target: str
    content_type: str
    body: bytes


class Signing(msgspec.Struct, frozen=True):
    """How requests are signed: `headers(outgoing, key, region)` are the headers that prove the key.

    `env` are the variables of the key's id, its secret, and a session's token. `prefix` is how `authorization` begins.
    """

    headers: Callable[[Outgoing, AccessKey, str], Mapping[str, str]]
    env: tuple[str, str, str]
    prefix: str


class Provider(Rows, kw_only=True):
    """Who speaks a dialect, and where: what a user writes to add one.

    `env` are the variables looked at for the key, in order, each sent as `auth` says, or as `auth_env` says of it;
    `key` says whether one is needed. `base_url_env` likewise for the address, and `headers_env` for optional headers.
    `regions` says where the provider is by region, `sign` how requests are signed where there is no key to send.
    `also` are further dialects, chosen by `dialect=` or by the model's name.
    """

    name: str
    dialect: Dialect
    base_url: str | None
    docs: str
    env: tuple[str, ...] = ()
    key: Literal["required", "optional"] = "required"
    aliases: tuple[str, ...] = ()
    auth: Auth = Auth()
    auth_env: Mapping[str, Auth] = {}
    base_url_env: tuple[BaseUrlFrom, ...] = ()
    also: tuple[Also, ...] = ()
    headers_env: Mapping[str, tuple[str, ...]] = {}
    example_model: str = ""
    regions: Regions | None = None
    sign: Signing | None = None
