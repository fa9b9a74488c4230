"""Samples of rows, detectors over them, outliers and all features together."""

from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from modelyard.bundling import build_profile
from modelyard.inference import Field, NumberProfile, SampledRows, Signature, codes_of, fences, losses_of, pack_rows
from modelyard.monitoring import MonitorSettings, WindowSample, together
from modelyard.monitoring.concept import changed_concept, concept_drift
from modelyard.monitoring.outliers import OutlierCounter, outliers_of
from modelyard.monitoring.sample import joined_rows, row_keys, told_losses
from modelyard.monitoring.together import drift_together
from modelyard.stats import answer_losses

Floats = NDArray[np.float64]

TWO = Signature((Field("a", "number"), Field("b", "number")))


def stream(losses: Floats, begins: int = 0) -> WindowSample:
    """A window whose labelled answers had these losses, a second apart."""
    times = (begins + np.arange(len(losses))) * 1_000_000
    rows = pack_rows({"x": np.zeros(len(losses), np.uint8)}, losses)
    return WindowSample(rows, np.arange(len(losses), dtype="<u8").tobytes(), times.astype("<i8").tobytes())


def mistakes(rate: float, rows: int, seed: int) -> Floats:
    """0 and 1, so many of them 1."""
    return (np.random.default_rng(seed).random(rows) < rate).astype(float)


def test_a_sample_survives_the_record_store() -> None:
    """Codes and losses are the same after they were JSON."""
    codes = np.random.default_rng(0).integers(0, 255, 300).astype(np.uint8)
    rows = pack_rows({"a": codes, "b": codes[::-1].copy()}, np.where(codes > 100, np.nan, codes / 2))
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(msgspec.to_builtins(rows))), SampledRows)
    assert again == rows
    assert codes_of(again, ["b"])[:, 0].tolist() == codes[::-1].tolist()
    np.testing.assert_array_equal(losses_of(again), np.where(codes > 100, np.nan, codes / 2))


def test_rows_are_found_again_by_their_keys_in_any_order() -> None:
    """The losses that labels told later are those of the same answers, however the log is read."""
    random = np.random.default_rng(1)
    times, scores = random.integers(0, 10**15, 5000), random.random((5000, 1))
    labels = random.integers(0, 2, 5000).astype(float)
    chosen = np.argsort(row_keys(times, scores))[:50]
    sample = WindowSample(
        pack_rows({"x": np.zeros(50, np.uint8)}),
        row_keys(times, scores)[chosen].astype("<u8").tobytes(),
        times[chosen].astype("<i8").tobytes(),
    )
    mixed = random.permutation(5000)
    found = told_losses(sample, "binary", times[mixed], scores[mixed], labels[mixed])
    assert found is not None
    np.testing.assert_array_equal(found.losses, answer_losses("binary", scores[chosen], labels[chosen]))


def test_keys_choose_evenly() -> None:
    """The tenth with the least keys has a tenth of every hour, and of every score."""
    times = np.arange(0, 10_000_000_000, 1_000_000)
    scores = np.linspace(0, 1, 10_000)[:, None]
    chosen = np.argsort(row_keys(times, scores))[:1000]
    for values in (times, scores[:, 0]):
        counts, _ = np.histogram(values[chosen], 10, (values[0], values[-1]))
        assert 60 < counts.min() <= counts.max() < 140


def test_samples_are_joined_on_the_columns_that_all_have() -> None:
    """A window in which a column was hidden costs that column, not the others."""
    code = np.zeros(3, np.uint8)
    both = joined_rows([pack_rows({"a": code, "b": code}, code), pack_rows({"b": code + np.uint8(1)})])
    assert both is not None
    assert both.columns == ("b",)
    assert codes_of(both)[:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert joined_rows([]) is None
    assert joined_rows([pack_rows({"a": code}), pack_rows({"b": code})]) is None


@pytest.mark.parametrize("detector", ["adwin", "ddm", "hddm", "page_hinkley"])
def test_every_detector_finds_mistakes_that_doubled(detector: str) -> None:
    """10% until the middle of the window, 35% from there: told within a minute of when it was."""
    now = np.concatenate([mistakes(0.1, 1000, 2), mistakes(0.35, 1000, 3)])
    (found,) = concept_drift(
        "binary", [stream(mistakes(0.1, 2000, 4))], stream(now, 2000), MonitorSettings(concept=(detector,)).concept
    )
    assert found.verdict == "fail"
    assert found.before == pytest.approx(0.1, abs=0.02)
    assert found.after == pytest.approx(0.35, abs=0.05)
    assert datetime.fromisoformat(str(found.at)).timestamp() == pytest.approx(3000, abs=60)
    assert changed_concept([found])[0].startswith(f"concept drift ({detector}): mean loss 0.094 → 0.35")


def test_unchanged_mistakes_seldom_alarm_and_fewer_ones_never_fail() -> None:
    """Of 40 streams at most two do; mistakes that became rare pass, and so does a rise seen in an earlier window."""
    failed = 0
    for seed in range(40):
        found = concept_drift(
            "binary", [stream(mistakes(0.2, 2000, seed))], stream(mistakes(0.2, 1000, 99 + seed)), ALL
        )
        failed += any(each.verdict == "fail" for each in found)
    assert failed <= 2
    better = concept_drift("binary", [stream(mistakes(0.4, 2000, 1))], stream(mistakes(0.1, 1000, 2)), ALL)
    assert {each.verdict for each in better} == {"pass"}
    earlier = [stream(mistakes(0.35, 2000, 6)), stream(mistakes(0.1, 2000, 5))]
    assert not changed_concept(concept_drift("binary", earlier, stream(mistakes(0.35, 1000, 7)), ALL))


ALL = MonitorSettings(concept=("adwin", "hddm")).concept


def test_few_labels_are_inconclusive_and_none_asked_for_tell_nothing() -> None:
    """Ten labels in this window, whatever came before."""
    losses = np.full(500, np.nan)
    losses[:10] = 1.0
    (found,) = concept_drift("binary", [], stream(losses), ("adwin",))
    assert (found.verdict, found.reason) == ("inconclusive", "only 10 labels are known")
    assert concept_drift("binary", [], stream(losses), ()) == ()
    assert concept_drift("binary", [], None, ("adwin",)) == ()


def test_errors_of_numbers_are_scaled_by_those_before() -> None:
    """Whatever the unit: twice the error in millions is found, by detectors of 0 and 1 as well."""
    random = np.random.default_rng(3)
    before, now = np.abs(random.normal(0, 1e6, 2000)), np.abs(random.normal(0, 2.5e6, 1500))
    found = concept_drift("regression", [stream(before)], stream(now), ("adwin", "ddm", "eddm"))
    assert [each.verdict for each in found] == ["fail", "fail", "fail"]


def test_a_changed_correlation_is_seen_only_together() -> None:
    """Two normal columns that came to move together: each alone is the same."""
    random = np.random.default_rng(0)
    before, after = random.normal(size=(3000, 2)), random.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 3000)
    reference = build_profile(TWO, before, np.zeros(3000), importance={}, performance={})
    now = build_profile(TWO, after, np.zeros(3000), importance={}, performance={}).sample
    same = build_profile(TWO, random.normal(size=(3000, 2)), np.zeros(3000), importance={}, performance={}).sample
    assert now is not None
    assert same is not None
    coded = msgspec.structs.replace(reference, sample=None)
    changed, unchanged = (drift_together(coded, reference.sample, each) for each in (now, same))
    assert changed is not None
    assert unchanged is not None
    assert (changed.verdict, unchanged.verdict) == ("fail", "pass")
    assert changed.interval is not None
    assert changed.interval[0] > 0.65
    assert drift_together(coded, None, now) is None


def test_fences_are_tukeys_as_far_as_bins_tell() -> None:
    """Of a normal column about .7% lie beyond them; a constant has none."""
    values = np.random.default_rng(5).normal(size=(20_000, 2))
    profile = build_profile(TWO, values, np.zeros(20_000), importance={}, performance={})
    column = profile.columns[0]
    assert isinstance(column, NumberProfile)
    ends = fences(column)
    assert ends == pytest.approx((-2.698, 2.698), abs=0.1)
    assert column.strays is not None
    assert column.strays / 20_000 == pytest.approx(0.007, abs=0.002)
    assert fences(NumberProfile("x", (1.0,), (5, 0), 0, 1.0, 0.0)) is None
    assert fences(NumberProfile("x", (), (0,), 9)) is None


@pytest.mark.parametrize(
    ("share", "rows", "verdict"),
    [(0.0, 2000, "pass"), (0.2, 2000, "fail"), (0.06, 1000, "inconclusive"), (1, 9, "inconclusive")],
)
def test_outliers_are_judged_against_those_of_training(share: float, rows: int, verdict: str) -> None:
    """More of them than in training by more than .05, surely; the furthest are named by their prediction."""
    random = np.random.default_rng(6)
    profile = build_profile(TWO, random.normal(size=(5000, 2)), np.zeros(5000), importance={}, performance={})
    values = random.normal(size=rows)
    values[: int(share * rows)] = 50.0
    if share:
        values[0] = 60.0
    table = pa.table({"prediction_id": [f"p{at}" for at in range(rows)], "feature_0": values})
    counter = OutlierCounter(profile)
    counter.add(table.slice(0, rows // 2), ["a", "b"])
    counter.add(table.slice(rows // 2), ["a", "b"])
    (found,) = outliers_of(counter.counted(set()), profile, MonitorSettings())
    assert (found.name, found.rows, found.verdict) == ("a", rows, verdict)
    if share:
        assert found.furthest[0] == ("p0", 60.0)
        assert len(found.furthest) == 3
    assert counter.counted({"a"}) == {}


def test_without_a_share_of_training_outliers_are_only_told() -> None:
    """A bundle of an older release: the verdict says what to do."""
    values = np.random.default_rng(5).normal(size=(2000, 2))
    profile = build_profile(TWO, values, np.zeros(2000), importance={}, performance={})
    old = msgspec.structs.replace(
        profile, columns=tuple(msgspec.structs.replace(each, strays=None) for each in profile.columns)
    )
    counter = OutlierCounter(old)
    counter.add(pa.table({"prediction_id": ["p"], "feature_1": [99.0]}), ["a", "b"])
    (found,) = outliers_of(counter.counted(set()), old, MonitorSettings())
    assert found.verdict == "inconclusive"
    assert found.reason.endswith("build it again")


def test_small_matrices_keep_to_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of the algebra library would wait for servers, and for each other; afterwards it has its own again."""
    profile = build_profile(TWO, np.zeros((300, 2)), np.zeros(300), importance={}, performance={})
    before, during = threads(), list[int]()

    def judged(*_: object) -> None:
        during.extend(threads())

    monkeypatch.setattr(together, "judge_together", judged)
    with threadpool_limits(2, user_api="blas"):
        drift_together(profile, profile.sample, profile.sample)
    assert set(during) == {1}
    assert threads() == before


def threads() -> list[int]:
    """How many threads each algebra library of this process may use."""
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
