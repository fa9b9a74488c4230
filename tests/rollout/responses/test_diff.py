"""A shadow's answers beside those that were given: pairs, shares, deltas, segments, examples, the verdict, the page."""

import pyarrow as pa
import pytest

from modelyard.core import InvalidInput
from modelyard.rollout.responses import ResponseBounds, ResponseDiff, diff_responses, response_page

from .shadowed import embedded, shadowed, spoken

SCORES = pa.list_(pa.float64())


def diffed(*tables: pa.Table, arm: str = "shadow", **bounds: object) -> ResponseDiff:
    """The diff of these records."""
    whole = pa.concat_tables(tables)
    reader = pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=1000))
    return diff_responses(reader, ResponseBounds.model_validate(bounds), deployment="d", arm=arm)


def state(diff: ResponseDiff, name: str) -> str:
    """Where a measured share lies."""
    return next(each.state for each in diff.measured if each.name == name)


def test_a_shadow_that_answers_the_same_agrees_once_there_are_enough_pairs() -> None:
    """Two thousand equal pairs are well below one in a hundred; the versions and counts are told."""
    diff = diffed(shadowed(2000))
    assert (diff.verdict, diff.pairs, diff.live_version, diff.shadow_version) == ("agrees", 2000, "1", "2")
    assert diff.measured[0].high < 0.01
    assert diff.deltas.quantiles["min"] == diff.deltas.quantiles["max"] == 0


def test_few_pairs_are_inconclusive_and_say_how_many_more_would_tell() -> None:
    """With so many more pairs of the same kind the verdict falls, and with fewer it does not."""
    diff = diffed(shadowed(200))
    needed = max(each.needed or 0 for each in diff.measured)
    assert diff.verdict == "inconclusive"
    assert f"{needed} more pairs" in " ".join(diff.reasons)
    assert diffed(shadowed(200 + needed)).verdict == "agrees"
    assert diffed(shadowed(200 + needed - 50)).verdict == "inconclusive"


def test_a_shadow_that_answers_otherwise_too_often_differs() -> None:
    """Eighty of a thousand against one in a hundred; the examples are pairs that really disagree, worst first."""
    diff = diffed(shadowed(1000, flipped=80))
    assert (diff.verdict, state(diff, "disagreement"), state(diff, "errors")) == ("differs", "beyond", "within")
    assert diff.measured[0].count == 80
    sizes = [abs(each.delta or 0) for each in diff.examples]
    assert sizes == sorted(sizes, reverse=True)
    assert len(diff.examples) == 10
    assert all(each.live != each.shadow for each in diff.examples)


def test_failures_of_the_shadow_are_no_disagreement_and_have_their_own_bound() -> None:
    """A shadow that fails at a tenth differs by its errors, and what it did answer agrees."""
    diff = diffed(shadowed(2000, failed=200))
    assert (diff.verdict, state(diff, "disagreement"), state(diff, "errors")) == ("differs", "within", "beyond")
    assert diff.errors == {"model": 200}
    assert diff.measured[0].pairs == 1800


def test_answers_without_a_copy_and_pairs_of_another_version_are_counted_and_left_out() -> None:
    """The newest shadow version is judged: an older one was another question."""
    diff = diffed(shadowed(300, flipped=300, version="9"), shadowed(900, first=5000, uncopied=70))
    assert (diff.shadow_version, diff.pairs, diff.left_out, diff.unpaired_live) == ("2", 900, 300, 70)
    assert diff.measured[0].count == 0


def test_values_disagree_when_they_are_further_apart_than_declared() -> None:
    """A model of values is told from its answers: by 1% of the value, or by what is declared."""
    near = diffed(shadowed(1500, values=True, shift=0.0004))
    assert (near.kind, near.verdict, near.measured[0].count) == ("values", "agrees", 0)
    assert diffed(shadowed(1500, values=True, shift=0.0004), score_delta=0.0001).measured[0].count == 1500
    assert diffed(shadowed(1500, values=True, shift=0.2), score_delta=0.3).measured[0].count == 0


def test_vectors_disagree_by_their_cosine() -> None:
    """Below .99 or what is declared; the deltas say how far, and never is a vector taken for its mere being there."""
    near = diffed(embedded(900))
    assert (near.kind, near.verdict, near.measured[0].count) == ("vectors", "agrees", 0)
    assert near.deltas.quantiles["p50"] == pytest.approx(-0.0001)
    assert diffed(embedded(900), score_delta=0.00005).measured[0].count == 900
    far = diffed(embedded(900, turned=90))
    assert (far.verdict, far.measured[0].count) == ("differs", 90)
    assert [(each.live_score, each.shadow_score) for each in far.examples] == [(1.0, 0.9)] * 10
    assert diffed(embedded(900, turned=90), score_delta=0.2).measured[0].count == 0
    assert "least cosine" in response_page(far)


def test_vectors_of_another_dimension_disagree() -> None:
    """Nothing says how far they are, and whatever is declared they are no answer in the place of the other."""
    diff = diffed(embedded(900, reshaped=900), score_delta=5.0)
    assert (diff.kind, diff.verdict, diff.measured[0].count) == ("vectors", "differs", 900)
    assert diff.deltas.quantiles == {}
    response_page(diff)


def test_texts_disagree_when_they_end_otherwise() -> None:
    """Words that differ are what a prompt is changed for; abstaining, or being cut, where the other is not, is told."""
    same = diffed(spoken(900))
    assert (same.kind, same.verdict, same.measured[0].count) == ("texts", "agrees", 0)
    assert diffed(spoken(900), score_delta=0.01).measured[0].count == 0
    other = diffed(spoken(900, abstaining=60, cut=30))
    assert (other.verdict, other.measured[0].count) == ("differs", 90)
    assert {(each.live, each.shadow) for each in other.examples} == {("stop", "abstained")}
    assert "end otherwise" in response_page(other)


def test_classes_without_scores_are_compared_by_themselves() -> None:
    """A model that gives no scores is another answer only where its class is."""
    table = shadowed(900, flipped=40)
    bare = table.set_column(table.schema.get_field_index("scores"), "scores", pa.array([[]] * len(table), SCORES))
    diff = diffed(bare)
    assert (diff.kind, diff.measured[0].count) == ("classes", 40)


def test_scores_further_apart_than_declared_disagree_though_the_class_is_the_same() -> None:
    """Classes alone agree; with a bound on scores every pair that is shifted beyond it does not."""
    assert diffed(shadowed(900, shift=0.04)).measured[0].count == 0
    assert diffed(shadowed(900, shift=0.04), score_delta=0.01).measured[0].count == 900


def test_quantiles_of_deltas_are_exact() -> None:
    """Of the flipped ones the largest delta is the extreme quantile, by nearest rank."""
    table = shadowed(400, flipped=400)
    scores = [each["scores"][0] for each in table.to_pylist() if each["arm"] == "live"]
    wanted = sorted(1 - 2 * score for score in scores)
    quantiles = diffed(table).deltas.quantiles
    assert quantiles["min"] == pytest.approx(wanted[0])
    assert quantiles["p25"] == pytest.approx(wanted[99])
    assert quantiles["p95"] == pytest.approx(wanted[379])
    assert quantiles["max"] == pytest.approx(wanted[-1])


def test_segments_show_where_answers_differ() -> None:
    """Levels of text stand by themselves, numbers of many values by quarters; every pair is in one of each."""
    table = shadowed(2000, flipped=300)
    diff = diffed(table, segments=["country", "amount"])
    of = {name: [each for each in diff.levels if each.column == name] for name in ("country", "amount")}
    assert sum(each.pairs for each in of["country"]) == sum(each.pairs for each in of["amount"]) == 2000
    assert {each.level for each in of["country"]} == {"de", "fr"}
    assert len(of["amount"]) == 4
    assert max(of["amount"], key=lambda each: each.share or 0).level != of["amount"][-1].level


def test_a_segment_that_is_no_column_is_refused_with_the_nearest_name() -> None:
    """A misspelt name is no empty segment."""
    with pytest.raises(InvalidInput, match="contry") as told:
        diffed(shadowed(5), segments=["contry"])
    assert "country" in told.value.remedy


def test_no_pair_is_no_agreement_and_names_the_shadows_there_are() -> None:
    """An arm that nothing was copied to cannot be judged."""
    diff = diffed(shadowed(5), arm="shadw")
    assert (diff.verdict, diff.pairs) == ("inconclusive", 0)
    assert "Shadows there: shadow" in diff.reasons[0]
    assert "inconclusive" in response_page(diff)


def test_slowness_is_judged_only_where_it_is_declared() -> None:
    """Half of the copies miss the objective: told in any case, judged when asked."""
    table = shadowed(1000, slow=500)
    assert diffed(table).verdict == "agrees"
    judged = diffed(table, slow=0.05)
    assert (judged.verdict, state(judged, "slow")) == ("differs", "beyond")
    assert judged.latency_ms["shadow"].quantiles["p99"] == 500


def test_answers_that_are_no_numbers_disagree() -> None:
    """A score of NaN is nobody's agreement, and spoils no mean."""
    table = shadowed(600).to_pylist()
    for each in table:
        if each["arm"] == "shadow":
            each["scores"] = [float("nan")]
    diff = diffed(pa.Table.from_pylist(table, shadowed(1).schema))
    assert diff.measured[0].count == 600
    assert diff.deltas.count == 0


def test_the_page_shows_verdict_pictures_and_pairs_and_nothing_foreign() -> None:
    """It stands alone: no script, no address; names are escaped."""
    table = shadowed(1200, flipped=60, failed=3)
    page = response_page(diffed(table, segments=["country"]))
    for wanted in ("differs", "Furthest apart", "Segments", "<svg", "country", "interval, valid at every look"):
        assert wanted in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_the_path_ends_where_the_measure_stands() -> None:
    """Fifty looks, the last of them at all pairs."""
    diff = diffed(shadowed(1234, flipped=20))
    assert len(diff.path) == 50
    assert diff.path[-1].pairs == 1234
    assert diff.path[-1].share == diff.measured[0].share
    assert [each.pairs for each in diff.path] == sorted(each.pairs for each in diff.path)
