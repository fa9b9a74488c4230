"""What is known of a workspace, and what follows from it."""

from enum import IntEnum
from typing import Literal

import msgspec


class Level(IntEnum):
    """How far the machinery carries, after the two models of this kind that are known best.

    `MANUAL`: Google's level 0, Microsoft's 0 and 1: scripts, and people who hand models over. `PIPELINE`: Google's 1
    without its trigger, Microsoft's 2: training, tracking and registration are one pipeline. `CICD`: Google's 2,
    Microsoft's 3: tests, gates and rollouts stand between a change and production, and production is watched. `FULL`:
    Google's 2 with the trigger of its level 1, Microsoft's 4: what is watched starts retraining, and what is live was
    reviewed and can be proved.

    Sources: Google Cloud, "MLOps: Continuous delivery and automation pipelines in machine learning"
    (https://cloud.google.com/architecture/mlops-continuous-delivery-and-automation-pipelines-in-machine-learning);
    Microsoft, "Machine Learning operations maturity model"
    (https://learn.microsoft.com/en-us/azure/architecture/ai-ml/guide/mlops-maturity-model).
    """

    MANUAL = 0
    PIPELINE = 1
    CICD = 2
    FULL = 3

    @property
    def title(self) -> str:
        """As people call it."""
        return ("manual", "pipeline", "CI/CD", "full")[self]


Kind = Literal["declared", "observed"]
"""Whether the project's files say so, or whether the workspace has record of its being done."""


class Evidence(msgspec.Struct, frozen=True):
    """One fact about a workspace.

    `count`: how many; `of`: out of how many, where there is such a number; `last`: when it was so last (ISO 8601),
    empty where nobody knows. `what` says in words what was counted.
    """

    fact: str
    kind: Kind
    what: str
    count: int
    of: int | None = None
    last: str = ""


class Step(msgspec.Struct, frozen=True):
    """What is missing on the way to a level, and the command or setting that would mend it."""

    level: Level
    capability: str
    missing: str
    next: str


class Judged(msgspec.Struct, frozen=True):
    """One capability: its level, what shows that, and every step that is still to take."""

    name: str
    title: str
    level: Level
    evidence: tuple[Evidence, ...]
    steps: tuple[Step, ...]


class Maturity(msgspec.Struct, frozen=True):
    """A workspace as it stands: no capability lacks anything of `level` or below; `why` says which do of the next."""

    project: str
    at: str
    level: Level
    why: str
    capabilities: tuple[Judged, ...]


class InProduction(msgspec.Struct, frozen=True):
    """A version in production, and what is known of the care that is taken of it.

    `reviewed_by`: who approved this very bundle and neither registered nor requested it. `watched_by`: deployments that
    serve it and whose monitor has judged a window; `windowed_at`: when the newest of these windows ended.
    """

    model: str
    version: int
    label: str
    trained_at: str
    reviewed_by: tuple[str, ...] = ()
    owner: str = ""
    intended_use: str = ""
    deployments: tuple[str, ...] = ()
    watched_by: tuple[str, ...] = ()
    windowed_at: str = ""


class Lacking(msgspec.Struct, frozen=True):
    """What a version in production lacks: review, card, monitor, owner or retraining; and how to mend that."""

    what: Literal["review", "card", "monitor", "owner", "retraining"]
    why: str
    next: str


class Reviewed(msgspec.Struct, frozen=True):
    """A version in production, and all that it lacks."""

    model: str
    version: int
    label: str
    lacking: tuple[Lacking, ...]


class Review(msgspec.Struct, frozen=True):
    """A periodic audit. The verdict is `inconclusive` where nothing is in production."""

    project: str
    at: str
    verdict: Literal["pass", "fail", "inconclusive"]
    models: tuple[Reviewed, ...]
