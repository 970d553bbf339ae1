"""What people hold: clients, pools of them, and their configuration."""

from .async_client import LLMClient
from .sync_client import SyncLLMClient

__all__ = ["LLMClient", "SyncLLMClient"]
