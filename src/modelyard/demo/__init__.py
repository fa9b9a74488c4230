"""The demonstration: a year of real flights through the whole loop.

Owns the clients, the accelerated year, its summary and report. Does not own any part of the loop: it drives the same
server, monitors, rollouts and retraining that every project has.
"""

from .compare import compare_demo
from .records import Compared, Event, Lived, Month, Summary
from .run import DEFAULT_SHARE, DemoOptions, run_demo

__all__ = [
    "DEFAULT_SHARE",
    "Compared",
    "DemoOptions",
    "Event",
    "Lived",
    "Month",
    "Summary",
    "compare_demo",
    "run_demo",
]
