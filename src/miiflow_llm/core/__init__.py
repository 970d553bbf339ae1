"""The vocabulary: plain structs and exceptions. It imports nothing of ours from above."""

from .messages import (
    AudioBlock,
    Block,
    DocumentBlock,
    ImageBlock,
    Message,
    OpaqueBlock,
    ReasoningBlock,
    TextBlock,
    ToolCall,
    ToolResult,
)
from .price import Cost, Price
from .response import (
    Attempt,
    ChatResponse,
    Embeddings,
    ModelInfo,
    RateLimit,
    RawResponse,
    StreamChunk,
    StreamContent,
    ToolCallDelta,
)
from .timeout import Timeout
from .tool_events import ToolFinished, ToolStarted
from .usage import TokenCount

__all__ = [
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
]
