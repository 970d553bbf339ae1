"""A million prompts: one client, a journal that survives a kill, and a pace that finds its level."""

from .batched import BatchRun
from .engines import Answers
from .journal import Counts, Journal, Moment, read_journal
from .order import BulkRequest
from .report import BulkReport, draw, report
from .result import BulkError, BulkResult
from .run import Bulk, BulkProgress, BulkRun

__all__ = [
    "Answers",
    "BatchRun",
    "Bulk",
    "BulkError",
    "BulkProgress",
    "BulkReport",
    "BulkRequest",
    "BulkResult",
    "BulkRun",
    "Counts",
    "Journal",
    "Moment",
    "draw",
    "read_journal",
    "report",
]
