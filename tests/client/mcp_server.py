"""A real MCP server for the tests: `python mcp_server.py` over stdio, `python mcp_server.py PORT` over HTTP."""

import base64
import sys

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ImageContent

PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92"
        "ef0000000049454e44ae426082"
    )
).decode()
server = MCPServer("harbour")


@server.tool()
def get_tide(port: str, day: int = 0) -> str:
    """The time of high water."""
    return f"06:1{day} at {port}"


@server.tool()
def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@server.tool()
def draw() -> ImageContent:
    """A picture."""
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]), host="127.0.0.1")
    else:
        server.run()
