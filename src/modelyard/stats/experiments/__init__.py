"""Comparing arms: tests that one may watch, tests of a fixed horizon, planning, adjustment, and shares of units.

Owns arithmetic with its sources. Does not own verdicts: those are `rollout`'s. The e-processes on bad events are in
`modelyard.stats.sequential`.
"""

from .comparison import Comparison
from .confidence import (
    PLANNED,
    RARER,
    SKEWED,
    VALUES,
    VALUES_UNEVEN,
    always_valid_p,
    binary_lack,
    boundary,
    confidence_sequence,
    mean_lack,
    mixing_rate,
    skew_lack,
    units_to,
)
from .corrections import benjamini_hochberg, holm
from .differences import Difference, mean_difference, ratio_difference, skewness_of_difference
from .means import mann_whitney, student, t_comparison, welch, z_comparison
from .moments import ArmMoments
from .power import power_of_means, power_of_sequence, power_of_shares, units_for
from .shares import MISMATCH_AT, ShareEvidence, share_evidence
from .tables import chi_square, fisher, g_test, newcombe, two_proportion_z

__all__ = [
    "MISMATCH_AT",
    "PLANNED",
    "RARER",
    "SKEWED",
    "VALUES",
    "VALUES_UNEVEN",
    "ArmMoments",
    "Comparison",
    "Difference",
    "ShareEvidence",
    "always_valid_p",
    "benjamini_hochberg",
    "binary_lack",
    "boundary",
    "chi_square",
    "confidence_sequence",
    "fisher",
    "g_test",
    "holm",
    "mann_whitney",
    "mean_difference",
    "mean_lack",
    "mixing_rate",
    "newcombe",
    "power_of_means",
    "power_of_sequence",
    "power_of_shares",
    "ratio_difference",
    "share_evidence",
    "skew_lack",
    "skewness_of_difference",
    "student",
    "t_comparison",
    "two_proportion_z",
    "units_for",
    "units_to",
    "welch",
    "z_comparison",
]
