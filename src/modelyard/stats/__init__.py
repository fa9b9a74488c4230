"""Statistics on plain arrays: distances, null quantiles, metrics, and tests valid under continuous looking.

Owns arithmetic with its sources. Does not own thresholds or verdicts: those are `monitoring`'s and `rollout`'s.
"""

from .classification import auc, auc_deviation, binary_metrics
from .distances import ks_binned, ks_two_sample, psi, total_variation
from .null import Statistic, null_quantile
from .sequential import BadEvent, promotion_evidence, rollback_evidence

__all__ = [
    "BadEvent",
    "Statistic",
    "auc",
    "auc_deviation",
    "binary_metrics",
    "ks_binned",
    "ks_two_sample",
    "null_quantile",
    "promotion_evidence",
    "psi",
    "rollback_evidence",
    "total_variation",
]
