"""The demonstrations: a year of real flights through the whole loop, and our own pages answering questions (`manual`).

Owns the clients, the accelerated year, the questions, summaries and reports. Does not own any part of the loop: it
drives the same server, monitors, rollouts and retraining that every project has.
"""

from .compare import compare_demo
from .manual import ManualOptions, ManualSummary, read_questions, run_manual
from .records import Compared, Event, Lived, Month, Summary
from .run import DEFAULT_SHARE, DemoOptions, run_demo

__all__ = [
    "DEFAULT_SHARE",
    "Compared",
    "DemoOptions",
    "Event",
    "Lived",
    "ManualOptions",
    "ManualSummary",
    "Month",
    "Summary",
    "compare_demo",
    "read_questions",
    "run_demo",
    "run_manual",
]
