"""Running pipelines: which step is next, in which process, from the cache or anew, and what became of it.

Owns orders, cache keys, records of runs and steps, and the loop that moves a run on. Does not own processes
(`execution`) or the forms of what steps hand on (`artifacts`).
"""

from .begun import newest_runs
from .cleaning import Cleaned, Cleaning
from .engine import Engine
from .here import run_pipeline
from .lease import worker_of
from .observer import InBackground, Observer
from .place import Place, pictures_of
from .records import PipelineRun, RunState, StepRecord, StepState, find_run, last_read, list_runs
from .secrets import Masked
from .selection import Selection
from .step import run_step
from .task import seeded
from .why import Why, explain

__all__ = [
    "Cleaned",
    "Cleaning",
    "Engine",
    "InBackground",
    "Masked",
    "Observer",
    "PipelineRun",
    "Place",
    "RunState",
    "Selection",
    "StepRecord",
    "StepState",
    "Why",
    "explain",
    "find_run",
    "last_read",
    "list_runs",
    "newest_runs",
    "pictures_of",
    "run_pipeline",
    "run_step",
    "seeded",
    "worker_of",
]
