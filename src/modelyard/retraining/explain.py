"""Why a loop would act, or why it does not, in one sentence; the evidence stands beside it."""

from collections.abc import Sequence

from .records import Explanation, Hold, Loop, Said


def explained(
    loop: Loop, said: Said | None, holds: Sequence[Hold], *, now: str, waits_for: str, manual: bool
) -> Explanation:
    """The explanation at an instant. `waits_for`: what a cycle under way waits for; `manual`: nothing is declared."""
    acts, summary = _sentence(loop, said, holds, now, waits_for, manual=manual)
    return Explanation(loop.model, now, loop.state, acts, summary, said, tuple(holds), loop)


def _sentence(
    loop: Loop, said: Said | None, holds: Sequence[Hold], now: str, waits_for: str, *, manual: bool
) -> tuple[bool, str]:
    if loop.state != "idle":
        waits = f", {waits_for}" if waits_for else ""
        acts = loop.state in ("triggered", "gated", "registered") or (loop.state == "training" and now >= loop.retry_at)
        return acts, f"A cycle is under way since {loop.started_at}: {loop.reason} (now: {loop.state}{waits})."
    if manual or said is None:
        return False, "Only people begin cycles: the policy declares no trigger."
    if said.state != "fires":
        return False, "Nothing calls for retraining."
    held = [each for each in holds if each.holds]
    if not held:
        return True, f"It will retrain: {said.reason}."
    until = max(each.until for each in held)
    why = " and ".join(each.reason for each in held)
    return False, f"It would retrain ({said.reason}), but waits until {until}: {why}."
