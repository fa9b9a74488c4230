"""A/B tests over the live log: units, arms, outcomes and labels as servers wrote them down."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelyard.core import InvalidInput, Micros
from modelyard.journal import Generated, PredictionRecord, TruthRecord
from modelyard.rollout.experiments import Found

from .trials import ROUTE, START, analysed, labels, log_of, outcomes, requests, trial

UNITS = 2_500


def rate(treated: float, control: float) -> object:
    """An outcome that happens so often in each arm."""
    return lambda is_treated, drawn: float(drawn < (treated if is_treated else control))


def of(found: tuple[Found, ...], metric: str) -> Found:
    """What was found of a metric."""
    return next(each for each in found if each.metric == metric)


def test_a_planted_effect_is_found_and_none_is_not(tmp_path: Path) -> None:
    """Twice the rate of conversions passes; the same rate stays open; shares are those of the route."""
    asked = requests(UNITS)
    log = log_of(
        tmp_path,
        asked,
        outcomes(asked, "converted", rate(0.4, 0.2)),  # type: ignore[arg-type]
        outcomes(asked, "returned", rate(0.2, 0.2), seed=5),  # type: ignore[arg-type]
    )
    report = analysed(log, metrics=("converted",))
    assert (report.verdict, report.units, report.mixed) == ("pass", UNITS, 0)
    assert of(report.found, "converted").kind == "binary"
    assert of(report.found, "converted").difference == pytest.approx(0.2, abs=0.05)
    assert {each.arm: each.expected for each in report.arms} == {"control": 0.8, "treatment": pytest.approx(0.2)}
    assert report.shares is not None
    assert not report.shares.mismatch
    assert len(of(report.found, "converted").path) > 10
    assert analysed(log, metrics=("returned",)).verdict == "inconclusive"


def test_units_without_an_outcome_count_as_nothing_happened(tmp_path: Path) -> None:
    """Only who converted is told of; the others are zeros, not missing."""
    asked = requests(1000)
    told = [each for each in outcomes(asked, "converted", rate(0.5, 0.5)) if each.value]  # type: ignore[arg-type]
    found = of(analysed(log_of(tmp_path, asked, told), metrics=("converted",)).found, "converted")
    assert found.units == 1000
    assert found.control_value == pytest.approx(0.5, abs=0.06)


def test_what_happened_before_the_first_request_is_a_covariate_and_no_outcome(tmp_path: Path) -> None:
    """Revenue of the week before leaves a small part of the variance."""
    asked = requests(UNITS)
    before = list(outcomes(asked, "revenue", lambda _, drawn: 100 * drawn, later=-60))
    after = [
        msgspec.structs.replace(each, value=each.value + 1, event_us=Micros(each.event_us + 120_000_000))
        for each in before
    ]
    log = log_of(tmp_path, asked, before, after)
    plain = of(analysed(log, metrics=("revenue:continuous",)).found, "revenue")
    adjusted = of(analysed(log, metrics=("revenue:continuous",), covariates=("revenue.before",)).found, "revenue")
    assert plain.control_value == pytest.approx(51, abs=3)
    assert adjusted.kept < 0.01 < plain.kept


def test_outcomes_count_within_their_window_and_young_units_wait(tmp_path: Path) -> None:
    """Outcomes after an hour are too late for a window of an hour; units of the last hour are left out."""
    asked = requests(1000)
    log = log_of(
        tmp_path,
        asked,
        outcomes(asked, "soon", lambda *_: 1.0, later=60),
        outcomes(asked, "late", lambda *_: 1.0, later=7200),
    )
    hour = timedelta(hours=1)
    found = analysed(log, trial(within=hour), metrics=("soon", "late")).found
    assert (of(found, "soon").control_value, of(found, "late").control_value) == (1.0, 0.0)
    early = trial(within=hour, now=START + hour + timedelta(seconds=499.5))
    assert analysed(log, early, metrics=("soon",)).units == 500


def test_labels_and_what_the_server_saw_are_means_over_requests(tmp_path: Path) -> None:
    """Several requests a unit: accuracy by labels, mean score, error, latency; the unit stays the customer."""
    asked = requests(3000, each=2)
    log = log_of(tmp_path, asked, labels(asked, lambda treated, drawn: drawn < (0.9 if treated else 0.7)))
    report = analysed(log, metrics=("correct",), guardrails=("error", "latency_ms", "score"))
    found = of(report.found, "correct")
    assert (report.units, found.kind, report.verdict in ("pass", "inconclusive")) == (3000, "ratio", True)
    assert found.difference == pytest.approx(0.2, abs=0.04)
    assert of(report.found, "latency_ms").control_value == pytest.approx(5)
    assert of(report.found, "error").control_value == 0


def test_the_candidates_failures_stay_the_candidates(tmp_path: Path) -> None:
    """Live answered in its place: the unit is still treated, and the failure counts against the treatment."""
    asked = requests(1000)
    again = []
    for at, each in enumerate(asked):
        if each.arm == "treatment":
            asked[at] = msgspec.structs.replace(each, answered=False, prediction=None, scores=(), error="model")
            again.append(msgspec.structs.replace(each, arm="live", role="live", model_version="1"))
    report = analysed(log_of(tmp_path, asked, again), metrics=("error",), lower_is_better=("error",))
    assert (report.mixed, report.units) == (0, 1000)
    assert of(report.found, "error").treatment_value == 1
    assert of(report.found, "error").control_value == 0


def test_other_generations_shadows_and_what_was_refused_do_not_count(tmp_path: Path) -> None:
    """Another generation had other shares; copies are no answers; a caller's mistake is no arm's."""
    asked = requests(300)
    other = [msgspec.structs.replace(each, generation=ROUTE.generation + 1) for each in requests(50, seed=9)]
    copies = [msgspec.structs.replace(each, role="shadow", arm="shadow", answered=False) for each in asked]
    refused = [msgspec.structs.replace(each, answered=False, error="input") for each in requests(20, seed=8)]
    report = analysed(log_of(tmp_path, asked, other, copies, refused), metrics=("score",))
    assert report.units == 300


def test_an_entity_that_is_logged_by_another_name_is_found_again(tmp_path: Path) -> None:
    """Where the field is never logged, outcomes are told of customers and the log has their pseudonyms."""
    asked = requests(500)
    told = list(outcomes(asked, "converted", lambda *_: 1.0))
    hidden = [msgspec.structs.replace(each, entity=f"#{each.entity}") for each in asked]
    log, plain = log_of(tmp_path, hidden, told), trial()
    named = replace(plain, logged_as=lambda each: f"#{each}")
    assert of(analysed(log, named, metrics=("converted",)).found, "converted").control_value == 1
    assert of(analysed(log, plain, metrics=("converted",)).found, "converted").control_value == 0


@pytest.mark.parametrize(
    ("settings", "said", "remedy"),
    [
        ({"metrics": ("convertd",)}, "convertd", "converted"),
        ({}, "no metric", "experiment: metrics"),
        ({"metrics": ("converted", "converted")}, "twice", "once"),
        ({"metrics": ("converted",), "segments": ("contry",)}, "contry", "country"),
        ({"metrics": ("converted",), "covariates": ("amout",)}, "amout", "amount"),
        ({"metrics": ("converted",), "lower_is_better": ("x",)}, "'x'", "converted"),
    ],
)
def test_wrong_words_are_refused_with_what_there_is(
    tmp_path: Path, settings: dict[str, Any], said: str, remedy: str
) -> None:
    """Each with the nearest name or the way to declare it."""
    asked = requests(50)
    log = log_of(tmp_path, asked, outcomes(asked, "converted", lambda *_: 1.0))
    with pytest.raises(InvalidInput, match=said) as told:
        analysed(log, **settings)
    assert remedy in told.value.remedy


def test_outcomes_need_requests_that_name_an_entity(tmp_path: Path) -> None:
    """Without one each request is a unit: enough for labels and errors, never for outcomes."""
    asked = requests(200)
    nameless = [msgspec.structs.replace(each, entity=None) for each in asked]
    log = log_of(tmp_path, nameless, outcomes(asked, "converted", lambda *_: 1.0))
    with pytest.raises(InvalidInput, match="name no entity") as told:
        analysed(log, metrics=("converted",))
    assert "assign_by" in told.value.remedy
    assert analysed(log, metrics=("score",)).units == 200


def test_segments_and_features_as_covariates_are_those_of_the_first_request(tmp_path: Path) -> None:
    """Features have their names; levels are shown by themselves."""
    asked = requests(1500)
    log = log_of(tmp_path, asked, outcomes(asked, "revenue", lambda _, drawn: drawn))
    report = analysed(log, metrics=("revenue:continuous",), segments=("country",), covariates=("amount",))
    assert {each.level for each in report.segments} == {"de", "fr"}
    assert sum(each.found.units for each in report.segments) == 1500


def test_nothing_logged_yet_is_inconclusive(tmp_path: Path) -> None:
    """No request, no verdict; not even the metric's name can be judged by what was told."""
    report = analysed(log_of(tmp_path), metrics=("score",))
    assert (report.verdict, report.units) == ("inconclusive", 0)


def chats(arms: dict[str, tuple[int, int, int]]) -> list[PredictionRecord]:
    """Answers of a language model: by arm every how many of them a sentence is unsupported, every how many of them
    abstains, and micros.
    """
    found = []
    for at, each in enumerate(requests(UNITS)):
        bad, abstains, cost = arms[each.arm]
        made = Generated(
            index="i",
            sentences=4,
            unsupported=int(at % bad == 0),
            abstained=at % abstains == 0,
            cost_micros=cost + at % 7,
        )
        written = msgspec.json.encode(made).decode()
        found.append(msgspec.structs.replace(each, prediction="stop", scores=(), generated=written))
    return found


def test_the_better_of_two_prompts_is_found(tmp_path: Path) -> None:
    """By unsupported answers, abstaining and thumbs; cost is told in the prices' currency, and needs more answers."""
    asked = chats({"live": (2, 2, 3_000), "treatment": (5, 7, 2_000)})
    told = [
        TruthRecord(each.prediction_id, "d", thumb, each.event_us, each.event_us, each.event_us)
        for at, each in enumerate(asked)
        if (thumb := ("up" if at % 10 < (8 if each.arm == "treatment" else 5) else "down"))
    ]
    log, lower = log_of(tmp_path, asked, told), ("unsupported_rate", "abstention_rate", "llm_cost")
    rates = ("unsupported_rate:binary", "abstention_rate:binary", "thumbs:binary")
    report = analysed(log, metrics=(*rates, "llm_cost"), lower_is_better=lower)
    unsupported, abstention, thumbs, cost = report.found
    assert [each.state for each in report.found] == ["better", "better", "better", "too few"]
    assert unsupported.control_value == pytest.approx(0.5, abs=0.03)
    assert unsupported.treatment_value == pytest.approx(0.2, abs=0.04)
    assert abstention.control_value == pytest.approx(0.5, abs=0.03)
    assert abstention.treatment_value == pytest.approx(1 / 7, abs=0.04)
    assert thumbs.control_value == pytest.approx(0.5, abs=0.06)
    assert cost.control_value == pytest.approx(0.003, 0.01)
    assert cost.treatment_value == pytest.approx(0.002, 0.01)
    assert analysed(log, metrics=rates, lower_is_better=lower[:2]).verdict == "pass"


def test_prompts_that_are_alike_stay_open(tmp_path: Path) -> None:
    """No difference is told where there is none; nor of a model, which has no answers of that kind."""
    asked = chats({"live": (2, 4, 3_000), "treatment": (2, 4, 3_000)})
    report = analysed(log_of(tmp_path / "one", asked), metrics=("unsupported_rate", "abstention_rate"))
    assert report.verdict == "inconclusive"
    plain = analysed(log_of(tmp_path / "two", requests(300)), metrics=("llm_cost",))
    assert plain.verdict == "inconclusive"
