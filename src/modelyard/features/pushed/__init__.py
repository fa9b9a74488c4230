"""Pushed rows, kept for good: the log that the offline join reads, and which messages have come to it."""

from .compacting import Compacted
from .files import MESSAGE, PUSHED_AT
from .log import PushLog

__all__ = ["MESSAGE", "PUSHED_AT", "Compacted", "PushLog"]
