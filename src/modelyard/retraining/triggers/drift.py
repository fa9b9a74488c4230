"""Data drift of the newest window of the live version."""

from ..records import Said
from .seen import Seen
from .window import about, nothing_seen


def score(seen: Seen, above: float) -> Said:
    """The data drift score; a window of too few rows to tell of any feature says nothing."""
    if (nothing := nothing_seen(seen, "drift_above")) is not None or seen.window is None:
        return nothing or Said("drift_above", "unknown", "")
    window = seen.window
    told = [each for each in window.features if each.verdict != "inconclusive"]
    evidence = {"drift_score": window.drift_score, "above": above, **about(window)}
    if not told:
        return Said("drift_above", "unknown", "no feature has rows enough to tell of drift", evidence)
    worst = max(told, key=lambda each: each.effect)
    evidence |= {"worst": worst.name, "effect": worst.effect}
    if window.drift_score > above:
        reason = f"data drift score {window.drift_score:.2f} above {above:g}, most in {worst.name}"
        return Said("drift_above", "fires", reason, evidence)
    return Said("drift_above", "calm", f"data drift score {window.drift_score:.2f} is not above {above:g}", evidence)


def features(seen: Seen, at_least: int) -> Said:
    """How many features drifted, by their verdicts."""
    if (nothing := nothing_seen(seen, "drifted_features")) is not None or seen.window is None:
        return nothing or Said("drifted_features", "unknown", "")
    window = seen.window
    drifted, open_ = window.drifted, [each.name for each in window.features if each.verdict == "inconclusive"]
    evidence = {"drifted": list(drifted), "inconclusive": open_, "at_least": at_least, **about(window)}
    if len(drifted) >= at_least:
        reason = f"data drift in {len(drifted)} features: {', '.join(drifted[:4])}"
        return Said("drifted_features", "fires", reason, evidence)
    reason = f"data drift in {len(drifted)} of the {at_least} features it takes"
    state = "unknown" if len(drifted) + len(open_) >= at_least else "calm"
    return Said("drifted_features", state, reason, evidence)  # type: ignore[arg-type]  # one of the two
