"""A wire format, as data: how a request is written and how answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import msgspec

from ..schema.subset import SchemaSubset
from .batch import Batch, no_batches
from .continuation import NOT_DOCUMENTED, Continuation
from .counters import Counter
from .drops import Drop
from .endpoint import Endpoint, not_offered
from .event_words import Rule, RuleLike
from .faults import Fault
from .noting import Prepare
from .request_words import Place, PlaceBy
from .response_headers import ResponseHeaders
from .template import holes
from .turns import Turns

Structured = Literal["native", "tool", "prompt"]
"""How a model is made to follow a schema: the wire's own field, a tool it must call, or words in the prompt."""


class Dialect(msgspec.Struct, kw_only=True, dict=True):
    """A wire format."""

    name: str
    """What callers choose it by, as in `dialect="openai_chat"`."""
    docs: str
    """The URL of the vendor's own reference."""

    path: str
    """What follows the base URL; `{model}` in it is filled in, escaped."""
    stream_path: str | None = None
    """The path of streams, if it differs."""
    headers: Mapping[str, str] = {}
    """Headers that every request has."""
    body: Mapping[str, Any]
    """The body of a request, with holes; what every server of the format takes."""
    optional: Mapping[str, Mapping[str, Any]] = {}
    """Bundles of further body rows that some servers take: a provider's `takes` names those of its own."""
    system: Literal["inline", "hoist"] = "inline"
    """`inline`: system messages are messages like others. `hoist`: they are taken out, for a hole of the body."""
    prepare: tuple[Prepare, ...] = ()
    """Hooks that change the request before it is written, in order."""

    message: Mapping[str, Any] | None = None
    """The template of a message; `None` if only blocks are written."""
    parts: Mapping[type, Place | PlaceBy]
    """The place of every type of block."""
    roles: Mapping[str, str] = {}
    """The wire's word for a role, if it differs."""
    merge: bool = False
    """Whether neighbouring messages of one wire role are joined."""
    plain: bool = True
    """Whether content that is only text is a bare string."""
    tool_names: str = "[A-Za-z0-9_-]{1,64}"
    """The pattern of the names that tools may have; others are renamed, and named back in answers."""
    media: Mapping[type, tuple[str, ...]] = {}
    """The media types that a block's own bytes may have; any, if the block is not listed."""
    turns: Turns = Turns()
    """What is refused of the turns of a conversation, and so mended."""
    text_results: bool = False
    """Whether models are shown only the text of a tool's result: its media then go into a user message after it."""
    max_media: int | None = None
    """The most that the media of a request may have in all, in bytes of base64."""

    framing: Literal["sse", "ndjson", "aws_eventstream"] = "sse"
    """How a stream's bytes are cut into frames."""
    done: str | None = None
    """The payload that ends a stream without being JSON."""
    event: str | None = None
    """The path of the event's name in the payload, for streams whose events have names."""
    events: tuple[RuleLike, ...] = ()
    """The rules that read a stream's frames."""
    whole: tuple[RuleLike, ...] = ()
    """The rules that read a whole answer."""
    failure: tuple[Rule, ...] = ()
    """The rules that read an error body, tried in order."""
    ignored: tuple[str, ...] = ()
    """The events that no rule reads."""
    finish: Mapping[str, str] = {}
    """The provider's finish reasons as `stop length tool_calls content_filter unknown`, or `error`."""
    usage: Mapping[str, Counter] = {}
    """The fields of `TokenCount`, as sums of the counters that the rules read."""
    costs: Mapping[str, float] = {}
    """The counters that say what the call cost, each with its unit in USD; their sum is the cost."""
    complete: tuple[str, ...] = ("finish",)
    """What makes an answer whole: `finish` (a finish reason was read), the `done` payload, or an event's name."""
    end: tuple[str, ...] = ()
    """What ends a stream, in the same words."""
    errors: tuple[Fault, ...] = ()
    """The error table; the first row that fits counts."""
    response_headers: ResponseHeaders = ResponseHeaders()
    """Where response headers hold request ids, waits and limits."""

    drops: tuple[Drop, ...] = ()
    """What models refuse; the first row that fits counts."""
    structured: Mapping[str, Structured] = msgspec.field(default_factory=lambda: {"": "native"})
    """How a schema is enforced, by the model's name; patterns are tried in order."""
    continues: Mapping[str, Continuation] = msgspec.field(default_factory=lambda: {"": NOT_DOCUMENTED})
    """Whether a model goes on with an answer that another began, by its name; patterns are tried in order."""
    output_subset: SchemaSubset | None = None
    """What the wire's own field can say of a schema, if not all; one beyond it is asked for in the prompt."""

    model_list: Endpoint = not_offered("this wire format lists no models")
    """The call that lists models."""
    embeddings: Endpoint = not_offered("this wire format embeds no texts")
    """The call that embeds texts."""
    token_count: Endpoint = not_offered("this wire format counts no tokens ahead; usage comes with the answer")
    """The call that counts a request's tokens."""
    batch: Batch = no_batches("no batch API is known of this provider; `Bulk` asks many prompts one by one")
    """The calls that hand in many requests at once."""

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Every value that the body has a hole for, with its first place on the wire; found once for all requests."""
        return dict(reversed(list(holes(self.body))))

    def bundle_of(self, parameter: str) -> str | None:
        """The optional bundle that has a place for the parameter."""
        names = ((bundle, name) for bundle, rows in self.optional.items() for name, _ in holes(rows))
        return next((bundle for bundle, name in names if name.partition(".")[0] == parameter), None)
