"""Alerts: rules over what is measured, what fires since when, who is told.

Owns rules and their language, the states of alerts, silences, notifications and their delivery, and the same rules for
Prometheus. Does not own measuring: whoever measures tells values by name (`AlertBook.tell`).
"""

from .book import AlertBook, state_of
from .errors import NoSuchAlert, NotDelivered
from .gauges import AlertGauges
from .groups import Notice
from .language import parse_condition
from .metrics import METRICS, Metric, Unit
from .outbox import Outbox, Outgoing, Receiver, ReceiverOf
from .prometheus import rule_file
from .receivers import receivers_of
from .records import Acknowledgement, Alert, AlertSeverity, AlertState, Instance, Series, Silence, Values, series
from .responses import Responses, fits
from .rules import Rule, evaluate_alerts, rules_of
from .settings import AlertSettings, ReceiverSettings, RuleSettings
from .webhook import verify_webhook

__all__ = [
    "METRICS",
    "Acknowledgement",
    "Alert",
    "AlertBook",
    "AlertGauges",
    "AlertSettings",
    "AlertSeverity",
    "AlertState",
    "Instance",
    "Metric",
    "NoSuchAlert",
    "NotDelivered",
    "Notice",
    "Outbox",
    "Outgoing",
    "Receiver",
    "ReceiverOf",
    "ReceiverSettings",
    "Responses",
    "Rule",
    "RuleSettings",
    "Series",
    "Silence",
    "Unit",
    "Values",
    "evaluate_alerts",
    "fits",
    "parse_condition",
    "receivers_of",
    "rule_file",
    "rules_of",
    "series",
    "state_of",
    "verify_webhook",
]
