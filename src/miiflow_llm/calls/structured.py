"""Answers that follow a type: a request and a type in, the request that asks for it and a reader of the answer out.

How the provider is made to follow the schema (its own field, a forced tool, words in the prompt) is a row of its table;
the answer is always checked against the caller's own type.
"""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec

from ..core.exceptions import ParsingError
from ..core.messages import Message
from ..core.request import ChatRequest, OutputSchema, ToolSpec
from ..core.response import ChatResponse, StreamChunk
from ..schema.conform import conformed
from ..schema.of_type import name_of, schema_of, wrap_root
from ..schema.open_objects import open_object
from ..schema.partial_json import NOTHING, PartialJSON
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
        schema, unwrap = wrap_root(schema_of(type_))
        return cls(type_, name_of(type_), schema, unwrap)


def asked(request: ChatRequest, shape: Shape, dialect: Dialect) -> tuple[ChatRequest, Structured]:
    """The request that asks for the shape, and by which way.

    The prompt is the way where the model's own cannot be gone: its field cannot say this schema, or is refused beside
    tools, or the tool cannot be forced or would stand beside others.
    """
    # A strict wire closes every object, and one with free names closed could only be empty.
    strict = shape.strict and open_object(shape.schema, anything=True) is None
    output = OutputSchema(shape.name, shape.schema, strict)
    mode = _way(request, output, dialect)
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

    def __init__(self, shape: Shape, mode: Structured) -> None:
        self.shape = shape
        self.lenient = mode != "native"
        # a server may take the schema and let its model write a fence around the answer all the same
        self._json = PartialJSON(lenient=True, openers=shape.openers, shape=SchemaShape.of(shape.schema))
        self._broken = False

    def read(self, chunk: StreamChunk) -> None:
        """Give the chunk the value so far."""
        if chunk.delta and not self._broken:
            self._feed(chunk.delta)
        value = self._json.value
        if value is not NOTHING:
            chunk.partial_parse = self._unwrapped(value)

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
            value = self._value(response.message.text)
        except ParsingError as error:
            raise _explained(error, response) from None
        response.structured_output = value
        return value

    def _value(self, text: str) -> Any:
        try:
            return decode_shape(self.shape, text, lenient=self.lenient)
        except ParsingError:
            if self.lenient:
                raise
            with contextlib.suppress(ParsingError):
                return decode_shape(self.shape, text, lenient=True)
            raise


def decode_shape(shape: Shape, text: str, *, lenient: bool) -> Any:
    """The JSON in `text` as the shape's type; lenient takes it out of a code fence or prose.

    Raises:
        ParsingError: it does not follow the type.
    """
    if lenient:
        text = extracted(text, shape.openers)
    text = conformed(text, shape.schema)
    if shape.unwrap is None:
        return decode_as(shape.type, text)
    outer = decode_as(dict[str, msgspec.Raw], text)
    if shape.unwrap not in outer:
        raise ParsingError(f"the answer has no {shape.unwrap!r}", text=text, reason=f"missing {shape.unwrap!r}")
    return decode_as(shape.type, bytes(outer[shape.unwrap]))


def extracted(text: str, openers: str = "{[") -> str:
    """The first JSON object or array in `text`, whatever stands around it; all of the text where there is none.

    Raises:
        ParsingError: what begins like one is none.
    """
    reader = PartialJSON(lenient=True, openers=openers)
    try:
        reader.feed(text)
    except ParsingError as error:
        error.text = text
        raise
    return msgspec.json.encode(reader.value).decode() if reader.complete else text


def _explained(error: ParsingError, response: ChatResponse) -> ParsingError:
    error.provider, error.model = response.provider, response.model
    error.partial = response
    if response.finish_reason == "length":
        error.message = f"the answer was cut off by max_tokens before it was complete: {error.message}"
    elif response.finish_reason == "content_filter":
        error.message = f"the model refused, so there is no answer in this form: {error.message}"
    return error
