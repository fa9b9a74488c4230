"""`alerts.md`: every rule there is without declaring one, what to do when it fires, and what rules may speak of."""

from collections.abc import Iterator
from typing import get_args

from docs.writing import MADE, row

from modelyard.export.runbook import MEANING, STEPS
from modelyard.monitoring import AlertSettings, Rule, rules_of
from modelyard.monitoring.alerts.metrics import METRICS


def alert_page() -> Iterator[str]:
    """The rules, then the metrics."""
    usual, every = rules_of(AlertSettings()), rules_of(AlertSettings(also=switched_on()))
    yield from (
        MADE,
        "",
        "# Alerts",
        "",
        "The rules that every project has, and those that `alerts.also` switches on. A project changes thresholds and",
        "declares its own: [how](../how-to/get-alerted.md). `modelyard alert list` shows what fires,",
        "`modelyard alert rules` the rules of a project, `modelyard alert rules --prometheus` the same for Prometheus.",
        "",
        "| rule | severity | fires when | threshold | there |",
        "|---|---|---|---|---|",
    )
    for rule in every:
        there = "always" if rule.name in {each.name for each in usual} else f"with `alerts.also: [{rule.name}]`"
        link, setting = f"[`{rule.name}`](#{rule.name})", f"`alerts.{rule.name}`"
        yield row(link, rule.severity.value, _condition(rule), setting, there)
    for rule in every:
        yield from _rule(rule)
    yield from (
        "",
        "## What rules may speak of",
        "",
        "`when: METRIC{label=VALUE} > NUMBER`. Those of requests have no value where fewer than `alerts.min_requests`",
        "rows came in five minutes; those of windows have one while the window is not stale.",
        "",
        "| metric | unit | labels | what it is |",
        "|---|---|---|---|",
    )
    for each in METRICS.values():
        yield row(f"`{each.name}`", each.unit.what, ", ".join(f"`{label}`" for label in each.labels), each.sentence)


def switched_on() -> tuple[str, ...]:
    """The rules that `alerts.also` may name."""
    (element, _) = get_args(AlertSettings.model_fields["also"].annotation)
    return get_args(element)


def _rule(rule: Rule) -> Iterator[str]:
    """A rule by its name; KeyError where nobody has said what to do."""
    yield from ("", f"## {rule.name}", "", MEANING[rule.name], "")
    for number, step in enumerate(STEPS[rule.name], 1):
        yield f"{number}. {step.format(deployment='DEPLOYMENT', model='MODEL')}"


def _condition(rule: Rule) -> str:
    condition = rule.condition
    matchers = ", ".join(f'{each.label}="{each.value}"' for each in condition.matchers)
    of = f"{condition.metric.name}{{{matchers}}}" if matchers else condition.metric.name
    return f"`{of} {condition.comparison} {condition.threshold:g}`"
