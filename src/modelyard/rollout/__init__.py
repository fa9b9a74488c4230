"""Rollout: deployments; bringing a version to one, watching it, promoting it, taking it back.

Owns who serves what, with which evidence. Does not own answering (`serving`), the tests' arithmetic (`stats`)
or when to retrain (`retraining`).
"""

from .errors import NoGoldenRows, NoNextStep, NoRollout, NotEnoughEvidence, RolloutActive, RolloutMovedOn
from .looking import Alarm
from .outside import EXTERNAL, Outside, OutsideChanges
from .parts import with_parts
from .plans import ALL_STRATEGIES, Asked, check_strategy, parse_steps, plan_of
from .promotion import ALIAS_CHANGE, AliasProjection, Promotions
from .records import AliasEvent, Plan, Rollout, RolloutEvent, Strategy
from .rollouts import Rollouts
from .routes import INTENT, WITHDRAWN, RoutePublisher, generations, trusting, withdrawn_in
from .settings import DeploymentSettings
from .smoke import Smoke, SmokeTests, last_smoke
from .strategies import PROMOTE_AT, STRATEGIES, Decision, Facts, Way
from .tally import Tally
from .trail import Point, Weights
from .trials import trial_of
from .uses import RouteUse

__all__ = [
    "ALIAS_CHANGE",
    "ALL_STRATEGIES",
    "EXTERNAL",
    "INTENT",
    "PROMOTE_AT",
    "STRATEGIES",
    "WITHDRAWN",
    "Alarm",
    "AliasEvent",
    "AliasProjection",
    "Asked",
    "Decision",
    "DeploymentSettings",
    "Facts",
    "NoGoldenRows",
    "NoNextStep",
    "NoRollout",
    "NotEnoughEvidence",
    "Outside",
    "OutsideChanges",
    "Plan",
    "Point",
    "Promotions",
    "Rollout",
    "RolloutActive",
    "RolloutEvent",
    "RolloutMovedOn",
    "Rollouts",
    "RoutePublisher",
    "RouteUse",
    "Smoke",
    "SmokeTests",
    "Strategy",
    "Tally",
    "Way",
    "Weights",
    "check_strategy",
    "generations",
    "last_smoke",
    "parse_steps",
    "plan_of",
    "trial_of",
    "trusting",
    "with_parts",
    "withdrawn_in",
]
