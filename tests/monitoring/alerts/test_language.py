"""The language of rules: what it takes, and how it says what is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelyard.core import InvalidInput
from modelyard.monitoring.alerts import parse_condition, series
from modelyard.monitoring.alerts.language import Matcher


@pytest.mark.parametrize(
    ("text", "threshold", "above"),
    [
        ("latency_p99 > 200", 200.0, True),
        ("latency_p95>=0.1s", 100.0, True),
        ("error_rate > 5%", 0.05, True),
        ("label_coverage < 1e-1", 0.1, False),
        ("feature_freshness > 2h", 7200.0, True),
        ('performance{metric="auc"} <= .8', 0.8, False),
        ("accuracy_drop > -0.5", -0.5, True),
    ],
)
def test_conditions_with_units(text: str, threshold: float, above: bool) -> None:
    """Numbers are read in the metric's own unit."""
    condition = parse_condition(text)
    assert condition.threshold == pytest.approx(threshold)
    assert condition.above is above


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("latncy_p99 > 200", "There is no metric 'latncy_p99'.*Did you mean 'latency_p99'"),
        ('feature_drift{feature="a"} > 0.1', "has no label 'feature'.*Did you mean 'feature_name'"),
        ('drift_score{deployment="a"} > 0.1', "chosen with `deployments`"),
        ("latency_p99 > 5%", "no unit '%'.*ms, s, m"),
        ("drift_score > 3s", "no unit 's'.*units for it: none"),
        ("error_rate > 5", "says nothing: it is a share between 0 and 1.*5%"),
        ("error_rate > 100%", "says nothing"),
        ("label_coverage < 0", "says nothing"),
        ("latency_p99 > 1e999", "beyond all numbers"),
        ("latency_p99 > nan", "no number"),
        ("latency_p99 == 3", "no condition"),
        ("latency_p99", "no condition"),
        ("", "no condition"),
        ("__import__('os') > 1", "no condition"),
        ('feature_drift{feature_name="a" or 1} > 0.1', "no matcher"),
        ('feature_drift{feature_name="a} > 0.1', "no matcher"),
        ("latency_p99 > 1" + "0" * 600, "no condition"),
        ("latency_p99 > 2 > 1", "no condition"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str) -> None:
    """With what there is, and what to write."""
    with pytest.raises(InvalidInput, match=says) as caught:
        parse_condition(text)
    assert caught.value.code == "INVALID_RULE"
    assert len(str(caught.value)) < 600


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    """Never anything else, and never a long message."""
    said = ""
    try:
        parse_condition(text)
    except InvalidInput as error:
        said = str(error)
    assert len(said) < 600


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_matcher_finds_its_own_text_alone(value: str, other: str) -> None:
    """Quotes, braces and backslashes in names of features are texts."""
    written = value.replace("\\", "\\\\").replace('"', '\\"')
    condition = parse_condition(f'feature_drift{{feature_name="{written}"}} > 0.1')
    assert condition.matchers == (Matcher("feature_name", value),)
    assert condition.fits(series("feature_drift", feature_name=value))
    assert condition.fits(series("feature_drift", feature_name=other)) is (value == other)


def test_segments_are_meant_only_where_they_are_named() -> None:
    """A rule about all of the traffic does not fire for a part of it."""
    whole, mail = series("drift_score"), series("drift_score", segment="channel=mail")
    plain = parse_condition("drift_score > 0.1")
    named = parse_condition('drift_score{segment="channel=mail"} > 0.1')
    every = parse_condition('drift_score{segment!=""} > 0.1')
    assert [each.fits(whole) for each in (plain, named, every)] == [True, False, False]
    assert [each.fits(mail) for each in (plain, named, every)] == [False, True, True]
