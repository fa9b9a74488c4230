"""The `alerts` section of the project file."""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, model_validator

from modelyard.core import InvalidInput, is_name
from modelyard.core.durations import Duration
from modelyard.core.settings import Section

from .language import Condition, parse_condition, parse_number
from .metrics import SEGMENT
from .records import AlertSeverity

Optional = Literal[
    "latency_p50", "latency_p95", "accuracy", "precision", "recall", "llm_cost", "unsupported_rate"
]  # fmt: skip
"""Rules that are there to be switched on."""

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""How a secret says that an environment variable holds it."""

_Label = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]*$", max_length=60)]
_Text = Annotated[str, StringConstraints(max_length=200)]
_TAKEN = {"alertname", "alertstate", "severity", "model_name", "deployment", "name"}


class RuleSettings(Section):
    """One rule. One with the name of a default rule takes its place."""

    when: str = Field(description='Condition, such as feature_drift{feature_name="pages"} > 0.3 or error_rate > 1%.')
    hold: Duration | None = Field(None, alias="for", description="How long it must hold before the alert fires.")
    resolve: str | float | None = Field(None, description="Once firing, it resolves only beyond this calmer value.")
    keep_firing_for: Duration | None = Field(None, description="How long it must be calm before it resolves.")
    severity: AlertSeverity = Field(AlertSeverity.WARNING, description="info, warning or critical.")
    labels: dict[_Label, _Text] = Field(default_factory=dict, description="Further labels, told with the alert.")
    runbook: str = Field("", max_length=4000, description="What to do about it, or where that is written.")
    deployments: tuple[str, ...] = Field((), description="Only for these deployments; none: for all.")
    rollback: bool = Field(default=False, description="Firing, it takes back a rollout that was under way before.")

    @property
    def condition(self) -> Condition:
        """`when`, parsed."""
        return parse_condition(self.when)

    @property
    def calm(self) -> float | None:
        """`resolve` in the metric's unit."""
        return None if self.resolve is None else parse_number(self.condition.metric, str(self.resolve))

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        try:
            condition, calm = self.condition, self.calm
        except InvalidInput as error:
            raise ValueError(str(error)) from error
        if calm is not None and (calm > condition.threshold if condition.above else calm < condition.threshold):
            side = "at most" if condition.above else "at least"
            raise ValueError(f"resolve must be {side} the threshold {condition.threshold:g}: it is the calmer value")
        if self.deployments and not condition.metric.of_model:
            raise ValueError(f"{condition.metric.name} is of no deployment: leave `deployments` out")
        if taken := sorted({*_TAKEN, SEGMENT, *condition.metric.labels} & set(self.labels)):
            raise ValueError(f"the label {taken[0]} is set already, by the alert itself")
        return self


class ReceiverSettings(Section):
    """Who is told. A secret may be written as ${NAME}: the environment variable NAME holds it."""

    apprise: SecretStr | None = Field(None, description="URL of apprise: slack://…, pagerduty://…, mailto://…")
    webhook: SecretStr | None = Field(None, description="URL that signed notifications are posted to.")
    secret: SecretStr | None = Field(None, description="What a webhook's notifications are signed with.")
    allow: tuple[str, ...] = Field((), description="Private networks a webhook may be in, such as 10.0.0.0/8.")
    severity: AlertSeverity = Field(AlertSeverity.INFO, description="The least severity told.")
    deployments: tuple[str, ...] = Field((), description="Only of these deployments; none: of all.")
    resolved: bool = Field(default=True, description="Whether it is also told what resolved.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.apprise is None) == (self.webhook is None):
            raise ValueError("name one of apprise and webhook")
        if self.apprise is not None and (self.secret is not None or self.allow):
            raise ValueError("secret and allow are for a webhook")
        if self.webhook is not None:
            _check_webhook(self.webhook.get_secret_value(), self.secret)
        for network in self.allow:
            ipaddress.ip_network(network)  # its ValueError is a finding
        return self


def _check_webhook(url: str, secret: SecretStr | None) -> None:
    if secret is None or len(secret.get_secret_value()) < 4:
        raise ValueError("a webhook needs a secret to be signed with, of 16 characters or more")
    if not VARIABLE.fullmatch(secret.get_secret_value()) and len(secret.get_secret_value()) < 16:
        raise ValueError("the secret of a webhook has 16 characters or more")
    if VARIABLE.fullmatch(url):
        return
    parts = urlsplit(url)
    _ = parts.port  # its ValueError is a finding as well
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError("a webhook is a URL of https (http in networks of `allow`) with a host, and without a user")


class AlertSettings(Section):
    """What is alarming, and who is told. The first five are the default rules."""

    latency_p99: float = Field(200.0, gt=0, description="Milliseconds; warning.")
    error_rate: float = Field(0.01, ge=0, lt=1, description="Share of requests; critical.")
    accuracy_drop: float = Field(0.05, gt=0, description="Below the baseline, in the monitor's metric; critical.")
    drift_score: float = Field(0.15, gt=0, lt=1, description="Importance-weighted mean effect; warning.")
    rollout_held: float = Field(
        3600.0, gt=0, description="Seconds beyond its step's time that a rollout is held for what it lacks; warning."
    )
    also: tuple[Optional, ...] = Field((), description="Further rules to have, from those below.")
    latency_p50: float = Field(50.0, gt=0, description="Milliseconds; warning, where `also` has it.")
    latency_p95: float = Field(100.0, gt=0, description="Milliseconds; warning, where `also` has it.")
    accuracy: float = Field(0.8, gt=0, le=1, description="Floor; critical, where `also` has it.")
    precision: float = Field(0.7, gt=0, le=1, description="Floor; critical, where `also` has it.")
    recall: float = Field(0.7, gt=0, le=1, description="Floor; critical, where `also` has it.")
    llm_cost: float = Field(
        10.0, gt=0, description="The price list's currency, of a window; warning, where `also` has it."
    )
    unsupported_rate: float = Field(
        0.2, ge=0, lt=1, description="Share of sentences that surely rest on nothing; critical, where `also` has it."
    )
    every: Duration = Field(timedelta(minutes=1), description="How often latency and errors are looked at.")
    min_requests: int = Field(20, ge=1, description="Fewer rows in 5 minutes tell nothing of latency and errors.")
    stale_after: int = Field(3, ge=1, le=100, description="Intervals of a source after which its values are no more.")
    rules: dict[str, RuleSettings] = Field(default_factory=dict)
    notify: dict[str, ReceiverSettings] = Field(default_factory=dict)
    group_wait: Duration = Field(timedelta(seconds=30), description="How long further alerts of a group are awaited.")
    group_interval: Duration = Field(timedelta(minutes=5), description="The least time between two notifications.")
    repeat_interval: Duration = Field(timedelta(hours=4), description="When what still fires is told again.")

    @model_validator(mode="after")
    def _named(self) -> Self:
        for kind, names in (("rule", self.rules), ("receiver", self.notify)):
            if wrong := [each for each in names if not is_name(each)]:
                raise ValueError(f"{wrong[0]!r} cannot name a {kind}")
        return self
