"""Rollout: deployments; bringing a version to one, watching it, promoting it, taking it back.

Owns who serves what, with which evidence. Does not own answering (`serving`), the tests' arithmetic (`stats`)
or when to retrain (`retraining`).
"""

from .analysis import Analysis, analyse
from .errors import NoRollout, RolloutActive, RolloutMovedOn
from .outside import EXTERNAL, Outside, OutsideChanges
from .promotion import ALIAS_CHANGE, AliasProjection, Promotions
from .records import AliasEvent, Rollout, RolloutEvent
from .rollouts import Rollouts
from .routes import INTENT, RoutePublisher, trusting
from .settings import DeploymentSettings, Strategy
from .uses import RouteUse

__all__ = [
    "ALIAS_CHANGE",
    "EXTERNAL",
    "INTENT",
    "AliasEvent",
    "AliasProjection",
    "Analysis",
    "DeploymentSettings",
    "NoRollout",
    "Outside",
    "OutsideChanges",
    "Promotions",
    "Rollout",
    "RolloutActive",
    "RolloutEvent",
    "RolloutMovedOn",
    "Rollouts",
    "RoutePublisher",
    "RouteUse",
    "Strategy",
    "analyse",
    "trusting",
]
