"""A million prompts: one client, a journal that survives a kill, and a pace that finds its level."""

from .journal import Counts, Journal, read_journal
from .order import BulkRequest
from .result import BulkError, BulkResult
from .run import Bulk, BulkProgress, BulkRun

__all__ = [
    "Bulk",
    "BulkError",
    "BulkProgress",
    "BulkRequest",
    "BulkResult",
    "BulkRun",
    "Counts",
    "Journal",
    "read_journal",
]
