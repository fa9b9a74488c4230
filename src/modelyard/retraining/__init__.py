"""Retraining: triggers, the policy, and the loop as a durable state machine.

Owns when a model is retrained and following it to its end. Does not own training (`pipelines`) or rolling out
(`rollout`).
"""

from .errors import LoopBusy, LoopMovedOn, NoPolicy
from .loop import Retraining
from .records import Loop, LoopEvent
from .settings import RetrainingSettings

__all__ = ["Loop", "LoopBusy", "LoopEvent", "LoopMovedOn", "NoPolicy", "Retraining", "RetrainingSettings"]
