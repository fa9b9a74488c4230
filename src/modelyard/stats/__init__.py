"""Statistics on plain arrays: distances, null quantiles, metrics, associations, tests valid under continuous looking.

Owns arithmetic with its sources. Does not own thresholds or verdicts: those are `monitoring`'s and `rollout`'s.
"""

from .association import correlation_ratio, cramers_v, pearson, spearman
from .classification import auc, auc_deviation, binary_metrics
from .distances import ks_binned, ks_two_sample, psi, total_variation
from .moments import Moments
from .null import Statistic, null_quantile
from .ranks import mid_ranks
from .sequential import BadEvent, promotion_evidence, rollback_evidence

__all__ = [
    "BadEvent",
    "Moments",
    "Statistic",
    "auc",
    "auc_deviation",
    "binary_metrics",
    "correlation_ratio",
    "cramers_v",
    "ks_binned",
    "ks_two_sample",
    "mid_ranks",
    "null_quantile",
    "pearson",
    "promotion_evidence",
    "psi",
    "rollback_evidence",
    "spearman",
    "total_variation",
]
