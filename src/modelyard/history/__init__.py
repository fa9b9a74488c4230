"""History: reading the prediction log over time, sealing it, and joining ground truth.

Owns the log as tables. Does not own writing it (`journal`) or judging it (`monitoring`, `rollout`).
"""

from .log import LogStats, PredictionLog
from .sealing import Sealed
from .tables import feature_columns

__all__ = ["LogStats", "PredictionLog", "Sealed", "feature_columns"]
