"""One call as the client hands it to the engine: unified, provider-blind, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from types import NoneType
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from .messages import Cache, Message, TextBlock
from .secrets import Sealed


class ToolSpec(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool as a request declares it: `parameters` is JSON Schema, `strict` asks for exact arguments, `cache` for the
    prompt up to here to be cached.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    cache: Cache = False


class HostedTool(ToolSpec, frozen=True, kw_only=True):
    """A tool that the provider runs itself, a search or a sandbox: `payload` is its own JSON, sent as it is."""

    payload: dict[str, Any]


class OutputSchema(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON Schema that the answer must follow."""

    name: str
    schema: dict[str, Any]
    strict: bool = True


class Plan:
    """The exact request that is sent, and what was done to say it in the provider's words.

    `method`, `url`, `headers`, `body` and `dialect` say what is sent; each credential shows as `***`. `notes` name what
    was renamed, dropped or left out, and why. `parts` are the bytes of the body, in the pieces in which they are kept
    from call to call; `None` if there is no body.
    """

    __slots__ = ("_body", "dialect", "headers", "method", "notes", "parts", "url")

    def __init__(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        body: dict[str, Any] | tuple[bytes, ...] | None,
        notes: list[str],
        dialect: str,
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.notes = notes
        self.dialect = dialect
        self.parts: tuple[bytes, ...] | None
        self._body: dict[str, Any] | None = None
        if isinstance(body, dict):
            self.body = body
        else:
            self.parts = body

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.parts is None else b"".join(self.parts)

    @property
    def body(self) -> dict[str, Any] | None:
        """The body, read as JSON when it is first asked for."""
        if self._body is None and self.parts is not None:
            self._body = msgspec.json.decode(b"".join(self.parts))
        return self._body

    @body.setter
    def body(self, body: dict[str, Any] | None) -> None:
        self.parts = None if body is None else (msgspec.json.encode(body),)
        self._body = body

    @property
    def owner(self) -> str:
        """A digest of the credentials that this call brings beside the client's own (in `extra_headers`, for an MCP
        server); `""` if it brings none.
        """
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {name: getattr(self, name) for name in ("method", "url", "headers", "body", "notes", "dialect")}

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, Plan) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its headers and notes may be changed

    def __repr__(self) -> str:
        said = {name: Sealed(value) if isinstance(value, dict) else value for name, value in self.to_dict().items()}
        return f"Plan({', '.join(f'{name}={value!r}' for name, value in said.items())})"


def _said(words: str) -> Meta:
    return Meta(description=words)


class ChatRequest(msgspec.Struct, kw_only=True):
    """Everything one call can say; `None` means not said.

    Each parameter of a call is declared here, with its words: the keyword arguments, the body that browsers send, its
    TypeScript types and the table in docs/requests.md follow, or are held equal to it by a test. `system` is filled in
    from the messages, and `system_blocks` too if one of its blocks asks to be cached.
    """

    model: Annotated[str, _said("The model; it replaces the client's.")]
    messages: list[Message]
    stream: bool = False
    system: str | None = None
    system_blocks: Sequence[TextBlock] | None = None
    max_tokens: Annotated[int | None, _said("The most tokens of the answer, its reasoning included.")] = None
    temperature: Annotated[float | None, _said("How freely tokens are chosen; 0 is the most likely each time.")] = None
    top_p: Annotated[float | None, _said("Choose among the most likely tokens that make up this probability.")] = None
    top_k: Annotated[int | None, _said("Choose among this many of the most likely tokens.")] = None
    stop: Annotated[Sequence[str] | None, _said("One or more strings at which the answer ends.")] = None
    seed: Annotated[int | None, _said("For answers that can be repeated, as far as the provider can.")] = None
    presence_penalty: Annotated[float | None, _said("Above 0 makes tokens that have been used less likely.")] = None
    frequency_penalty: Annotated[
        float | None, _said("Above 0 makes tokens less likely the more often they have been used.")
    ] = None
    logprobs: Annotated[bool | None, _said("Give the log probability of each token.")] = None
    top_logprobs: Annotated[int | None, _said("Give this many alternatives of each token too.")] = None
    tools: Annotated[
        Sequence[ToolSpec] | None,
        _said("Functions, `Tool`s, types or schemas, and the provider's own tools as its dicts."),
    ] = None
    tool_choice: Annotated[str | None, _said("`auto`, `none`, `required`, or the name of a tool.")] = None
    parallel_tool_calls: Annotated[bool | None, _said("Whether one answer may make several calls.")] = None
    reasoning: Annotated[
        str | int | None,
        _said("An effort (`off`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`) or a budget in tokens."),
    ] = None
    verbosity: Annotated[str | None, _said("How long answers are to be: `low`, `medium` or `high`.")] = None
    schema: Annotated[OutputSchema | None, _said("A type or a JSON Schema that the answer must follow.")] = None
    json_mode: Annotated[bool | None, _said("Ask for JSON of any form.")] = None
    user: Annotated[str | None, _said("Your own id of the user, for the provider's checks of abuse.")] = None
    service_tier: Annotated[str | None, _said("The provider's word for how fast and at what price it answers.")] = None
    metadata: Annotated[Mapping[str, str] | None, _said("Labels that the provider keeps with the call.")] = None
    extra_body: Annotated[
        Mapping[str, Any] | None, _said("The provider's own fields, merged into the body; they have the last word.")
    ] = None
    extra_headers: Annotated[Mapping[str, str] | None, _said("More headers; they have the last word.")] = None


OF_A_CALL: tuple[str, ...] = tuple(
    name for name in ChatRequest.__struct_fields__ if name not in ("messages", "stream", "system", "system_blocks")
)
"""Everything that a caller may say beside the messages."""

PARAMETERS: tuple[str, ...] = tuple(name for name in OF_A_CALL if name != "model" and not name.startswith("extra_"))
"""The settings of a call that a provider may or may not take."""


class Parameter(msgspec.Struct, frozen=True):
    """What is declared of one parameter: its type, without `None`, and its words."""

    name: str
    type: Any
    words: str


def declared(name: str) -> Parameter:
    """The declaration of one of `OF_A_CALL`."""
    field = next(field for field in msgspec.structs.fields(ChatRequest) if field.name == name)
    kind, meta = get_args(field.type)
    kinds = [one for one in get_args(kind) if one is not NoneType] or [kind]
    return Parameter(name, reduce(or_, kinds), meta.description)
