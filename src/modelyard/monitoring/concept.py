"""Concept drift: has the rate of mistakes changed, told by the losses of labelled answers in their order?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelyard.core import Micros, from_micros
from modelyard.stats import Adwin, Ddm, Detector, Eddm, Hddm, PageHinkley, Signal

from .records import ConceptDrift, DetectorName, Judged
from .sample import WindowSample

_DETECTORS: Mapping[str, type[Detector]] = {
    "adwin": Adwin,
    "ddm": Ddm,
    "eddm": Eddm,
    "hddm": Hddm,
    "page_hinkley": PageHinkley,
}
_OF_SHARES = frozenset({"ddm", "eddm"})
_LEAST = 100
_WORSE = 0.05  # as much worse a metric is tolerated below its baseline

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Change:
    """The mean loss before and after an instant."""

    before: float
    after: float
    at: str


def concept_drift(
    task: str, earlier: Sequence[WindowSample], now: WindowSample | None, detectors: Sequence[DetectorName]
) -> tuple[ConceptDrift, ...]:
    """What each detector says of the labelled answers of a window, after those of the windows before, newest first.

    Only a change that was seen within this window counts. It fails when the mean loss rose by more than .05 at the cut
    that parts the answers best, of regression by 5% of what it was; a smaller change, and a fall, are told and pass.
    Losses of regression are taken as shares of the greatest but one in a hundred of those before; detectors that read
    0 and 1 are told which are among the greatest tenth. Inconclusive below 100 labels.
    """
    if now is None or not detectors:
        return ()
    parts = [*reversed(earlier), now]
    losses, times = np.concatenate([each.losses for each in parts]), np.concatenate([each.instants for each in parts])
    known = np.flatnonzero(~np.isnan(losses))
    first = int(np.searchsorted(known, len(losses) - len(now.losses)))
    if len(known) - first < _LEAST:
        reason = f"only {len(known) - first} labels are known"
        return tuple(ConceptDrift(each, "inconclusive", reason, len(known)) for each in detectors)
    stream = losses[known]
    base = stream[: first or len(stream)]
    cut = _cut(stream)
    at = from_micros(Micros(int(times[known[cut]]))).isoformat()
    before, after = float(stream[:cut].mean()), float(stream[cut:].mean())
    change = _Change(before, after, at)
    return tuple(
        _told(each, task, change, len(stream))
        if _sees(_DETECTORS[each](), _as_read(each, task, stream, base), first)
        else ConceptDrift(each, "pass", f"no change in {len(stream)} labelled answers", len(stream))
        for each in detectors
    )


def _told(name: DetectorName, task: str, change: _Change, rows: int) -> ConceptDrift:
    worse = change.after - change.before
    if task == "regression":
        worse /= max(change.before, 1e-12)
    verdict: Judged = "fail" if worse > _WORSE else "pass"
    reason = f"mean loss {change.before:.3g} → {change.after:.3g} about {change.at[:16].replace('T', ' ')}"
    return ConceptDrift(name, verdict, reason, rows, change.at, change.before, change.after)


def _cut(losses: Floats) -> int:
    """Where to part losses (n,) so that the means of both parts differ most, by the squares they explain."""
    n = len(losses)
    sums = np.cumsum(losses)[:-1]
    sizes = np.arange(1, n)
    gain = (sums - sizes * losses.mean()) ** 2 / (sizes * (n - sizes))
    return int(np.argmax(gain)) + 1


def _sees(detector: Detector, losses: Floats, first: int) -> bool:
    """Whether a detector that reads everything finds a change from `first` on."""
    signals = [detector.update(each) for each in losses.tolist()]
    return Signal.DRIFT in signals[first:]


def _as_read(name: str, task: str, losses: Floats, base: Floats) -> Floats:
    """Losses as a detector takes them: within [0, 1], or 0 and 1."""
    if task != "regression":
        return losses
    if name in _OF_SHARES:
        return (losses > np.quantile(base, 0.9)).astype(np.float64)
    greatest = float(np.quantile(base, 0.99))
    return np.minimum(losses / greatest, 1.0) if greatest > 0 else (losses > 0).astype(np.float64)


def changed_concept(found: Sequence[ConceptDrift]) -> list[str]:
    """What to say of the detectors that saw mistakes rise."""
    return [f"concept drift ({each.detector}): {each.reason}" for each in found if each.verdict == "fail"]
