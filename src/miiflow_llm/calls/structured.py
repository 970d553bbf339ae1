"""Answers that follow a type: a request and a type in, the request that asks for it and a reader of the answer out.

How the provider is made to follow the schema (its own field, a forced tool, words in the prompt) is a row of its table;
the answer is always checked against the caller's own type.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from ..core.exceptions import ParsingError
from ..core.json_text import repair_surrogates
from ..core.messages import Message
from ..core.request import ChatRequest, OutputSchema, ToolSpec
from ..core.response import ChatResponse, StreamChunk
from ..schema.conform import conformed
from ..schema.json_in_text import DraftFilter, answers_in, holds_json_alone, without_draft
from ..schema.mended import mended
from ..schema.of_type import name_of, schema_of, wrap_root
from ..schema.open_objects import open_object
from ..schema.partial_json import NOTHING, PartialJSON
from ..schema.response_formats import response_format
from ..schema.shape import SchemaShape
from ..schema.subset import can_say
from ..schema.to_type import decode_as
from ..tables import Dialect, Structured
from ..tables.template import choose
from ..wire.encode.request import parameters, refusal

_PROMPT = (
    "Answer with one JSON value and nothing else: no prose, no code fence. It must follow this JSON Schema:\n{schema}"
)


class Shape(msgspec.Struct, frozen=True):
    """A type to answer in: its JSON Schema, and the key its value stands under where the root had to be wrapped."""

    type: Any
    name: str
    schema: dict[str, Any]
    unwrap: str | None
    strict: bool = True
    is_any: bool = False
    """Whether any JSON object will do."""

    @property
    def openers(self) -> str:
        """What the JSON of an answer begins with."""
        return "{" if self.schema.get("type") == "object" else "{["

    @classmethod
    def of(cls, type_: Any) -> Shape:
        """The shape of a type, or of a JSON Schema given as a dict.

        Raises:
            ConfigurationError: no JSON Schema can be made of it.
        """
        if isinstance(type_, OutputSchema):
            return cls(type_.schema, type_.name, schema_of(type_.schema), None, type_.strict)
        asked_for = response_format(type_)
        if asked_for is not None and asked_for.schema is None:
            return cls({}, asked_for.name, {"type": "object"}, None, strict=False, is_any=True)
        type_ = type_ if asked_for is None else asked_for.schema
        schema, unwrap = wrap_root(mended(schema_of(type_), "schema"))
        if asked_for is not None:
            return cls(type_, asked_for.name, schema, unwrap, asked_for.strict)
        return cls(type_, name_of(type_), schema, unwrap)


def asked(request: ChatRequest, shape: Shape, dialect: Dialect) -> tuple[ChatRequest, Structured]:
    """The request that asks for the shape, and by which way.

    Fall back to the prompt if the native way cannot do it: its field cannot express this schema, or is refused beside
    tools, or the tool cannot be forced or would stand beside others.
    """
    if shape.is_any and "json_mode" in parameters(dialect) and refusal(dialect, request, "json_mode") is None:
        return msgspec.structs.replace(request, json_mode=True), "native"
    # A strict wire closes every object, and one with free names closed could only be empty.
    strict = shape.strict and open_object(shape.schema, anything=True) is None
    output = OutputSchema(shape.name, shape.schema, strict)
    mode = "prompt" if shape.is_any else _way(request, output, dialect)
    if mode == "native":
        return msgspec.structs.replace(request, schema=output), mode
    if mode == "tool":
        return _by_tool(request, output), mode
    return _by_prompt(request, output, dialect), mode


def _way(request: ChatRequest, output: OutputSchema, dialect: Dialect) -> Structured:
    way: Structured = choose(dialect.structured, request.model) or "prompt"
    if way == "tool":
        forced = _by_tool(request, output)
        return "prompt" if request.tools or refusal(dialect, forced, "tool_choice") else way
    subset = dialect.output_subset
    beyond = subset is not None and not can_say(output.schema, subset)
    return "prompt" if beyond or refusal(dialect, request, "schema") else way


def _by_tool(request: ChatRequest, output: OutputSchema) -> ChatRequest:
    tool = ToolSpec(output.name, "Give the answer in this form.", output.schema, None)
    return msgspec.structs.replace(request, tools=[tool], tool_choice=output.name, schema=None)


def _by_prompt(request: ChatRequest, output: OutputSchema, dialect: Dialect) -> ChatRequest:
    words = _PROMPT.format(schema=msgspec.json.encode(output.schema).decode())
    json_mode = "json_mode" in parameters(dialect) and refusal(dialect, request, "json_mode") is None
    messages = [Message.system(words), *request.messages]
    return msgspec.structs.replace(request, messages=messages, schema=None, json_mode=json_mode or None)


class ShapeReader:
    """Reads the shape out of an answer, chunk by chunk; each new character is looked at once."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._draft = DraftFilter()
        self._broken = False
        self._json = self._begun()

    def _begun(self) -> PartialJSON:
        # a server may take the schema and let its model write words and a fence around the answer all the same
        return PartialJSON(lenient=True, openers=self.shape.openers, shape=SchemaShape.of(self.shape.schema))

    def read(self, chunk: StreamChunk) -> None:
        """Give the chunk the value so far."""
        if chunk.delta:
            self._take(chunk.delta)
        value = self._json.value
        if value is not NOTHING:
            chunk.partial_parse = self._unwrapped(value)

    def _take(self, new: str) -> None:
        was_open, is_within = self._draft.is_open, self._json.value is not NOTHING and not self._json.complete
        answer = self._draft.feed(new)
        if self._draft.ended and (was_open or not is_within):
            self._json, self._broken = self._begun(), False
        elif self._draft.ended:
            answer = new  # the tag is a word of the value
        if answer and not self._broken:
            self._feed(answer)

    def _feed(self, new: str) -> None:
        try:
            self._json.feed(new)
        except ParsingError:
            self._broken = True  # the final check says what is wrong, with the whole text

    def _unwrapped(self, value: Any) -> Any:
        if self.shape.unwrap is None:
            return value
        return value.get(self.shape.unwrap) if isinstance(value, dict) else None

    def finish(self, response: ChatResponse) -> Any:
        """The value of the whole answer, of the caller's own type; `None` where it is calls, whose results come first.

        Raises:
            ParsingError: the answer does not follow it; the error says where, and has the text.
        """
        if response.message.tool_calls:
            return None
        try:
            value = self._value(response)
        except ParsingError as error:
            raise _explained(error, response) from None
        response.structured_output = value
        return value

    def _value(self, response: ChatResponse) -> Any:
        text, reasoning = response.message.text, response.message.reasoning
        # some servers put all that a model says into its reasoning; amid other words it may be a draft
        if not text.strip() and response.finish_reason == "stop" and holds_json_alone(reasoning):
            text = reasoning
        return decode_shape(self.shape, text)


def decode_shape(shape: Shape, text: str) -> Any:
    """The answer in `text` as the shape's type, whatever words, fences and drafts stand around it.

    Raises:
        ParsingError: none in it follows the type.
    """
    failure: ParsingError | None = None
    for found in _candidates(shape, text):
        try:
            return _decoded(shape, found)
        except ParsingError as error:
            failure = failure or error
    if failure is None and shape.unwrap and (word := without_draft(text).strip()) and word[0] not in "{[":
        with contextlib.suppress(ParsingError):  # a bare word, and a string is asked for
            return decode_as(shape.type, msgspec.json.encode(repair_surrogates(word)))
    failure = failure or _malformed(text)
    failure.text = text
    raise failure


def _candidates(shape: Shape, text: str) -> list[str]:
    """The JSON texts that may be the answer, the likeliest first; a schema given as a dict checks nothing later."""
    found = answers_in(text, "{[" if shape.unwrap else shape.openers)
    if not isinstance(shape.type, dict) or shape.unwrap:
        return found
    required = shape.schema.get("required", ())

    def lacks(one: str) -> bool:
        value = decode_as({}, one)
        return not all(name in value for name in required)

    return sorted(found, key=lacks)


def _decoded(shape: Shape, text: str) -> Any:
    key = shape.unwrap
    if key is None:
        return decode_as(shape.type, conformed(text, shape.schema))
    bare = f'{{"{key}":{text}}}'
    try:
        return _member(shape, key, text)
    except _NotWrapped:
        return _member(shape, key, bare)
    except ParsingError:
        with contextlib.suppress(ParsingError):
            return _member(shape, key, bare)
        raise


class _NotWrapped(Exception):
    """The JSON is no object with the key under which a value stands that is no object itself."""


def _member(shape: Shape, key: str, text: str) -> Any:
    try:
        outer = msgspec.json.decode(conformed(repair_surrogates(text), shape.schema), type=dict[str, msgspec.Raw])
        inner = bytes(outer[key])
    except (msgspec.DecodeError, RecursionError, KeyError):
        raise _NotWrapped from None
    return decode_as(shape.type, inner)


def _malformed(text: str) -> ParsingError:
    """The error of a text that holds no JSON, or none that ends."""
    said = without_draft(text)
    if not said.strip():
        words = "it ends within a draft" if text.strip() else "it is empty"
        return ParsingError(f"the answer is not JSON: {words}", text=text, reason=words)
    try:
        decode_as({}, said)
    except ParsingError as error:
        return error
    return ParsingError("the answer is not the JSON that was asked for", text=text, reason="not the JSON asked for")


def _explained(error: ParsingError, response: ChatResponse) -> ParsingError:
    error.provider, error.model = response.provider, response.model
    error.partial, error.attempts = response, response.attempts
    if not response.message.text.strip() and answers_in(response.message.reasoning):
        error.message += "; its reasoning holds JSON, which may be a draft: see partial.message.reasoning"
    if response.finish_reason == "length":
        error.message = f"the answer was cut off by max_tokens before it was complete: {error.message}"
    elif response.finish_reason == "content_filter":
        error.message = f"the model refused, so there is no answer in this form: {error.message}"
    return error
