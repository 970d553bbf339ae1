"""Tools of MCP servers (extra `[mcp]`): over stdio, over HTTP, or by a session of your own, as `Tool`s.

Facts of the protocol: modelcontextprotocol.io/specification, tools; the connection itself is the package `mcp`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import Any, Self

from ..calls.hiding import sealed
from ..core.exceptions import ConfigurationError
from ..schema.tools import Tool

CONNECT, SILENCE = 30.0, 300.0
"""Seconds to connect to a server over HTTP, and of its silence within a stream: `mcp`'s own limits."""
PAGES = 1000
"""Pages of a server's list that are read; one that never ends is cut there."""


class McpToolError(Exception):
    """A server says that its tool failed; the words are what the model is told."""


class McpServer:
    """An MCP server from an event loop; inside `async with` its `tools` are there.

    `server` is a URL (`https://host/mcp`, streamable HTTP), a command with its arguments (`["uvx", "mcp-server-time"]`,
    over stdio), or a client or session of the package `mcp` that is open already, which stays open. `headers` go with
    every request over HTTP; `env` and `cwd` are the command's; `timeout` is in seconds, for each answer of the server.
    A tool that fails is told to the model as an error, like one of your own.
    """

    def __init__(
        self,
        server: str | Sequence[str] | Any,
        *,
        headers: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._server = server
        self._headers = sealed(headers)
        self._env = env
        self._cwd = cwd
        self._timeout = timeout
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._tools: list[Tool] | None = None

    @property
    def tools(self) -> list[Tool]:
        """The server's tools, as `run_tools`, `stream_tools` and `chat` take them.

        Raises:
            ConfigurationError: the server has not been entered.
        """
        if self._tools is None:
            raise ConfigurationError("an MCP server has its tools inside `async with McpServer(...) as server`")
        return self._tools

    async def __aenter__(self) -> Self:
        """Connect, and ask for the tools.

        Raises:
            ConfigurationError: `mcp` is not installed, or the server is not one.
            Exception: what `mcp` raises if the server cannot be reached.
        """
        try:
            self._client = await self._connected()
            self._tools = [self._tool(one) for one in await self._listed()]
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """The result of a tool: its texts, images and other content, in order.

        Raises:
            McpToolError: the server says that it failed.
            Exception: what `mcp` raises if there is no answer.
        """
        result = _plain(await self._client.call_tool(name, dict(arguments)))
        content = [_part(one) for one in result.get("content") or ()]
        if result.get("isError"):
            raise McpToolError("\n".join(part if isinstance(part, str) else str(part) for part in content))
        if not content:
            return result.get("structuredContent")
        return content[0] if len(content) == 1 else content

    async def _connected(self) -> Any:
        if hasattr(self._server, "call_tool") and hasattr(self._server, "list_tools"):
            return self._server
        try:
            from mcp import Client
        except ImportError:
            raise ConfigurationError("MCP servers need mcp 2.3 or newer: pip install 'miiflow-llm[mcp]'") from None
        transport = await self._transport()
        return await self._stack.enter_async_context(Client(transport, read_timeout_seconds=self._timeout))

    async def _transport(self) -> Any:
        """What `mcp` connects by."""
        from mcp import StdioServerParameters, stdio_client

        server = self._server
        if isinstance(server, str) and server.startswith(("http://", "https://")):
            from mcp.client.streamable_http import streamable_http_client

            if not self._headers:
                return streamable_http_client(server)
            import httpx2  # the client that `mcp` takes

            limits = httpx2.Timeout(CONNECT, read=SILENCE)
            http = httpx2.AsyncClient(headers=dict(self._headers), timeout=limits, follow_redirects=True)
            return streamable_http_client(server, http_client=await self._stack.enter_async_context(http))
        if isinstance(server, Sequence) and not isinstance(server, str) and server and all(map(_is_text, server)):
            env = None if self._env is None else dict(self._env)
            command, *arguments = server
            return stdio_client(StdioServerParameters(command=command, args=arguments, env=env, cwd=self._cwd))
        raise ConfigurationError(
            f"McpServer({server!r}): give a URL, a command as a list of words, or an open client or session of mcp"
        )

    async def _listed(self) -> list[dict[str, Any]]:
        found, cursor = list[dict[str, Any]](), None
        for _ in range(PAGES):
            page = _plain(await (self._client.list_tools(cursor=cursor) if cursor else self._client.list_tools()))
            found += page.get("tools") or []
            cursor = page.get("nextCursor")
            if not cursor:
                break
        return found

    def _tool(self, told: dict[str, Any]) -> Tool:
        name = told["name"]

        async def function(**arguments: Any) -> Any:
            return await self.call(name, arguments)

        return _made(told, function)


class SyncMcpServer:
    """An MCP server by blocking calls, for `SyncLLMClient`; the arguments are those of `McpServer`.

    Inside `with` its `tools` are there. The connection lives in an event loop of its own, in a thread.
    """

    def __init__(self, server: str | Sequence[str] | Any, **settings: Any) -> None:
        self._server = McpServer(server, **settings)
        self._stack = ExitStack()
        self._tools: list[Tool] | None = None

    @property
    def tools(self) -> list[Tool]:
        """The server's tools, as `run_tools`, `stream_tools` and `chat` take them.

        Raises:
            ConfigurationError: the server has not been entered.
        """
        if self._tools is None:
            raise ConfigurationError("an MCP server has its tools inside `with SyncMcpServer(...) as server`")
        return self._tools

    def __enter__(self) -> Self:
        """Connect, and ask for the tools.

        Raises:
            ConfigurationError: `mcp` is not installed, or the server is not one.
            Exception: what `mcp` raises if the server cannot be reached.
        """
        from anyio.from_thread import start_blocking_portal

        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            server = stack.enter_context(portal.wrap_async_context_manager(self._server))

            def blocking(name: str) -> Callable[..., Any]:
                return lambda **arguments: portal.call(server.call, name, arguments)

            self._tools = [
                Tool(one.name, one.description, one.parameters, function=blocking(one.name)) for one in server.tools
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def _made(told: Mapping[str, Any], function: Callable[..., Any]) -> Tool:
    """The tool of what a server tells of it."""
    return Tool(told["name"], told.get("description") or "", told.get("inputSchema") or {}, function=function)


def _plain(value: Any) -> dict[str, Any]:
    """What `mcp` read, by the names that the protocol has."""
    dumped: dict[str, Any] = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return dumped


def _part(content: Mapping[str, Any]) -> Any:
    """A piece of a result: text as text, the text of a resource too, the rest as it is."""
    if content.get("type") == "text":
        return content.get("text", "")
    resource = content.get("resource")
    if isinstance(resource, Mapping) and isinstance(resource.get("text"), str):
        return resource["text"]
    if isinstance(resource, Mapping) and isinstance(resource.get("blob"), str):
        return {"data": resource["blob"], "mimeType": resource.get("mimeType"), "uri": resource.get("uri")}
    return dict(content)


def _is_text(value: object) -> bool:
    return isinstance(value, str)
