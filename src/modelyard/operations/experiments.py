"""Experiments (A/B tests): planned, analysed over files, which need no project, and over live logs; drawn again."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from modelyard.access import Permission, authorize
from modelyard.core import InvalidInput, NotFound, atomic_write
from modelyard.data import open_data
from modelyard.rollout import NoRollout, trial_of
from modelyard.rollout.experiments import (
    ExperimentReport,
    ExperimentSettings,
    Question,
    analyse_experiment,
    analyse_trial,
    experiment_page,
    parse_metric,
    question_of,
    refuse_names,
)
from modelyard.stats.experiments import power_of_means, power_of_sequence, power_of_shares, units_for
from modelyard.wiring import Project

from .datasets import shares_of

_TWO_ARMS = ("ab", "canary")
_DECLARED = ("metrics", "guardrails", "lower_is_better", "covariates", "segments", "planned", "alpha", "correction",
             "margin")  # fmt: skip


@dataclass(frozen=True)
class PlanExperiment:
    """What an experiment should be able to tell. `baseline`: the control's rate; else `mean` and `deviation`."""

    effect: str
    baseline: float | None = None
    mean: float | None = None
    deviation: float | None = None
    power: float = 0.8
    alpha: float = 0.05
    share: float = 0.5
    metrics: int = 1
    traffic: float | None = None


@dataclass(frozen=True)
class AnalyzeExperiment:
    """A file of units, arms and metrics, and how to compare them."""

    file: Path
    unit: str
    arm: str
    metrics: tuple[str, ...]
    guardrails: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    time: str | None = None
    control: str | None = None
    shares: str | None = None
    planned: int | None = None
    alpha: float = 0.05
    correction: str = "holm"
    fixed: str | None = None
    margin: float = 0.05


def plan_experiment(given: PlanExperiment) -> dict[str, Any]:
    """How many units tell an effect: by a test looked at once, and by one that may be looked at any time.

    `days` at so many units a day (`traffic`). With several metrics alpha is shared among them, as Bonferroni does.
    """
    _refuse_outside(given)
    alpha = given.alpha / given.metrics
    effect = _effect(given)
    by_once, error_of = _power(given, effect, alpha)
    ways = {
        "once, at the end": by_once,
        "any time": lambda n: power_of_sequence(effect, error_of(n), n, alpha=alpha, planned=n),
    }
    return {
        "effect": effect,
        "relative": None if not (level := _level(given)) else effect / abs(level),
        "power": given.power,
        "alpha": alpha,
        "share": given.share,
        "plans": [_planned(look, power_at, given) for look, power_at in ways.items()],
    }


def analyze_experiment(given: AnalyzeExperiment, html: Path | None = None) -> dict[str, Any]:
    """Compare the arms of a file; with `html` also as a page."""
    _refuse_page(html, given.file)
    report = analyse_experiment(open_data(given.file), _question(given), str(given.file))
    if html is not None:
        atomic_write(html, experiment_page(report).encode())
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found | {"page": None if html is None else str(html)}


@dataclass(frozen=True)
class AnalyzeDeployment:
    """A deployment's running or last experiment; what is not given is as the project file declares."""

    deployment: str
    metrics: tuple[str, ...] = ()
    guardrails: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    planned: int | None = None
    alpha: float | None = None
    correction: str | None = None
    margin: float | None = None


def analyze_deployment(project: Project, given: AnalyzeDeployment, html: Path | None = None) -> dict[str, Any]:
    """Compare the arms of a deployment's rollout by its live log; with `html` also as a page."""
    authorize(project.principal, Permission.READ)
    _refuse_page(html, project.file.folder / "none")
    settings = project.rollouts.settings(given.deployment)
    rollout = project.rollouts.state(given.deployment)
    if rollout is None or rollout.plan.strategy not in _TWO_ARMS:
        raise NoRollout(
            f"'{given.deployment}' has no rollout whose arms could be compared.",
            remedy=f"Start one: modelyard rollout start {given.deployment} --to VERSION --strategy ab",
        )
    asked = {name: value for name in _DECLARED if (value := getattr(given, name)) not in (None, ())}
    try:
        declared = ExperimentSettings.model_validate({**settings.experiment.model_dump(), **asked})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidInput(
            f"{first['loc'][0]} is {str(first['input'])[:60]}: {first['msg']}.", code="BAD_EXPERIMENT",
            remedy="See: modelyard rollout experiment analyze --help",
        ) from error  # fmt: skip
    with project.records.snapshot() as view:
        trial = trial_of(view, rollout, project.clock.now(), declared.within)
    source = f"{given.deployment}: version {rollout.version} at {trial.share:.0%} since {rollout.started_at}"
    report = analyse_trial(project.log, trial, question_of(declared, trial.share), source)
    if html is not None:
        atomic_write(html, experiment_page(report).encode())
    found: dict[str, Any] = msgspec.to_builtins(report)
    return found | {"page": None if html is None else str(html)}


def report_experiment(file: Path, html: Path) -> dict[str, Any]:
    """Draw the page of an analysis that was kept as JSON."""
    _refuse_page(html, file)
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", code="NO_DATA", remedy="Correct the path.")
    try:
        report = msgspec.json.decode(file.read_bytes(), type=ExperimentReport)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{file} is no analysis of an experiment: {str(error)[:200]}.",
            code="BAD_REPORT",
            remedy="Write one: modelyard rollout experiment analyze FILE … --json > analysis.json.",
        ) from error
    if report.format != 1:
        raise InvalidInput(
            f"{file} has format {report.format}, and this version knows 1.",
            code="BAD_REPORT",
            remedy="Analyze the data again, or update Modelyard.",
        )
    atomic_write(html, experiment_page(report).encode())
    return {"page": str(html), "verdict": report.verdict}


def _question(given: AnalyzeExperiment) -> Question:
    if not 0 < given.alpha < 1:
        raise InvalidInput(
            f"alpha is {given.alpha}.", code="BAD_ALPHA", remedy="Give one between 0 and 1, such as 0.05."
        )
    if not 0 <= given.margin < 1:
        raise InvalidInput(f"margin is {given.margin}.", code="BAD_MARGIN", remedy="Give a share, such as 0.05.")
    if given.planned is not None and given.planned < 2:
        raise InvalidInput(f"{given.planned} units are no plan.", code="BAD_PLAN", remedy="Give the number of units.")
    if not given.metrics:
        raise InvalidInput("There is no metric to compare by.", code="BAD_METRIC", remedy="Give one: --metric NAME.")
    lower = set(given.lower_is_better)
    metrics = tuple(parse_metric(each, lower=each.partition(":")[0] in lower) for each in given.metrics)
    guards = tuple(parse_metric(each, "guardrail", lower=each.partition(":")[0] in lower) for each in given.guardrails)
    refuse_names(lower, [*metrics, *guards])
    return Question(
        unit=given.unit,
        arm=given.arm,
        metrics=(*metrics, *guards),
        covariates=tuple(dict.fromkeys(given.covariates)),
        segments=tuple(dict.fromkeys(given.segments)),
        time=given.time,
        control=given.control,
        shares=shares_of(given.shares) if given.shares else {},
        planned=given.planned,
        alpha=given.alpha,
        correction=given.correction,  # type: ignore[arg-type] # the command line's choices are these
        fixed=given.fixed,  # type: ignore[arg-type] # as above
        margin=given.margin,
    )


def _refuse_page(html: Path | None, source: Path) -> None:
    if html is None:
        return
    if html.exists() and source.exists() and html.samefile(source):
        raise InvalidInput(f"{html} is the data itself.", code="SAME_FILE", remedy="Give the page another name.")
    if not html.absolute().parent.is_dir():
        raise InvalidInput(f"There is no folder {html.parent}.", remedy="Make it first.")


def _refuse_outside(given: PlanExperiment) -> None:
    """All that is wrong at once."""
    shares = {"power": given.power, "alpha": given.alpha, "share": given.share}
    wrong = [f"{name} is {value}, not between 0 and 1" for name, value in shares.items() if not 0 < value < 1]
    rate = given.baseline is not None
    if rate is (given.mean is not None or given.deviation is not None):
        wrong.append("neither a rate nor a mean is given" if not rate else "a rate and a mean are given")
    elif not rate and (given.mean is None or given.deviation is None or not given.deviation > 0):
        wrong.append("a mean needs a deviation above 0, and a deviation a mean")
    if rate and given.baseline is not None and not 0 <= given.baseline < 1:
        wrong.append(f"baseline is {given.baseline}, and a rate is between 0 and 1")
    if given.metrics < 1:
        wrong.append(f"metrics is {given.metrics}, and there is at least one")
    if given.traffic is not None and not given.traffic > 0:
        wrong.append(f"traffic is {given.traffic}, and units come")
    if wrong:
        raise InvalidInput(
            f"Nothing can be planned so: {'; '.join(wrong)}.",
            code="BAD_PLAN",
            remedy="Give --baseline RATE, or --mean and --deviation; see modelyard rollout experiment plan --help.",
        )


def _effect(given: PlanExperiment) -> float:
    """The least difference to tell, absolute: of `0.01` itself, of `10%` that share of the baseline."""
    text = given.effect.strip()
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = math.nan
    effect = number / 100 * abs(_level(given)) if text.endswith("%") else number
    if not math.isfinite(effect) or effect == 0:
        raise InvalidInput(
            f"{given.effect[:40]!r} is no effect to look for.",
            code="BAD_PLAN",
            remedy="Give a difference, such as 0.01, or a share of a baseline that is not zero, such as 10%.",
        )
    if given.baseline is not None and not 0 <= given.baseline + effect <= 1:
        raise InvalidInput(
            f"A rate of {given.baseline} changed by {effect:.4g} is no rate.",
            code="BAD_PLAN",
            remedy="Give an effect that leaves it between 0 and 1.",
        )
    return effect


def _level(given: PlanExperiment) -> float:
    return (given.baseline if given.baseline is not None else given.mean) or 0.0


def _power(
    given: PlanExperiment, effect: float, alpha: float
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Of units in all: the power of the test looked at once, and the standard error."""
    kept, share = 1 - given.share, given.share
    if given.baseline is not None:
        rates = given.baseline, given.baseline + effect
        spread = math.sqrt(rates[0] * (1 - rates[0]) / kept + rates[1] * (1 - rates[1]) / share)
        return lambda n: power_of_shares(*rates, (n * kept, n * share), alpha=alpha), lambda n: spread / math.sqrt(n)
    deviation = given.deviation or 0.0
    spread = deviation * math.sqrt(1 / kept + 1 / share)

    def power(n: float) -> float:
        arms = max(2.0, n * kept), max(2.0, n * share)
        return power_of_means(effect, (deviation, deviation), arms, alpha=alpha)

    return power, lambda n: spread / math.sqrt(n)


def _planned(look: str, power_at: Callable[[float], float], given: PlanExperiment) -> dict[str, Any]:
    needed = units_for(power_at, given.power, least=4)
    if needed is None:
        raise InvalidInput("More than 10¹² units would be needed.", code="BAD_PLAN", remedy="Look for a larger effect.")
    treatment = math.ceil(needed * given.share)
    control = math.ceil(needed * (1 - given.share))
    days = None if given.traffic is None else (control + treatment) / given.traffic
    return {"look": look, "units": control + treatment, "control": control, "treatment": treatment, "days": days}
