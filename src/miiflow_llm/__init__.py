"""One Python API over every LLM provider, with no vendor SDK underneath."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .bulk import Bulk
    from .caching import Cache, SyncCache
    from .calls.batch_job import BatchJob, SyncBatchJob
    from .calls.metrics import Metrics
    from .calls.prompts import BatchRequest
    from .calls.retry import RetryBudget
    from .calls.streams import ChatStream
    from .calls.sync_streams import SyncChatStream
    from .calls.tool_loop import ToolRun
    from .calls.tool_stream import SyncToolStream, ToolStream
    from .client.async_client import LLMClient
    from .client.env import load_env
    from .client.inline import inline
    from .client.mcp_servers import McpServer, SyncMcpServer
    from .client.normalize import ProviderStreamNormalizer
    from .client.pool import ClientPool, SyncClientPool
    from .client.sync_client import SyncLLMClient
    from .core import (
        Attempt,
        AudioBlock,
        Block,
        ChatResponse,
        Cost,
        DocumentBlock,
        Embeddings,
        ImageBlock,
        Message,
        ModelInfo,
        OpaqueBlock,
        Price,
        RateLimit,
        RawResponse,
        ReasoningBlock,
        StreamChunk,
        StreamContent,
        TextBlock,
        Timeout,
        TokenCount,
        ToolCall,
        ToolCallDelta,
        ToolFinished,
        ToolResult,
        ToolStarted,
    )
    from .core.access_key import AccessKey
    from .core.batches import BatchCounts, BatchResult
    from .core.events import CallEvent
    from .core.exceptions import (
        AuthenticationError,
        BatchCancelledError,
        BatchError,
        BatchExpiredError,
        BudgetExceededError,
        ConfigurationError,
        ContentFilterError,
        ContextLengthError,
        InvalidRequestError,
        MiiflowLLMError,
        ModelNotFoundError,
        NetworkError,
        ParsingError,
        PermissionDeniedError,
        ProviderError,
        QuotaExceededError,
        RateLimitError,
        ServiceUnavailableError,
        StreamInterruptedError,
        StreamProtocolError,
        TimeoutError,
        UnsupportedParameterError,
    )
    from .core.request import Plan
    from .prices.book import Prices
    from .prices.budget import Budget
    from .providers import register
    from .routing.router import Router
    from .routing.sync_router import SyncRouter
    from .routing.target import Target
    from .schema.tools import Tool, tool
    from .tables import Provider
    from .trials import SyncTrial, Trial

__all__ = [
    "AccessKey",
    "Attempt",
    "AudioBlock",
    "AuthenticationError",
    "BatchCancelledError",
    "BatchCounts",
    "BatchError",
    "BatchExpiredError",
    "BatchJob",
    "BatchRequest",
    "BatchResult",
    "Block",
    "Budget",
    "BudgetExceededError",
    "Bulk",
    "Cache",
    "CallEvent",
    "ChatResponse",
    "ChatStream",
    "ClientPool",
    "ConfigurationError",
    "ContentFilterError",
    "ContextLengthError",
    "Cost",
    "DocumentBlock",
    "Embeddings",
    "ImageBlock",
    "InvalidRequestError",
    "LLMClient",
    "McpServer",
    "Message",
    "Metrics",
    "MiiflowLLMError",
    "ModelInfo",
    "ModelNotFoundError",
    "NetworkError",
    "OpaqueBlock",
    "ParsingError",
    "PermissionDeniedError",
    "Plan",
    "Price",
    "Prices",
    "Provider",
    "ProviderError",
    "ProviderStreamNormalizer",
    "QuotaExceededError",
    "RateLimit",
    "RateLimitError",
    "RawResponse",
    "ReasoningBlock",
    "RetryBudget",
    "Router",
    "ServiceUnavailableError",
    "StreamChunk",
    "StreamContent",
    "StreamInterruptedError",
    "StreamProtocolError",
    "SyncBatchJob",
    "SyncCache",
    "SyncChatStream",
    "SyncClientPool",
    "SyncLLMClient",
    "SyncMcpServer",
    "SyncRouter",
    "SyncToolStream",
    "SyncTrial",
    "Target",
    "TextBlock",
    "Timeout",
    "TimeoutError",
    "TokenCount",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolFinished",
    "ToolResult",
    "ToolRun",
    "ToolStarted",
    "ToolStream",
    "Trial",
    "UnsupportedParameterError",
    "__version__",
    "inline",
    "load_env",
    "register",
    "tool",
]

# each name is imported when first used: `import miiflow_llm` alone costs nothing, not even httpx
_NAMES = {
    "bulk": ("Bulk",),
    "caching": ("Cache", "SyncCache"),
    "calls.batch_job": ("BatchJob", "SyncBatchJob"),
    "calls.metrics": ("Metrics",),
    "calls.prompts": ("BatchRequest",),
    "calls.retry": ("RetryBudget",),
    "calls.streams": ("ChatStream",),
    "calls.sync_streams": ("SyncChatStream",),
    "calls.tool_loop": ("ToolRun",),
    "calls.tool_stream": ("SyncToolStream", "ToolStream"),
    "client.async_client": ("LLMClient",),
    "client.env": ("load_env",),
    "client.inline": ("inline",),
    "client.mcp_servers": ("McpServer", "SyncMcpServer"),
    "client.normalize": ("ProviderStreamNormalizer",),
    "client.pool": ("ClientPool", "SyncClientPool"),
    "client.sync_client": ("SyncLLMClient",),
    "core": (
        "Attempt",
        "AudioBlock",
        "Block",
        "ChatResponse",
        "Cost",
        "DocumentBlock",
        "Embeddings",
        "ImageBlock",
        "Message",
        "ModelInfo",
        "OpaqueBlock",
        "Price",
        "RateLimit",
        "RawResponse",
        "ReasoningBlock",
        "StreamChunk",
        "StreamContent",
        "TextBlock",
        "Timeout",
        "TokenCount",
        "ToolCall",
        "ToolCallDelta",
        "ToolFinished",
        "ToolResult",
        "ToolStarted",
    ),
    "core.access_key": ("AccessKey",),
    "core.batches": ("BatchCounts", "BatchResult"),
    "core.events": ("CallEvent",),
    "core.exceptions": (
        "AuthenticationError",
        "BatchCancelledError",
        "BatchError",
        "BatchExpiredError",
        "BudgetExceededError",
        "ConfigurationError",
        "ContentFilterError",
        "ContextLengthError",
        "InvalidRequestError",
        "MiiflowLLMError",
        "ModelNotFoundError",
        "NetworkError",
        "ParsingError",
        "PermissionDeniedError",
        "ProviderError",
        "QuotaExceededError",
        "RateLimitError",
        "ServiceUnavailableError",
        "StreamInterruptedError",
        "StreamProtocolError",
        "TimeoutError",
        "UnsupportedParameterError",
    ),
    "core.request": ("Plan",),
    "prices.book": ("Prices",),
    "prices.budget": ("Budget",),
    "providers": ("register",),
    "routing.router": ("Router",),
    "routing.sync_router": ("SyncRouter",),
    "routing.target": ("Target",),
    "schema.tools": ("Tool", "tool"),
    "tables": ("Provider",),
    "trials": ("SyncTrial", "Trial"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
