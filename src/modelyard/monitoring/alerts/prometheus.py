"""Rules for Prometheus: files that fire and resolve when our own engine does, from the metrics that we export.

The manual's pages "Alerting rules" and "Querying" say what the parts mean. Three things take more than a comparison:
hysteresis looks at `ALERTS`, the series that Prometheus itself keeps of what fires; a gap resolves nothing, so what
fires goes on where the metric has no value; few requests tell nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence

import yaml

from modelyard.core.durations import format_duration

from .language import Condition
from .metrics import REQUESTS, SEGMENT
from .rules import Rule
from .settings import AlertSettings


def rule_file(rules: Sequence[Rule], settings: AlertSettings, models: Mapping[str, str], group: str) -> str:
    """A rule file (YAML) with one group.

    `models` by deployment: metrics are labelled by model, and rules are about the models of these deployments alone.
    """
    written = [_written(each, settings, models) for each in rules]
    document = {"groups": [{"name": group, "interval": format_duration(settings.every), "rules": written}]}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000)


def expression(rule: Rule, settings: AlertSettings, models: Mapping[str, str]) -> str:
    """The rule's condition in PromQL, with hysteresis and gaps."""
    condition, labels = rule.condition, ", ".join(rule.condition.metric.grouped_by)
    value = _value(rule, settings, models)
    own = [each for each in _matchers(rule, models) if not each.startswith(SEGMENT)]
    chosen = ", ".join([f"alertname={_quoted(rule.name)}", 'alertstate="firing"', *own])
    fires = f"ALERTS{{{chosen}}}"
    parts = [f"({value} {condition.comparison} {condition.threshold!r})"]
    if rule.calm is not None:
        parts.append(f"({value} {condition.comparison} {rule.calm!r} and on ({labels}) {fires})")
    parts.append(f"(max by ({labels}) ({fires}) unless on ({labels}) {value} > -Inf)")
    return "\nor ".join(parts)


def _written(rule: Rule, settings: AlertSettings, models: Mapping[str, str]) -> dict[str, object]:
    condition = rule.condition
    written: dict[str, object] = {"alert": rule.name, "expr": expression(rule, settings, models)}
    if rule.hold:
        written["for"] = format_duration(rule.hold)
    if rule.keep:
        written["keep_firing_for"] = format_duration(rule.keep)
    written["labels"] = {"severity": rule.severity.value, **rule.labels}
    where = "model_name" if condition.metric.of_model else condition.metric.grouped_by[0]
    bound = f"the rule is broken {condition.comparison} {condition.threshold:g}"
    annotations = {"summary": f"{{{{ $labels.{where} }}}}: {condition.metric.name} is {{{{ $value }}}}; {bound}"}
    if rule.runbook:
        annotations["runbook"] = rule.runbook.replace("{{", '{{ "{{" }}')
    written["annotations"] = annotations
    return written


def _value(rule: Rule, settings: AlertSettings, models: Mapping[str, str]) -> str:
    condition = rule.condition
    labels, inside = ", ".join(condition.metric.grouped_by), ", ".join(_matchers(rule, models))

    def filled(query: str) -> str:
        return query.replace("%", labels).replace("@", f"{{{inside}}}" if inside else "")

    if condition.metric.gauge or not condition.metric.of_model:
        worst = "max" if condition.above else "min"
        return f"{worst} by ({labels}) ({filled(condition.metric.query)})"
    value = f"({filled(condition.metric.query)})"
    if not condition.metric.of_requests:
        return value
    return f"({value} and on ({labels}) {filled(REQUESTS)} >= {settings.min_requests})"


def _matchers(rule: Rule, models: Mapping[str, str]) -> Iterator[str]:
    condition: Condition = rule.condition
    names = sorted({models.get(each, each) for each in rule.deployments or models})
    if names and condition.metric.of_model:
        yield f"model_name=~{_quoted('|'.join(map(re.escape, names)))}"
    for each in condition.all_matchers:
        yield f"{each.label}{'!=' if each.negated else '='}{_quoted(each.value)}"


def _quoted(text: str) -> str:
    """A string of PromQL, which escapes as JSON does."""
    return json.dumps(text, ensure_ascii=False)
