"""The registry: model versions, approvals, aliases and their history.

Owns what exists, what may serve and what is fully live. Does not own runs and numbers (`tracking`), how a version
becomes live (`rollout`), or the bundle's content (`inference`).
"""

from .aliases import (
    STAGES,
    Move,
    MoveKind,
    alias_of,
    aliases_of,
    all_holders,
    check_alias,
    in_force_at,
    last_move,
    moves_of,
    point_alias,
    pointed_at,
    previous_holders,
    take_back,
)
from .approvals import Approvals, Counted
from .card import Approval, BuildFacts, Card, DataFacts, Declaration, Moved, Training, card_markdown, card_page
from .checks import check_description, check_tags
from .errors import (
    AlreadyRegistered,
    MayNotApprove,
    ModelVersionNotFound,
    NeedsApproval,
    NothingToApprove,
    NotServable,
)
from .limits import DEFAULT_LIMITS, judge_limits
from .lineage import Arrow, Fact, Lineage, Thing, ThingKind, lineage_lines, lineage_picture
from .listing import ModelSummary, VersionCounts
from .projection import OutsideChange
from .projector import Projector
from .records import FeatureList, ModelVersion, VersionState
from .registry import Registry, judged
from .settings import ApprovalRule, OutsidePolicy
from .standing import Obstacle, obstacles
from .versions import read_version, set_archived

__all__ = [
    "DEFAULT_LIMITS",
    "STAGES",
    "AlreadyRegistered",
    "Approval",
    "ApprovalRule",
    "Approvals",
    "Arrow",
    "BuildFacts",
    "Card",
    "Counted",
    "DataFacts",
    "Declaration",
    "Fact",
    "FeatureList",
    "Lineage",
    "MayNotApprove",
    "ModelSummary",
    "ModelVersion",
    "ModelVersionNotFound",
    "Move",
    "MoveKind",
    "Moved",
    "NeedsApproval",
    "NotServable",
    "NothingToApprove",
    "Obstacle",
    "OutsideChange",
    "OutsidePolicy",
    "Projector",
    "Registry",
    "Thing",
    "ThingKind",
    "Training",
    "VersionCounts",
    "VersionState",
    "alias_of",
    "aliases_of",
    "all_holders",
    "card_markdown",
    "card_page",
    "check_alias",
    "check_description",
    "check_tags",
    "in_force_at",
    "judge_limits",
    "judged",
    "last_move",
    "lineage_lines",
    "lineage_picture",
    "moves_of",
    "obstacles",
    "point_alias",
    "pointed_at",
    "previous_holders",
    "read_version",
    "set_archived",
    "take_back",
]
