"""Which model is better: trials that assign units to arms, shadows that only watch, and reports one may look at."""

from .logs import JsonlLog, Log, SqliteLog, open_log
from .records import Design, Exposure, Pair, Result, Score
from .report import ArmReport, Comparison, Interval, Report, report_of
from .running import as_unit
from .shadow import Compared, Shadow, ShadowMetrics
from .show import svg, text
from .trial import SyncTrial, Trial

__all__ = [
    "ArmReport",
    "Compared",
    "Comparison",
    "Design",
    "Exposure",
    "Interval",
    "JsonlLog",
    "Log",
    "Pair",
    "Report",
    "Result",
    "Score",
    "Shadow",
    "ShadowMetrics",
    "SqliteLog",
    "SyncTrial",
    "Trial",
    "as_unit",
    "open_log",
    "report_of",
    "svg",
    "text",
]
