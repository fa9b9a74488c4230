"""Statistics on plain arrays: distances, null quantiles, metrics, intervals, associations, tests one may watch.

Owns arithmetic with its sources. Does not own thresholds or verdicts: those are `monitoring`'s and `rollout`'s.
"""

from .agreement import Kappa, cohen_kappa
from .association import correlation_ratio, cramers_v, pearson, spearman
from .classification import auc, auc_deviation, binary_metrics
from .concept import Adwin, Ddm, Detector, Eddm, Hddm, PageHinkley, Signal
from .contingency import ChiSquare, chi_square_tail, two_sample_chi_square
from .curves import Calibration, PrecisionRecallCurve, RocCurve, calibration, precision_recall_curve, roc_curve
from .distances import jensen_shannon, ks_binned, ks_two_sample, psi, total_variation
from .estimation import Calibrator, Estimate, Reweighted, estimate_binary, estimate_loss, reweighted_mean
from .intervals import (
    at_most,
    auc_interval,
    average_precision_interval,
    binary_intervals,
    confusion_intervals,
    f1_interval,
    mean_interval,
    multiclass_intervals,
    r2_interval,
    regression_intervals,
    share_difference,
    wilson,
)
from .levels import GatheredLevels, NewLevels, gather_levels, new_levels
from .losses import answer_losses
from .moments import Moments
from .multiclass import confusion_counts, multiclass_metrics, probability_metrics
from .multivariate import DomainClassifier, Reconstruction, domain_classifier, pca_reconstruction, rank_scores
from .null import Statistic, null_quantile, upper_quantile
from .paired import PAIRED, PairedDifference, paired_difference
from .quantile_bins import QuantileHistogram, count_between, quantile_edges, wasserstein_of_weights
from .ranks import mid_ranks
from .regression import regression_metrics
from .sequential import BadEvent, PromotionEvidence, RollbackEvidence, promotion_evidence, rollback_evidence
from .share_sequence import rows_to, share_sequence
from .significance import ks_null_quantile, ks_p_value, share_null_quantile
from .sorted_samples import energy_sorted, ks_sorted, quantile_shifts, quantile_sorted, robust_scale, wasserstein_sorted
from .vectors import VectorDistance, centroid_shift, mmd, vector_energy

__all__ = [
    "PAIRED",
    "Adwin",
    "BadEvent",
    "Calibration",
    "Calibrator",
    "ChiSquare",
    "Ddm",
    "Detector",
    "DomainClassifier",
    "Eddm",
    "Estimate",
    "GatheredLevels",
    "Hddm",
    "Kappa",
    "Moments",
    "NewLevels",
    "PageHinkley",
    "PairedDifference",
    "PrecisionRecallCurve",
    "PromotionEvidence",
    "QuantileHistogram",
    "Reconstruction",
    "Reweighted",
    "RocCurve",
    "RollbackEvidence",
    "Signal",
    "Statistic",
    "VectorDistance",
    "answer_losses",
    "at_most",
    "auc",
    "auc_deviation",
    "auc_interval",
    "average_precision_interval",
    "binary_intervals",
    "binary_metrics",
    "calibration",
    "centroid_shift",
    "chi_square_tail",
    "cohen_kappa",
    "confusion_counts",
    "confusion_intervals",
    "correlation_ratio",
    "count_between",
    "cramers_v",
    "domain_classifier",
    "energy_sorted",
    "estimate_binary",
    "estimate_loss",
    "f1_interval",
    "gather_levels",
    "jensen_shannon",
    "ks_binned",
    "ks_null_quantile",
    "ks_p_value",
    "ks_sorted",
    "ks_two_sample",
    "mean_interval",
    "mid_ranks",
    "mmd",
    "multiclass_intervals",
    "multiclass_metrics",
    "new_levels",
    "null_quantile",
    "paired_difference",
    "pca_reconstruction",
    "pearson",
    "precision_recall_curve",
    "probability_metrics",
    "promotion_evidence",
    "psi",
    "quantile_edges",
    "quantile_shifts",
    "quantile_sorted",
    "r2_interval",
    "rank_scores",
    "regression_intervals",
    "regression_metrics",
    "reweighted_mean",
    "robust_scale",
    "roc_curve",
    "rollback_evidence",
    "rows_to",
    "share_difference",
    "share_null_quantile",
    "share_sequence",
    "spearman",
    "total_variation",
    "two_sample_chi_square",
    "upper_quantile",
    "vector_energy",
    "wasserstein_of_weights",
    "wasserstein_sorted",
    "wilson",
]
