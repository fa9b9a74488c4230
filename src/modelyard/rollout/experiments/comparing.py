"""One metric of one treatment against the control: difference, interval, p-value, and what is still lacking."""

from dataclasses import dataclass

from msgspec.structs import replace

from modelyard.stats.experiments import (
    ArmMoments,
    Difference,
    always_valid_p,
    binary_lack,
    boundary,
    confidence_sequence,
    mean_difference,
    mean_lack,
    ratio_difference,
    skew_lack,
    units_to,
)

from .records import Found, Look, Metric
from .tallying import Moments, Tallies, of_arm


@dataclass(frozen=True)
class Pair:
    """A treatment and its control; units of both that are planned; the treatment's share of them, as expected."""

    control: str
    treatment: str
    planned: float
    share: float


def compare(pair: Pair, place: int, metric: Metric, tallies: Tallies, alpha: float) -> Found:
    """As it stands now, and along the way where looks were kept."""
    found = compare_moments(pair, place, metric, tallies.now, alpha)
    looks = [_look(pair, metric, place, *each, alpha) for each in tallies.looks]
    return replace(found, path=tuple(each for each in looks if each is not None))


def compare_moments(pair: Pair, place: int, metric: Metric, moments: Moments, alpha: float) -> Found:
    """By confidence sequence, at one look."""
    one, two = (of_arm(moments, arm, place) for arm in (pair.control, pair.treatment))
    found = difference_of(metric, one, two)
    units, lack = one.count + two.count, lacking(metric, one, two, pair.share, found)
    empty = Found(
        pair.treatment, metric.name, metric.kind or "continuous", metric.role, metric.lower_is_better, units, 0,
        "confidence sequence", lack=lack, state="too few",
    )  # fmt: skip
    if found is None:
        return empty
    parts, planned = (found.difference, found.error, units), pair.planned
    low, high = confidence_sequence(*parts, alpha=alpha, planned=planned)
    return replace(
        empty,
        control_value=found.control,
        treatment_value=found.treatment,
        difference=found.difference,
        relative=found.relative,
        low=low,
        high=high,
        p_value=always_valid_p(*parts, alpha=alpha, planned=planned),
        effect=found.difference,
        kept=found.kept,
        needed=units_to(*parts, alpha=alpha, planned=planned),
        state="too few" if lack else "open",
    )


def difference_of(metric: Metric, one: ArmMoments, two: ArmMoments) -> Difference | None:
    """Of a metric of any kind, adjusted by its covariates; None where the arms are too small for any."""
    return ratio_difference(one, two) if metric.kind == "ratio" else mean_difference(one, two)


def hits_of(arm: ArmMoments) -> int:
    """How many units of a binary metric are 1."""
    return round(arm.means[0] * arm.count) if arm.count else 0


def lacking(metric: Metric, one: ArmMoments, two: ArmMoments, share: float, found: Difference | None) -> int:
    """How many units the smaller arm lacks before it may be judged; of a binary metric, of the rarer outcome."""
    if metric.kind == "binary":
        return max(binary_lack(hits_of(arm), arm.count) for arm in (one, two))
    few = max(mean_lack(arm.count, share) for arm in (one, two))
    return max(few, skew_lack(found.skewness, min(one.count, two.count))) if found is not None else few


def _look(pair: Pair, metric: Metric, place: int, seen: int, at: str, moments: Moments, alpha: float) -> Look | None:
    """None while the metric may not be looked at."""
    one, two = (of_arm(moments, arm, place) for arm in (pair.control, pair.treatment))
    found = difference_of(metric, one, two)
    if found is None or found.error <= 0 or lacking(metric, one, two, pair.share, found):
        return None
    reach = float(boundary(one.count + two.count, alpha=alpha, planned=pair.planned))
    half, middle = found.error * reach, found.difference
    return Look(seen, at, middle, middle - half, middle + half, middle / found.error, reach)
