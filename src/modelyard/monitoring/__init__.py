"""Monitoring: windows of drift, quality and performance, and alerts.

Owns judging what was logged. Does not own the log (`history`), the arithmetic (`stats`) or acting on a verdict
(`retraining`, `rollout`); never meets `serving`.
"""

from .alerts import AlertBook, evaluate_alerts
from .drift import feature_drift
from .records import Alert, AlertSeverity, AlertState, FeatureDrift, Window
from .settings import AlertSettings, MonitorSettings
from .windows import Monitors

__all__ = [
    "Alert",
    "AlertBook",
    "AlertSettings",
    "AlertSeverity",
    "AlertState",
    "FeatureDrift",
    "MonitorSettings",
    "Monitors",
    "Window",
    "evaluate_alerts",
    "feature_drift",
]
