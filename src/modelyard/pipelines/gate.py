"""The gate: a candidate must be good enough, and better than the champion on the same rows."""

from collections.abc import Mapping

from modelyard.core import Judgement, Verdict, did_you_mean

from .authoring import Step


def judge(
    metrics: Mapping[str, float],
    minimum: Mapping[str, float],
    champion: Mapping[str, float] | None = None,
    beat_champion_in: str | None = None,
    margin: float = 0.0,
    challenge: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
) -> Judgement:
    """Pass when every metric of `minimum` is reached, none of `maximum` exceeded, and the champion is beaten by more
    than `margin` (may be < 0).

    `challenge`: candidate and champion compared on the same rows, with an interval (see `Services.challenge`). It then
    takes the whole interval of the difference above `margin` to pass, and all of it below to fail: between the two
    the rows cannot tell, which is `inconclusive`, and registers nothing either. Without a champion it asks nothing.
    """
    parts = [_within(metrics, name, "least", floor) for name, floor in minimum.items()]
    parts += [_within(metrics, name, "most", ceiling) for name, ceiling in (maximum or {}).items()]
    if challenge:
        parts.append(_surely_beaten(challenge, beat_champion_in or "the metric", margin))
    elif beat_champion_in is not None and champion:
        parts.append(_beaten(metrics, champion, beat_champion_in, margin))
    return Judgement.all_of(parts)


def _within(metrics: Mapping[str, float], name: str, side: str, limit: float) -> Judgement:
    if name not in metrics:
        reason = f"'{name}' was not measured. {did_you_mean(name, metrics)}"
        return Judgement(Verdict.INCONCLUSIVE, (reason,))
    kept = metrics[name] >= limit if side == "least" else metrics[name] <= limit
    reason = f"{name} {metrics[name]:.4f} (at {side} {limit:g})"
    return Judgement(Verdict.PASS if kept else Verdict.FAIL, (reason,), {name: metrics[name]})


def _beaten(metrics: Mapping[str, float], champion: Mapping[str, float], name: str, margin: float) -> Judgement:
    if name not in metrics or name not in champion:
        return Judgement(Verdict.INCONCLUSIVE, (f"'{name}' is not known of candidate and champion.",))
    verdict = Verdict.PASS if metrics[name] > champion[name] + margin else Verdict.FAIL
    reason = f"{name} {metrics[name]:.4f} against the champion's {champion[name]:.4f}"
    return Judgement(verdict, (reason,), {f"champion_{name}": champion[name]})


def _surely_beaten(challenge: Mapping[str, float], name: str, margin: float) -> Judgement:
    lower, upper = challenge["lower"], challenge["upper"]
    verdict = Verdict.PASS if lower > margin else Verdict.FAIL if upper <= margin else Verdict.INCONCLUSIVE
    reason = (
        f"{name} {challenge['candidate']:.4f} against the champion's {challenge['champion']:.4f} on the same "
        f"{challenge['rows']:.0f} rows: better by {challenge['difference']:+.4f}, surely {lower:+.4f} to {upper:+.4f} "
        f"(above {margin:+g})"
    )
    return Judgement(verdict, (reason,), {"challenge": dict(challenge), "margin": margin})


gate = Step("gate", "gate", judge)
"""`judge` as a step: inside a pipeline a node, elsewhere the function."""
