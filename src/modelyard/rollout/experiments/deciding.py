"""From comparisons to a verdict. No data is never `pass`, and what cannot be believed is never one either."""

from collections.abc import Sequence

from msgspec.structs import replace

from modelyard.stats.experiments import benjamini_hochberg, holm

from .records import Correction, Found, Judged, Question, Shares, State

MOST_MIXED = 0.01
"""Of units in two arms: more cannot be passed over."""

_NEUTRAL = {"odds ratio": 1.0, "chance of superiority": 0.5}


def adjusted(found: Sequence[Found], correction: Correction) -> list[Found]:
    """With p-values adjusted for how many metrics are compared; guardrails, which have their own share, as they are."""
    tested = [at for at, each in enumerate(found) if each.role == "metric" and each.p_value is not None]
    by = holm if correction == "holm" else benjamini_hochberg
    levels: Sequence[float] = by([found[at].p_value or 0.0 for at in tested]).tolist() if tested else []
    new = dict(zip(tested, levels, strict=True))
    return [replace(each, p_adjusted=float(new[at])) if at in new else each for at, each in enumerate(found)]


def settled(found: Found, asked: Question) -> Found:
    """With what it means: better or worse, safe or harmed, open, or too few units."""
    if found.state == "too few":
        return found
    state = _guarded(found, asked.margin) if found.role == "guardrail" else _told(found, asked.alpha)
    return replace(found, state=state)


def _told(found: Found, alpha: float) -> State:
    if found.p_adjusted is None or found.effect is None or found.p_adjusted > alpha:
        return "open"
    rose = found.effect > _NEUTRAL.get(found.measure, 0.0)
    return "better" if rose is not found.lower_is_better else "worse"


def _guarded(found: Found, margin: float) -> State:
    """Harmed: even the interval's best end is a worsening beyond the margin. Safe: not even its worst end is one."""
    if found.low is None or found.high is None or found.control_value is None:
        return "open"
    bound = margin * abs(found.control_value)
    worst, best = (-found.high, -found.low) if found.lower_is_better else (found.low, found.high)
    if best < -bound:
        return "harmed"
    return "safe" if worst >= -bound else "open"


def judge(
    treatment: str, found: Sequence[Found], asked: Question, spoiled: Sequence[str], planned: int, units: int
) -> Judged:
    """What is concluded of one treatment. `spoiled`: why nothing of this experiment can be believed."""
    mine = [each for each in found if each.treatment == treatment]
    if spoiled:
        return Judged(treatment, "inconclusive", tuple(spoiled))
    if asked.fixed is not None and units < planned:
        reason = f"{planned} units are planned and {units} are there: this test is looked at once, at the end."
        return Judged(treatment, "inconclusive", (reason,))
    bad = [each for each in mine if each.state in ("worse", "harmed")]
    if bad:
        return Judged(treatment, "fail", tuple(map(_said, bad)))
    good = [each for each in mine if each.state == "better"]
    unsure = [each for each in mine if each.role == "guardrail" and each.state != "safe"]
    if good and not unsure:
        return Judged(treatment, "pass", tuple(map(_said, good)))
    waiting = unsure or [each for each in mine if each.role == "metric"]
    return Judged(treatment, "inconclusive", tuple(map(_said, [*good, *waiting])) or ("Nothing was compared.",))


def overall(judged: Sequence[Judged], spoiled: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Pass when any treatment passes, fail when all fail."""
    verdicts = {each.verdict for each in judged}
    reasons = [f"{each.treatment}: {reason}" for each in judged for reason in each.reasons]
    if spoiled or not judged:
        return "inconclusive", tuple(spoiled) or ("There are no two arms to compare.",)
    if "pass" in verdicts:
        return "pass", tuple(reasons)
    return ("fail" if verdicts == {"fail"} else "inconclusive"), tuple(reasons)


def spoiling(shares: Shares | None, mixed: int, units: int) -> list[str]:
    """Why the arms cannot be compared, whatever their metrics say."""
    found = []
    if shares is not None and shares.mismatch:
        found.append(
            "The arms have not the shares of units that they should (sample-ratio mismatch, e-value "
            f"{shares.e_value:.3g}): something chose between units after they were assigned. Find it before you "
            "believe any difference."
        )
    if mixed > MOST_MIXED * (units + mixed):
        found.append(f"{mixed} of {units + mixed} units have rows in two arms: they were not assigned by unit.")
    return found


def _said(found: Found) -> str:
    """A sentence about one comparison."""
    name = f"{found.metric} ({found.role})" if found.role == "guardrail" else found.metric
    if found.state == "too few":
        if found.control_value is None:
            return f"{name} has too few units to compare: {found.units}."
        what = "units of the rarer outcome" if found.kind == "binary" else "units"
        return f"{name} needs {found.lack} more {what} in an arm before it may be judged."
    size = "" if found.relative is None or found.measure in _NEUTRAL else f" ({found.relative:+.1%})"
    ends = "" if found.low is None or found.high is None else f", interval {found.low:.4g} to {found.high:.4g}"
    figure = f"{found.measure} {found.effect:.4g}{size}{ends}"
    if found.state != "open":
        return f"{name} is {found.state}: {figure}."
    more = ""
    if found.role == "metric":
        more = " No number of units would tell." if found.needed is None else (
            f" About {found.needed} more units would tell, if it stays so." if found.needed else ""
        )  # fmt: skip
    return f"{name} is open: {figure}.{more}"
