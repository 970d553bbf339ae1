"""Make tools of typed Python functions, and check and run the calls that models make of them.

The schema comes from the annotations through msgspec, the descriptions from the docstring or `Annotated[T, "words"]`.
"""

from __future__ import annotations

import copy
import difflib
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ParamSpec, TypeVar, get_args, get_origin, overload

import anyio.to_thread
import msgspec

from ..core.exceptions import ConfigurationError, ParsingError
from ..core.legal_keys import check_keys
from ..core.messages import Cache
from ..core.request import HostedTool, ToolSpec
from ..core.text import sound
from .annotations import notes_of
from .conform import conformed
from .docstrings import described
from .members import Member, as_member, struct_of, values_of
from .mended import mended_parameters
from .of_type import name_of, schema_of
from .pydantic_types import is_pydantic
from .readable import readable
from .to_type import decode_as

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_SCHEMAS = ("parameters", "input_schema", "inputSchema")
"""The key of a function's schema, as OpenAI, Anthropic and MCP call it."""
_OURS = frozenset(("name", "description", *_SCHEMAS))
"""Keys of a function as a dict."""
_OF_MCP = ("title", "annotations", "outputSchema", "icons", "execution", "meta", "_meta")
"""What MCP says of a tool to those who show and run it; no model is told."""


class Tool:
    """A tool: what the model is told of it, and, where it has one, the function behind it.

    `parameters` is JSON Schema. `strict` asks the provider to hold the model to it exactly, `cache` to cache the tools
    up to this one. A tool that was made of a function is called like it; one made of a method in its class is bound,
    like the method, if an instance has it. `arguments_type` is the type that the arguments are checked against; of a
    function, a Struct of its parameters.
    """

    def __init__(
        self,
        name: str,
        description: str = "",
        parameters: Mapping[str, Any] | None = None,
        *,
        strict: bool = False,
        cache: Cache = False,
        function: Callable[..., Any] | None = None,
        arguments_type: Any = None,
    ) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"tool name {name!r}: 1 to 128 letters, digits and '_.:/-'")
        self.name = name
        self.description = sound(description)
        self.parameters = mended_parameters(parameters, f"tool {name!r}")
        self.strict = strict
        self.cache = cache
        self.function = function
        self._type = arguments_type
        self._unbound = False
        if function is not None:
            functools.update_wrapper(self, function)

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        strict: bool = False,
    ) -> Tool:
        """A tool of a typed function, sync or async.

        Raises:
            ConfigurationError: a parameter has no annotation, or is `*args` or `**kwargs`, or has no JSON form.
        """
        told = _told_of(function)
        summary, about = described(inspect.getdoc(told) or "")
        called: str = name or getattr(told, "__name__", None) or type(told).__name__
        is_method = _is_method(function)
        type_ = _arguments_type(function, called, about, skip=int(is_method))
        schema = {key: value for key, value in schema_of(type_).items() if key != "title"}
        words = description if description is not None else summary
        made = cls(called, words, schema, strict=strict, function=function, arguments_type=type_)
        made._unbound = is_method
        return made

    def __get__(self, instance: Any, owner: type | None = None) -> Tool:
        """A method's tool, bound to the instance that it is taken from; any other as it is."""
        if instance is None or not self._unbound or self.function is None:
            return self
        bound = copy.copy(self)
        bound.function, bound._unbound = self.function.__get__(instance, owner), False
        return bound

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.function is None:
            raise ConfigurationError(f"tool {self.name!r} has no function to call")
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"Tool({self.name!r})"

    def arguments(self, text: str) -> dict[str, Any]:
        """The model's arguments, checked, as keyword arguments; `""`, `null` and white space mean that there are none.

        They have the types of the function's parameters; without a function they are plain JSON.

        Raises:
            ParsingError: they do not fit; the error says where.
        """
        if text.strip() in ("", "null"):
            text = "{}"
        try:
            return self._read(text)
        except ParsingError as error:
            where = f" at {error.path}" if error.path else ""
            error.message = f"the arguments of {self.name!r} do not follow its parameters{where}: {error.reason}"
            raise

    def _read(self, text: str) -> dict[str, Any]:
        if self._type is not None:
            text = conformed(text, self.parameters)
            found = decode_as(self._type, text)
            if self.function is not None:
                return values_of(found)
        value = decode_as({}, text)
        if not isinstance(value, dict):
            raise ParsingError(f"arguments of {self.name} are not an object", text=text, reason="not an object")
        return value

    async def run(self, text: str) -> Any:
        """Run the function with the model's arguments; a synchronous one runs in a worker thread.

        Raises:
            ParsingError: the arguments do not fit.
            ConfigurationError: there is no function, or it is a method without its instance.
            Exception: whatever the function raises.
        """
        arguments = self.arguments(text)
        if self.function is None:
            raise ConfigurationError(f"tool {self.name!r} has no function to run")
        if self._unbound:
            raise ConfigurationError(f"tool {self.name!r} is a method: take it from an instance, not from the class")
        if inspect.iscoroutinefunction(inspect.unwrap(self.function)):
            return await self.function(**arguments)
        value = await anyio.to_thread.run_sync(functools.partial(self.function, **arguments))
        return await value if inspect.isawaitable(value) else value


@overload
def tool(function: Callable[P, R], /) -> Tool: ...
@overload
def tool(
    name: str | None = None, description: str | None = None, *, strict: bool = False
) -> Callable[[Callable[P, R]], Tool]: ...
def tool(name: Any = None, description: str | None = None, *, strict: bool = False) -> Any:
    """Make a tool of a function: `@tool`, `@tool("name", "description")` or `@tool(strict=True)`.

    Raises:
        ConfigurationError: as for `Tool.from_function`.
    """
    if isinstance(name, classmethod):
        raise ConfigurationError("a class method becomes a tool only when it is bound: as_tool(Class.method)")
    if callable(name):
        return Tool.from_function(name)
    return lambda function: Tool.from_function(function, name=name, description=description, strict=strict)


def as_tool(value: Any) -> Tool:
    """A tool of what users write: a `Tool`, a typed function, a type as a mere schema, or a dict as OpenAI's,
    Anthropic's or MCP's APIs have it; of MCP's the name, the description and `inputSchema` are what models are told.

    Raises:
        ConfigurationError: it is something else, or a dict with a key that is not known.
    """
    if isinstance(value, Tool):
        return value
    if isinstance(value, Mapping):
        return _from_dict(value)
    if isinstance(named := getattr(value, "inputSchema", None), Mapping) and not isinstance(value, type):
        return Tool(value.name, value.description or getattr(value, "title", None) or "", named)
    if isinstance(value, type) and (is_pydantic(value) or hasattr(value, "__annotations__")):
        words = (inspect.getdoc(value) or "").partition("\n")[0]
        return Tool(name_of(value), words, schema_of(value), arguments_type=value)
    if callable(value):
        return Tool.from_function(value)
    raise ConfigurationError(f"{value!r} is not a tool: a function, a Tool, a dict with its name or a type is needed")


def hosted_tool(value: Any) -> HostedTool | None:
    """A tool that the provider runs itself, where `value` is one as the provider's dict; `None` for all else.

    Such a dict has a `type` that is not a function's (`{"type": "web_search"}`), or nothing but a key for it
    (`{"googleSearch": {}}`).
    """
    if isinstance(value, HostedTool):
        return value
    if not isinstance(value, Mapping) or not value.keys().isdisjoint(("function", *_SCHEMAS[1:])):
        return None
    kind = value.get("type")
    bare = bool(value) and all(isinstance(inner, Mapping) and key not in _OURS for key, inner in value.items())
    if bare and len(value) == 1 and difflib.get_close_matches(next(iter(value)), ["function"]):
        return None  # a slip of the pen, which `as_tool` tells
    own = isinstance(kind, str) and kind != "function"
    return HostedTool("", payload=dict(value)) if own or bare else None


def as_specs(tools: Iterable[Any]) -> list[ToolSpec]:
    """The tools as a request declares them; what each may be, `as_tool` and `hosted_tool` say.

    Raises:
        ConfigurationError: one is not a tool, or two have one name; the error says which.
    """
    specs = [_spec(tool, f"tools[{at}]") for at, tool in enumerate(tools)]
    names = [spec.name for spec in specs if not isinstance(spec, HostedTool)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigurationError(f"tools: two are named {twice!r}")
    return specs


def _spec(tool: Any, place: str) -> ToolSpec:
    try:
        if isinstance(tool, ToolSpec) and tool.parameters:
            parameters = mended_parameters(tool.parameters, f"tool {tool.name!r}")
            return msgspec.structs.replace(tool, description=sound(tool.description), parameters=parameters)
        found = tool if isinstance(tool, ToolSpec) else hosted_tool(tool) or as_tool(tool)
    except ConfigurationError as error:
        error.message = f"{place}: {error.message}"
        raise
    if isinstance(found, ToolSpec):
        return found
    return ToolSpec(found.name, found.description, found.parameters, found.strict or None, found.cache)


def _from_dict(value: Mapping[str, Any]) -> Tool:
    inner = value.get("function", value)
    if inner is not value:
        check_keys(value, ("type", "function", "cache_control"), "", "a tool with a function")
    if not isinstance(inner, Mapping):
        raise ConfigurationError(f"a tool's function is a dict with name and parameters, not a {type(inner).__name__}")
    beside = _OF_MCP if "inputSchema" in inner else ()
    check_keys(inner, (*_OURS, *_SCHEMAS, "type", "function", "strict", "cache_control", *beside), "", "a tool")
    if not isinstance(inner.get("name"), str):
        raise ConfigurationError("a tool as a dict needs name, description and parameters")
    given = [key for key in _SCHEMAS if inner.get(key) is not None]
    if len(given) > 1:
        raise ConfigurationError(f"tool {inner['name']!r}: {' and '.join(given)} say the same; give one of them")
    words = inner.get("description") or (inner.get("title") if beside else None) or ""
    mark = value.get("cache_control")
    cache = mark.get("ttl", True) if isinstance(mark, Mapping) else bool(mark)
    parameters = inner[given[0]] if given else None
    return Tool(inner["name"], words, parameters, strict=bool(inner.get("strict")), cache=cache)


def _told_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """What has the name, the docstring and the annotations of a function: of a `partial`, what it calls."""
    return _told_of(function.func) if isinstance(function, functools.partial) else function


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, or of an object that is called like one."""
    told = _told_of(function)
    is_object = not (inspect.isroutine(told) or isinstance(told, type))
    return typing.get_type_hints(type(told).__call__ if is_object else told, include_extras=True)


def _is_method(function: Callable[..., Any]) -> bool:
    """Whether it is a method as its class defines it, whose first parameter will be the instance."""
    scope = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not inspect.isfunction(function) or not scope or scope.endswith("<locals>"):
        return False
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.name in ("self", "cls") and first.annotation is first.empty


def _arguments_type(
    function: Callable[..., Any], name: str, about: Mapping[str, str], *, skip: int = 0
) -> type[msgspec.Struct]:
    """A Struct with the function's parameters as its fields, in their order; the required ones need not come first.

    `skip` are the parameters at the front that are given otherwise.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"tool {name!r} yields: give a function that returns, a list for instance")
    try:
        hints = _hints(function)
        signature = inspect.signature(function)
    except (TypeError, ValueError, NameError) as reason:
        raise ConfigurationError(f"tool {name!r}: its signature cannot be read: {reason}") from None
    members = [_member(name, parameter, hints) for parameter in [*signature.parameters.values()][skip:]]
    typed = [(member, _with_words(member.hint, about.get(member.name))) for member in members]
    return struct_of(re.sub(r"\W", "_", name), typed, forbid_unknown_fields=True)


def _member(tool_name: str, parameter: inspect.Parameter, hints: Mapping[str, Any]) -> Member:
    kind = parameter.kind
    if kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise ConfigurationError(f"tool {tool_name!r}: parameter {parameter.name!r} cannot be passed by name")
    if parameter.name not in hints:
        raise ConfigurationError(f"tool {tool_name!r}: parameter {parameter.name!r} has no type annotation")
    return as_member(parameter, hints[parameter.name])


def _with_words(hint: Any, words: str | None) -> Any:
    """The type as msgspec reads it, with the docstring's words if its annotation has none."""
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    hint = readable(hint)
    return Annotated[hint, msgspec.Meta(description=words)] if words and not notes_of(extras).description else hint
