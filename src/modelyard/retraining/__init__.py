"""Retraining: triggers, the policy, and the loop as a durable state machine.

Owns when a model is retrained and following it to its end. Does not own training (`pipelines`) or rolling out
(`rollout`).
"""

from .loop import Retraining
from .records import Loop, LoopEvent
from .settings import RetrainingSettings

__all__ = ["Loop", "LoopEvent", "Retraining", "RetrainingSettings"]
