"""Sums over cases: cases are the unit, errors count against, and few cases decide nothing."""

import math
from collections.abc import Sequence

import pytest

from modelyard.core import Digest, InvalidInput, Verdict
from modelyard.llm import InvalidSuite
from modelyard.llm.answers import (
    Answer,
    Limit,
    Scored,
    Scorer,
    better_by,
    by_case,
    by_tag,
    judge_differences,
    judge_limits,
    means,
    measures,
    require_limits,
    score,
)
from modelyard.stats import mean_interval, wilson

from .made import DIGEST, answer, asked, suite_of


def scored(
    texts: Sequence[str | None],
    *,
    repeat: int = 1,
    digest: Digest = DIGEST,
    judged: Sequence[bool | str] = (),
    **own: Scorer,
) -> Scored:
    """Cases of which `yes` is right, with an answer each; every one the same `repeat` times."""
    suite = suite_of(
        *({"id": str(at), "question": "?", "expected": "yes", "tags": ["odd"] * (at % 2)} for at in range(len(texts)))
    )
    answers = [answer(str(at), text, turn) for at, text in enumerate(texts) for turn in range(1, repeat + 1)]
    verdicts = {each.item: said for each, said in zip(answers, judged, strict=False)} if judged else None
    return score(suite, digest, asked(*answers), own, verdicts)


def verdict(found: Scored, name: str, value: float, *, least: bool = True, untrusted: str = "") -> Verdict:
    """The verdict on one limit."""
    return judge_limits(found, [Limit(name, value, least)], untrusted).verdict


def test_means_have_the_interval_of_their_kind() -> None:
    """Wilson's of a share, for all of a few is no proof; of other metrics that of the mean, within what is possible."""
    found = means(scored(["yes"] * 10))["exact_match"]
    assert (found.value, found.lower, found.upper) == (1, *(wilson(10, 10) or ()))
    lengths = means(scored(["yes", "yes sir", "no"], words=lambda _, it: len(str(it.text).split())))["words"]
    assert (lengths.lower, lengths.upper) == mean_interval([1, 2, 1])
    f1 = means(scored(["yes", "yes yes no", "no"]))["f1"]
    assert 0 <= (f1.lower or 0) <= f1.value <= (f1.upper or 1) <= 1
    assert means(scored(["yes"]))["f1"].lower is None


def test_repeats_make_no_cases() -> None:
    """The interval of 20 cases asked five times is that of 20 cases; how far repeats lie apart is told beside it."""
    texts = ["yes", "no"] * 10
    once, often = (means(scored(texts, repeat=repeat))["exact_match"] for repeat in (1, 5))
    assert (often.value, often.lower, often.upper, often.cases) == (once.value, once.lower, once.upper, 20)
    assert (once.spread, often.spread) == (None, 0)
    suite = suite_of({"id": "a", "question": "?", "expected": "yes"}, {"id": "b", "question": "?", "expected": "yes"})
    answers = [answer("a", "yes", 1), answer("a", "no", 2), answer("b", "yes", 1), answer("b", "yes", 2)]
    mixed = score(suite, DIGEST, asked(*answers), {})
    assert by_case(mixed)["a"]["exact_match"] == 0.5
    assert means(mixed)["exact_match"].spread == pytest.approx(math.sqrt((0.5 + 0) / 2))


def test_slices_are_the_cases_of_a_tag() -> None:
    """With intervals of their own."""
    found = by_tag(scored(["yes", "no", "yes", "no", "no"]))
    assert set(found) == {"odd"}
    assert (found["odd"]["exact_match"].value, found["odd"]["exact_match"].cases) == (0, 2)


def test_a_limit_is_decided_only_beyond_chance() -> None:
    """By the nearer end of the interval; never below 30 cases, and never by what was not measured."""
    found = scored(["yes"] * 32 + ["no"] * 8)
    assert [verdict(found, "exact_match", limit) for limit in (0.6, 0.8, 0.95)] == ["pass", "inconclusive", "fail"]
    assert [verdict(found, "exact_match", limit, least=False) for limit in (0.95, 0.8, 0.6)] == [
        "pass",
        "inconclusive",
        "fail",
    ]
    assert verdict(scored(["yes"] * 29), "exact_match", 0.1) == Verdict.INCONCLUSIVE
    assert verdict(found, "support", 0) == Verdict.INCONCLUSIVE
    assert "support was not measured" in judge_limits(found, [Limit("support", 0)]).reasons[0]
    assert (
        "exact_match is 0.800 (0.652 to 0.895) on 40 cases"
        in judge_limits(found, [Limit("exact_match", 0.6)]).reasons[0]
    )


def test_answers_that_did_not_come_count_against() -> None:
    """The mean leaves them out; a limit does not, nor does a comparison."""
    found = scored(["yes"] * 25 + [None] * 15)
    assert means(found)["exact_match"].value == 1
    assert verdict(found, "exact_match", 0.8) == Verdict.FAIL
    assert "0.625" in judge_limits(found, [Limit("exact_match", 0.8)]).reasons[0]
    assert verdict(found, "errors", 0.2, least=False) == Verdict.FAIL
    better = better_by(scored(["yes"] * 40), found)
    assert better["exact_match"].value == pytest.approx(15 / 40)
    assert (better["exact_match"].lower or 0) > 0
    assert better["errors"].value == pytest.approx(15 / 40)  # fewer errors are better


def test_what_measures_fails_never_helps() -> None:
    """Nothing passes by the cases that a scorer failed at; without bounds there is no worst to count, and no pass."""
    found = scored(["yes"] * 40, own=lambda case, _: 1 / int(case.id))
    assert means(found)["own"].failed == 1
    assert verdict(found, "own", -5) == Verdict.INCONCLUSIVE
    assert verdict(found, "own", 5) == Verdict.FAIL
    assert verdict(scored(["yes"] * 40, own=lambda case, _: int(case.id)), "own", -5) == Verdict.PASS


def test_verdicts_of_a_judge_decide_only_where_it_is_trusted() -> None:
    """An answer of the judge's that is none counts against passing, and does not fail anybody."""
    texts = [f"yes {at}" for at in range(60)]
    trusted = scored(texts, judged=[True] * 60)
    assert means(trusted)["judge"].value == 1
    assert verdict(trusted, "judge", 0.9) == Verdict.PASS
    told = judge_limits(trusted, [Limit("judge", 0.9)], "nobody labelled anything")
    assert told.verdict == Verdict.INCONCLUSIVE
    assert "the judge decides nothing, for nobody labelled anything" in told.reasons[0]
    unread = scored(texts, judged=[True] * 40 + ["half a JSON"] * 20)
    assert (means(unread)["judge"].value, means(unread)["judge"].cases, means(unread)["judge"].failed) == (1, 40, 20)
    assert verdict(unread, "judge", 0.9) == Verdict.INCONCLUSIVE
    assert verdict(scored(texts, judged=[False] * 60), "judge", 0.5) == Verdict.FAIL


def test_two_are_compared_case_by_case() -> None:
    """Against itself there is no difference; what is lower for the better is turned round; other cases are refused."""
    one, other = scored(["yes"] * 20 + ["no"] * 20), scored(["no"] * 40)
    assert better_by(one, one)["exact_match"].value == 0
    found = better_by(one, other)["exact_match"]
    assert found.value == 0.5
    assert (found.lower, found.upper) == mean_interval([1.0] * 20 + [0.0] * 20)
    assert better_by(other, one)["exact_match"].value == -0.5
    cheap, dear = (priced(cost) for cost in (5, 9))
    assert better_by(cheap, dear)["cost_micros"].value == 4
    with pytest.raises(InvalidSuite, match="same cases"):
        better_by(one, scored(["yes"] * 40, digest=Digest("e" * 64)))


@pytest.mark.parametrize(
    ("ours", "theirs", "bound", "verdict"),
    [
        (["yes"] * 40, ["no"] * 20 + ["yes"] * 20, 0.0, Verdict.PASS),
        (["yes"] * 40, ["yes"] * 40, -0.05, Verdict.PASS),
        (["yes"] * 40, ["yes"] * 40, 0.0, Verdict.FAIL),  # equal is not better
        (["no"] * 20 + ["yes"] * 20, ["yes"] * 40, -0.05, Verdict.FAIL),
        (["no"] * 2 + ["yes"] * 38, ["yes"] * 40, -0.05, Verdict.INCONCLUSIVE),  # chance may be all of it
        (["yes"] * 29, ["no"] * 29, 0.0, Verdict.INCONCLUSIVE),  # too few
        ([None] * 40, ["yes"] * 40, -0.05, Verdict.INCONCLUSIVE),  # of one nothing came
    ],
)
def test_a_difference_decides_by_its_whole_interval(
    ours: list[str | None], theirs: list[str | None], bound: float, verdict: Verdict
) -> None:
    """Above the bound to pass, at it or below to fail; in between, below 30 cases and unmeasured it tells nothing."""
    judged = judge_differences(scored(ours), scored(theirs), {"exact_match": bound})
    assert judged.verdict == verdict
    assert "exact_match" in judged.reasons[0]
    assert judge_differences(scored(ours), scored(theirs), {}).verdict != Verdict.FAIL


def test_a_judge_that_is_not_trusted_makes_a_difference_of_his_inconclusive() -> None:
    """And no other."""
    both = scored(["yes"] * 40), scored(["no"] * 40)
    judged = judge_differences(*both, {"judge": 0.0, "exact_match": 0.0}, "want of labels")
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "the judge decides nothing, for want of labels" in judged.reasons
    assert judge_differences(*both, {"exact_match": 0.0}, "want of labels").verdict is Verdict.PASS


def test_cases_that_only_one_of_the_two_has_are_no_cases() -> None:
    """Of a metric that few cases have, those few are counted, however many the suite has."""
    rare = [{"id": str(at), "question": "?", **({"expected": "yes"} if at < 29 else {})} for at in range(60)]
    suite = suite_of(*rare)
    one, other = (
        score(suite, DIGEST, asked(*(Answer(str(at), 1, "?", said) for at in range(60))), {}) for said in ("yes", "no")
    )
    judged = judge_differences(one, other, {"exact_match": 0.0})
    assert (judged.verdict, "on 29 cases" in judged.reasons[0]) == (Verdict.INCONCLUSIVE, True)


def priced(cost: int) -> Scored:
    """An answer at a cost."""
    suite = suite_of({"id": "a", "question": "?"})
    return score(suite, DIGEST, asked(Answer("a", 1, "?", "yes", cost_micros=cost)), {})


def test_limits_are_on_what_there_is() -> None:
    """In [0, 1] where the metric is; numbers all of them."""
    known = measures(suite_of({"id": "a", "question": "?"}))
    require_limits(
        [*known, "judge", "own"], known, [Limit("f1", 1), Limit("cost_micros", 500, least=False), Limit("own", -3)]
    )
    for wrong in (
        Limit("f2", 1),
        Limit("f1", 1.1),
        Limit("judge", 2),
        Limit("cost_micros", math.nan),
        Limit("f1", math.nan),
    ):
        with pytest.raises(InvalidInput, match="There is no"):
            require_limits([*known, "judge"], known, [wrong])
