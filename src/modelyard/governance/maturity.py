"""How mature a workspace is: a pure function of what is known of it."""

from collections.abc import Iterable, Mapping, Sequence

from modelyard.core import InvalidInput, did_you_mean

from .ladder import LADDER, Capability, Rung
from .records import Evidence, Judged, Level, Maturity, Step

PLACEHOLDERS = ("model", "version", "deployment", "pipeline", "dataset")
"""What a step's text may name; where the workspace has none, the name in capitals stands for it."""


def judge_maturity(
    evidence: Sequence[Evidence], *, project: str, at: str, names: Mapping[str, str] | None = None
) -> Maturity:
    """Judge every capability by the evidence, and the whole by what its levels ask of all of them.

    A capability is on the highest level whose demands, and those below, it meets. The whole is on the highest level of
    which no capability lacks anything. What is declared never counts where use would leave a trace. `names`: the
    workspace's own, for the steps to take; see `PLACEHOLDERS`. InvalidInput for evidence that nothing is judged by.
    """
    _refuse_unknown(evidence)
    told = {each: each.upper() for each in PLACEHOLDERS} | dict(names or {})
    judged = tuple(_capability(each, evidence, told) for each in LADDER if _applies(each, evidence))
    level = _below_the_lowest(step.level for each in judged for step in each.steps)
    return Maturity(project, at, level, _why(level, judged), judged)


def _refuse_unknown(evidence: Sequence[Evidence]) -> None:
    known = {fact for each in LADDER for fact in (*each.facts, each.where) if fact}
    if strange := [each.fact for each in evidence if each.fact not in known]:
        raise InvalidInput(f"Nothing is judged by {strange[0]!r}.", remedy=did_you_mean(strange[0], known))


def _applies(capability: Capability, evidence: Sequence[Evidence]) -> bool:
    return not capability.where or any(each.fact == capability.where and each.count for each in evidence)


def _capability(capability: Capability, evidence: Sequence[Evidence], names: Mapping[str, str]) -> Judged:
    unmet = [each for each in capability.rungs if not _met(each, evidence)]
    level = _own(capability, _below_the_lowest(each.level for each in unmet))
    own = capability.facts | {capability.where}
    shown = tuple(each for each in evidence if each.fact in own and each.count)
    steps = tuple(_step(capability, each, evidence, names) for each in unmet)
    return Judged(capability.name, capability.title, level, shown, steps)


def _below_the_lowest(missing: Iterable[Level]) -> Level:
    """The level of whoever misses something on these."""
    return Level(min((each - 1 for each in missing), default=Level.FULL))


def _own(capability: Capability, at_most: Level) -> Level:
    """The level that a capability shows: nobody is on one that asks nothing of it."""
    if at_most == Level.FULL:
        return at_most
    return max((each.level for each in capability.rungs if each.level <= at_most), default=Level.MANUAL)


def _met(rung: Rung, evidence: Sequence[Evidence]) -> bool:
    return any(_suffices(rung, each) for each in evidence if each.fact == rung.fact)


def _suffices(rung: Rung, found: Evidence) -> bool:
    if found.kind == "declared" and not rung.declared:
        return False
    if rung.every and (not found.of or found.count < found.of):
        return False
    return found.count >= rung.at_least


def _step(capability: Capability, rung: Rung, evidence: Sequence[Evidence], names: Mapping[str, str]) -> Step:
    found = [each for each in evidence if each.fact == rung.fact]
    return Step(rung.level, capability.name, f"{rung.needs}{_so_far(found)}", rung.next.format_map(names))


def _so_far(found: Sequence[Evidence]) -> str:
    """What there is of what is missing."""
    partial = next((each for each in found if each.kind == "observed" and (each.count or each.of)), None)
    if partial is not None:
        return f" ({partial.count} of {partial.of})" if partial.of is not None else f" ({partial.count} so far)"
    if any(each.kind == "declared" and each.of is None and each.count for each in found):
        return " (declared, but there is no trace of its use)"
    partial = next((each for each in found if each.of), None)
    return f" ({partial.count} of {partial.of})" if partial is not None else ""


def _why(level: Level, judged: Sequence[Judged]) -> str:
    if level == Level.FULL:
        return "Every capability has all that the ladder asks for."
    upward = Level(level + 1)
    held = [each.title for each in judged if any(step.level == upward for step in each.steps)]
    return (
        f"Of what level {upward:d} ({upward.title}) asks for, {len(held)} of {len(judged)} capabilities lack "
        f"something: {', '.join(held)}."
    )
