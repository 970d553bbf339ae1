"""To the browser: streams as SSE or NDJSON, and a chat service over ASGI, with a page and a JavaScript reader.

`miiflow_llm.web.fastapi` and `miiflow_llm.web.django` put the same service into those frameworks; nothing here needs
one of them.
"""

from .asgi import ChatApp, create_app
from .body import Limits
from .relay import Relay, to_ndjson, to_sse
from .safe_errors import Rejected, SafeError, safe_error
from .service import Authorize, Caller, ChatService

__all__ = [
    "Authorize",
    "Caller",
    "ChatApp",
    "ChatService",
    "Limits",
    "Rejected",
    "Relay",
    "SafeError",
    "create_app",
    "safe_error",
    "to_ndjson",
    "to_sse",
]
