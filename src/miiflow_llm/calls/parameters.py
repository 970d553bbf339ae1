"""Check what a caller says beside the messages, and make one `ChatRequest` of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict, get_type_hints

import msgspec

from ..core.exceptions import ConfigurationError
from ..core.messages import MessageLike
from ..core.request import OF_A_CALL, ChatRequest, HostedTool, ToolSpec, declared
from .other_words import NOT_TAKEN
from .read_again import messages_of, tools_of

ToolChoice = Literal["auto", "none", "required"] | ToolSpec | Callable[..., Any] | Mapping[str, Any]
"""Whether tools are called: a word, or the tool that must be; a name is taken too, but not by type checkers, so
that a misspelt word is an error."""
Effort = Literal["off", "minimal", "low", "medium", "high", "xhigh", "max"]
Messages = MessageLike | Sequence[MessageLike]


class CommonParameters(TypedDict, total=False):
    """The settings of one call, all optional; `None` is the same as not said. `ChatRequest` says what each means."""

    model: str | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    seed: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logprobs: bool | None
    top_logprobs: int | None
    tool_choice: ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning: Effort | int | None
    verbosity: Literal["low", "medium", "high"] | None
    json_mode: bool | None
    user: str | None
    service_tier: str | None
    metadata: Mapping[str, str] | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    retries_on_parse: int | None


class ToolParameters(CommonParameters, total=False):
    """`tools` are functions, `Tool`s, schemas, or a provider's own tools as its dicts (`{"type": "web_search"}`)."""

    tools: Sequence[Any] | None


class Parameters(ToolParameters, total=False):
    """`schema` is the JSON Schema, or the type, that the answer must follow."""

    schema: Any


NAMES = tuple(get_type_hints(Parameters))
OF_THE_CLIENT = {
    "retries_on_parse": "How often an answer that does not follow `schema` is asked for again, told what is wrong."
}
"""Parameters that no provider hears of."""
Parameters.__doc__ = "\n".join(
    ["The settings of one call, all optional; `None` is the same as not said.", ""]
    + [f"{one.name}: {one.words}" for one in map(declared, OF_A_CALL)]
    + [f"{name}: {words}" for name, words in OF_THE_CLIENT.items()]
)


def build_request(
    messages: Messages, parameters: Mapping[str, Any], *, model: str | None, stream: bool, provider: str
) -> ChatRequest:
    """The unified request of a call.

    Raises:
        ConfigurationError: no messages, no model, an unknown parameter or a value of the wrong kind.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    for name in parameters:
        if name not in NAMES:
            raise ConfigurationError(_unknown(name), provider=provider, model=model)
    _check_tries(given.pop("retries_on_parse", 0), given.get("schema"))
    chosen = given.pop("model", None) or model
    if chosen is not None and not isinstance(chosen, str):
        raise ConfigurationError(f"model={chosen!r}: the model's name is needed", provider=provider)
    if not chosen:
        raise ConfigurationError("no model: pass model=... to create() or to the call", provider=provider)
    try:
        return ChatRequest(model=chosen, messages=messages_of(messages), stream=stream, **_converted(given))
    except ConfigurationError as error:
        error.provider, error.model = provider, chosen
        raise


def _check_tries(number: object, schema: object) -> None:
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ConfigurationError(f"retries_on_parse={number!r}: a whole number, 0 or more")
    if number and schema is None:
        raise ConfigurationError("retries_on_parse asks again for answers that do not follow a schema: pass schema too")


def _unknown(name: str) -> str:
    if name in NOT_TAKEN:
        return f"{name} is not a parameter of a call: {NOT_TAKEN[name]}"
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{name} is not a parameter of a call: {hint}The provider's own fields go into extra_body={{...}}"


def _stop_words(given: Any) -> list[Any] | None:
    """Return the stop words as a list, `None` for an empty one: providers refuse that."""
    return [given] if isinstance(given, str) else list(_listed("stop", given, "strings")) or None


def _converted(given: dict[str, Any]) -> dict[str, Any]:
    out = dict(given)
    if "stop" in out:
        out["stop"] = _stop_words(out["stop"])
    if "tools" in out:
        out["tools"] = _tools(out["tools"]) or None
    if out.get("tool_choice") is not None:
        out["tool_choice"] = _choice(out["tool_choice"])
    _choose_among_tools(out)
    if out.get("logprobs") is False and out.get("top_logprobs") is not None:
        raise ConfigurationError("top_logprobs asks for logprobs, logprobs=False for none: leave one of them out")
    out.pop("schema", None)  # the call asks for it in the way that the model's table says
    for name, value in out.items():
        _check(name, value)
    return out


_SIMPLE: dict[str, Any] = {
    field.name: field.type
    for field in msgspec.structs.fields(ChatRequest)
    if field.name in NAMES and field.name not in ("tools", "schema", "extra_body", "extra_headers")
}


def _check(name: str, value: Any) -> None:
    if name not in _SIMPLE:
        return
    try:
        msgspec.convert(value, _SIMPLE[name])
    except msgspec.ValidationError as reason:
        raise ConfigurationError(f"{name}={value!r}: {reason}") from None


def _listed(name: str, value: Any, what: str) -> Sequence[Any]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConfigurationError(f"{name}={value!r}: a list of {what} is needed")
    return [*value]


def _choice(choice: Any) -> Any:
    """The choice as a word or a tool's name; providers' own dicts and the tool itself are taken too."""
    if isinstance(choice, Mapping):
        inner = choice.get("function") or choice.get("custom") or choice
        kind = choice.get("type")
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
            return inner["name"]
        if kind in ("auto", "none", "required", "any"):
            return "required" if kind == "any" else kind
        raise ConfigurationError(f"tool_choice={choice!r}: give 'auto', 'none', 'required' or a tool's name")
    return getattr(choice, "name", None) or getattr(choice, "__name__", choice)


def _choose_among_tools(out: dict[str, Any]) -> None:
    """See that the choice is one of the tools; what is said of tools is not sent if there are none.

    Tools in `extra_body`, and those that a provider runs itself, have names that are not looked at.

    Raises:
        ConfigurationError: there is no such tool.
    """
    tools, choice = out.get("tools") or (), out.get("tool_choice")
    if "tools" in (out.get("extra_body") or ()):
        return
    if not tools:
        out.pop("parallel_tool_calls", None)
        if out.pop("tool_choice", None) not in (None, "auto", "none"):
            raise ConfigurationError(f"tool_choice={choice!r}: there are no tools")
    elif isinstance(choice, str) and choice not in ("auto", "none", "required"):
        names = [tool.name for tool in tools]
        if choice not in names and not any(isinstance(tool, HostedTool) for tool in tools):
            raise ConfigurationError(f"tool_choice={choice!r} is not among the tools: {', '.join(names)}")


def _tools(tools: Sequence[Any]) -> list[ToolSpec]:
    from ..schema.tools import as_specs

    return tools_of([*_listed("tools", tools, "tools")], as_specs)
