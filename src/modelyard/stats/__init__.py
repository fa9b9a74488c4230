"""Statistics on plain arrays: distances, null quantiles, metrics, intervals, associations, tests one may watch.

Owns arithmetic with its sources. Does not own thresholds or verdicts: those are `monitoring`'s and `rollout`'s.
"""

from .association import correlation_ratio, cramers_v, pearson, spearman
from .classification import auc, auc_deviation, binary_metrics
from .curves import Calibration, PrecisionRecallCurve, RocCurve, calibration, precision_recall_curve, roc_curve
from .distances import ks_binned, ks_two_sample, psi, total_variation
from .intervals import (
    auc_interval,
    average_precision_interval,
    binary_intervals,
    confusion_intervals,
    f1_interval,
    mean_interval,
    multiclass_intervals,
    r2_interval,
    regression_intervals,
    wilson,
)
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
    "auc_interval",
    "average_precision_interval",
    "binary_intervals",
    "binary_metrics",
    "calibration",
    "confusion_counts",
    "confusion_intervals",
    "correlation_ratio",
    "cramers_v",
    "f1_interval",
    "ks_binned",
    "ks_two_sample",
    "mean_interval",
    "mid_ranks",
    "multiclass_intervals",
    "multiclass_metrics",
    "null_quantile",
    "pearson",
    "precision_recall_curve",
    "probability_metrics",
    "promotion_evidence",
    "psi",
    "r2_interval",
    "regression_intervals",
    "regression_metrics",
    "roc_curve",
    "rollback_evidence",
    "spearman",
    "total_variation",
    "wilson",
]
