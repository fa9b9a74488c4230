"""Retraining: triggers, the policy, and the loop as a durable state machine.

Owns when a model is retrained and following it to its end. Does not own training (`pipelines`) or rolling out
(`rollout`).
"""

from .errors import LoopBusy, LoopMovedOn, NoPolicy, NoTrigger
from .loop import Retraining
from .machine import AFTER, ENDS
from .policy import Budget, QuietHours, Retry, TrainingWindow
from .records import Explanation, Hold, Loop, LoopEvent, Said, State
from .settings import JudgeSettings, ReindexSettings, RetrainingSettings
from .triggers import ChangedSources, Condition, Documents, RowsSince, Seen, judge

__all__ = [
    "AFTER",
    "ENDS",
    "Budget",
    "ChangedSources",
    "Condition",
    "Documents",
    "Explanation",
    "Hold",
    "JudgeSettings",
    "Loop",
    "LoopBusy",
    "LoopEvent",
    "LoopMovedOn",
    "NoPolicy",
    "NoTrigger",
    "QuietHours",
    "ReindexSettings",
    "Retraining",
    "RetrainingSettings",
    "Retry",
    "RowsSince",
    "Said",
    "Seen",
    "State",
    "TrainingWindow",
    "judge",
]
