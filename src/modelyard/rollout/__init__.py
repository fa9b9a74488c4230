"""Rollout: deployments; bringing a version to one, watching it, promoting it, taking it back.

Owns who serves what, with which evidence. Does not own answering (`serving`), the tests' arithmetic (`stats`)
or when to retrain (`retraining`).
"""

from .analysis import Analysis, analyse
from .errors import NoRollout, RolloutActive, RolloutMovedOn
from .records import Rollout, RolloutEvent
from .rollouts import Rollouts
from .routes import INTENT, RoutePublisher, trusting
from .settings import DeploymentSettings, Strategy

__all__ = [
    "INTENT",
    "Analysis",
    "DeploymentSettings",
    "NoRollout",
    "Rollout",
    "RolloutActive",
    "RolloutEvent",
    "RolloutMovedOn",
    "Rollouts",
    "RoutePublisher",
    "Strategy",
    "analyse",
    "trusting",
]
