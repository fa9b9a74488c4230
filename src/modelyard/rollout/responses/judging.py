"""From measured shares to a verdict, in words. No pair is never agreement."""

from collections.abc import Sequence

from .pairing import Pairs
from .records import Measured, State, Verdict

_SAID = {
    "disagreement": "pairs answer otherwise",
    "errors": "copies failed",
    "slow": "pairs missed the latency objective at the shadow alone",
}


def verdict_of(low: float, high: float, bound: float) -> State:
    """Where an interval lies beside its bound."""
    if low > bound:
        return "beyond"
    return "within" if high <= bound else "open"


def judged(measured: Sequence[Measured]) -> tuple[Verdict, tuple[str, ...]]:
    """Differs when a bound is broken, agrees when all are kept, else inconclusive, as it is without pairs; and why."""
    bound = [each for each in measured if each.bound is not None]
    reasons = tuple(map(_reason, bound))
    states = {each.state for each in bound}
    if "beyond" in states:
        return "differs", tuple(_reason(each) for each in bound if each.state == "beyond")
    return ("agrees" if states == {"within"} else "inconclusive"), reasons


def _reason(each: Measured) -> str:
    share = "" if each.share is None else f" ({each.share:.3%}, interval {each.low:.3%} to {each.high:.3%})"
    figure = f"{each.count} of {each.pairs} {_SAID[each.name]}{share}"
    if each.state == "within":
        return f"{each.name} is within {each.bound:.3g}: {figure}."
    if each.state == "beyond":
        return f"{each.name} is beyond {each.bound:.3g}: {figure}."
    more = "no number of pairs would tell" if each.needed is None else f"about {each.needed} more pairs would tell"
    return f"{each.name} is open against {each.bound:.3g}: {figure}; {more}, if it stays so."


def no_pairs(pairs: Pairs, arm: str) -> str:
    """Why there is nothing to judge."""
    query = "SELECT DISTINCT arm FROM kept WHERE role = 'shadow' ORDER BY 1 LIMIT 10"
    others = [name for (name,) in pairs.rows(query)]
    if pairs.unpaired_shadow:
        return f"Of the {pairs.unpaired_shadow} copies of arm '{arm}' none has its answer in this part of the log."
    known = f" Shadows there: {', '.join(others)}." if others else ""
    return f"There is no pair: nothing was copied to an arm '{arm}' in this part of the log.{known}"
