"""The policy: what may keep an automatic cycle back although a trigger fires.

Owns cooldown, budget and quiet hours. A cycle that a person begins is kept back by none of them, but counts.
"""

from .holds import holds
from .settings import Budget, QuietHours, Retry, TrainingWindow

__all__ = ["Budget", "QuietHours", "Retry", "TrainingWindow", "holds"]
