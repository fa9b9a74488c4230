"""The page of monitors: complete, escaped, and in need of nothing else."""

import msgspec

from modelyard.inference import NumberProfile, ReferenceProfile
from modelyard.monitoring import FeatureDrift, Joint, ResourceUse, Watched, monitor_page, ranked
from modelyard.monitoring.counts import counts_of
from modelyard.monitoring.records import (
    ConceptDrift,
    Estimated,
    FeatureOutliers,
    FeatureQuality,
    GroupRate,
    SecondOpinion,
    SegmentSeen,
)
from modelyard.monitoring.references import Kept, Reference

from .test_measured import WINDOW

NAME = "<b>amount</b>"
PROFILE = NumberProfile(NAME, (0.0, 1.0), (10, 20, 10), 2, 0.5, 1.0)
WHOLE = ReferenceProfile(42, (PROFILE,), scores=msgspec.structs.replace(PROFILE, name="score"), importance={NAME: 1.0})


def feature(name: str, effect: float) -> FeatureDrift:
    """A feature that drifted by an effect."""
    return FeatureDrift(name, "number", 0.5, effect, 0.02, 0.0, 0.0, "fail", "PSI 0.50")


def test_features_are_ranked_by_importance_times_effect() -> None:
    """A great drift of what matters little comes after a small one of what matters; without importance effect rules."""
    found = [feature("noise", 0.9), feature("key", 0.3)]
    assert [each.name for each in ranked(found, {"key": 0.9, "noise": 0.1})] == ["key", "noise"]
    assert [each.name for each in ranked(found, {})] == ["noise", "key"]


def test_the_page_has_everything_and_fetches_nothing() -> None:
    """Verdicts, reasons, estimates that labels contradict, segments, groups, trends and pictures; names are escaped."""
    window = msgspec.structs.replace(
        WINDOW,
        features=(feature(NAME, 0.4),),
        reasons=("accuracy 0.700, baseline 0.900",),
        estimated={"accuracy": Estimated(0.9, 0.88, 0.92, "CBPE", contradicted=True)},
        intervals={"accuracy": (0.67, 0.73)},
        predictions=feature("score", 0.2),
        quality=(FeatureQuality(NAME, 0.0, 0.2, 0.0, 0.0, ("zz",), "fail", "20.0% levels unknown"),),
        segments=(SegmentSeen("country", "<i>", 10, 5, {}, {}, 0.3, (), "inconclusive", ("only 5 labels",)),),
        groups=(GroupRate("sex", "f", "selection", 10, 0.2, 0.5, -0.3, -0.4, -0.2, "fail", "<late>"),),
        second_opinion=SecondOpinion("accuracy", 812.4, 1000, 0.7, 0.65, 0.75, disagrees=True),
        concept=(ConceptDrift("page_hinkley", "fail", "mean loss 0.1 → 0.3", 500, "2026-01-07", 0.1, 0.3),),
        outliers=(FeatureOutliers(NAME, 0.0, 1.0, 9, 0.2, 0.01, (("<id>", 99.5),), "fail", "20.0% beyond the fences"),),
        together=Joint(verdict="fail", reason="told apart with an AUC of 0.70", rows_ref=9, rows_cur=9, auc=0.7),
    )
    counts = counts_of(PROFILE)
    kept = Kept("1", "d", (counts,), counts_of(WHOLE.scores) if WHOLE.scores else None)
    reference = Reference("bundle", {NAME: counts}, kept.predictions, {})
    used = [ResourceUse(f"2026-01-12T0{hour}:00:00+00:00", 2, 0.5, 300 * 2**20, 4) for hour in range(3)]
    page = monitor_page([Watched("d", "m", "accuracy", [WINDOW, window], kept, reference, WHOLE, used)])
    for told in (
        "Fails",
        "contradict the estimate",
        "country = &lt;i&gt;",
        "sex = f",
        "20.0% levels",
        "Over the windows",
        "carried by 812 of 1,000 rows",
        "not what the estimate says",
        "page hinkley",
        "told apart with an AUC of 0.70",
        '99.5 <span class="soft">(&lt;id&gt;)',
        "of &lt;late&gt;",
        "<b>300 MiB</b>",
        "cores busy",
    ):
        assert told in page
    assert page.count("<svg") == 8
    assert NAME not in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")


def test_without_windows_the_page_says_so() -> None:
    """And what to do."""
    assert "No window has been judged yet" in monitor_page([Watched("d", "m", "auc", ())])
    assert "Nothing is watched" in monitor_page([])
