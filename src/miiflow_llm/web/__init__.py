"""To the browser: streams as SSE or NDJSON, and a chat service over ASGI, with a page and a JavaScript reader.

`miiflow_llm.web.fastapi` and `miiflow_llm.web.django` put the same service into those frameworks; nothing here needs
one of them.
"""

from .asgi import ChatApp, create_app
from .body import Limits
from .relay import Relay, to_ndjson, to_sse, to_ui_stream
from .safe_errors import Rejected, SafeError, safe_error
from .service import Authorize, ChatService, ServiceSettings
from .turns import Caller, Turn
from .ui_frames import UI_HEADERS
from .ui_messages import from_ui_messages

__all__ = [
    "UI_HEADERS",
    "Authorize",
    "Caller",
    "ChatApp",
    "ChatService",
    "Limits",
    "Rejected",
    "Relay",
    "SafeError",
    "ServiceSettings",
    "Turn",
    "create_app",
    "from_ui_messages",
    "safe_error",
    "to_ndjson",
    "to_sse",
    "to_ui_stream",
]
