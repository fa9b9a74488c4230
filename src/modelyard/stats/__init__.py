"""Statistics on plain arrays: distances, null quantiles, metrics, associations, tests valid under continuous looking.

Owns arithmetic with its sources. Does not own thresholds or verdicts: those are `monitoring`'s and `rollout`'s.
"""

from .association import correlation_ratio, cramers_v, pearson, spearman
from .classification import auc, auc_deviation, binary_metrics
from .curves import Calibration, PrecisionRecallCurve, RocCurve, calibration, precision_recall_curve, roc_curve
from .distances import ks_binned, ks_two_sample, psi, total_variation
from .moments import Moments
from .multiclass import confusion_counts, multiclass_metrics, probability_metrics
from .null import Statistic, null_quantile
from .ranks import mid_ranks
from .regression import regression_metrics
from .sequential import BadEvent, promotion_evidence, rollback_evidence

__all__ = [
    "BadEvent",
    "Calibration",
    "Moments",
    "PrecisionRecallCurve",
    "RocCurve",
    "Statistic",
    "auc",
    "auc_deviation",
    "binary_metrics",
    "calibration",
    "confusion_counts",
    "correlation_ratio",
    "cramers_v",
    "ks_binned",
    "ks_two_sample",
    "mid_ranks",
    "multiclass_metrics",
    "null_quantile",
    "pearson",
    "precision_recall_curve",
    "probability_metrics",
    "promotion_evidence",
    "psi",
    "regression_metrics",
    "roc_curve",
    "rollback_evidence",
    "spearman",
    "total_variation",
]
