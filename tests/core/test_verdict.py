"""Verdicts add up, and no data is never `pass`."""

import pytest

from modelyard.core import Judgement, Verdict

PASS, FAIL, UNSURE = (Judgement(verdict, (verdict.value,)) for verdict in Verdict)


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ((), Verdict.INCONCLUSIVE),
        ((PASS, PASS), Verdict.PASS),
        ((PASS, UNSURE), Verdict.INCONCLUSIVE),
        ((PASS, UNSURE, FAIL), Verdict.FAIL),
    ],
)
def test_parts_add_up(parts: tuple[Judgement, ...], verdict: Verdict) -> None:
    """One failure fails; all passes pass; anything else is inconclusive."""
    whole = Judgement.all_of(parts)
    assert whole.verdict is verdict
    assert whole.reasons == (tuple(part.verdict.value for part in parts) or ("Nothing was checked.",))
