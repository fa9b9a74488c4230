"""A model version as the record store keeps it."""

from typing import Any

import msgspec

from modelyard.core import Digest


class VersionState(msgspec.Struct, frozen=True):
    """What may change of a version: kept beside its facts, which never do.

    `checks` are judgements of `model gate`, by what each looks at; None of `tags` or `description` means as registered.
    """

    archived: bool = False
    tags: dict[str, str] | None = None
    description: str | None = None
    checks: tuple[dict[str, Any], ...] = ()


class FeatureList(msgspec.Struct, frozen=True):
    """The inputs of a version in order, as request fields and `view:feature`.

    Where a feature service listed them, its name, and the digest of what it meant then.
    """

    names: tuple[str, ...]
    service: str | None = None
    digest: Digest | None = None


class ModelVersion(msgspec.Struct, frozen=True):
    """One version of a model. `number` is MLflow's; `gates` are the judgements of its evaluation.

    `bundle` is the digest of its bundle, `artifact` the tree in the artifact store that holds it; without them the
    version is metadata only and cannot serve. `features` are known of those that a pipeline trained. `evaluation` is
    the digest of what it was found to be worth, in the artifact store (`tracking.Evaluation`), `made_in` the pipeline
    run and step that registered it, as RUN/STEP. `archived`, `tags`, `description` and `checks` are as they are now.
    """

    name: str
    number: int
    label: str
    created_at: str
    created_by: str
    run: str | None = None
    source: str | None = None
    bundle: Digest | None = None
    artifact: Digest | None = None
    metrics: dict[str, float] = {}
    params: dict[str, Any] = {}
    tags: dict[str, str] = {}
    gates: tuple[dict[str, Any], ...] = ()
    description: str = ""
    archived: bool = False
    checks: tuple[dict[str, Any], ...] = ()
    features: FeatureList | None = None
    evaluation: Digest | None = None
    made_in: str = ""

    @property
    def gate_passed(self) -> bool:
        """Whether every gate and every later check passed; a version that no gate judged has not."""
        return bool(self.gates) and all(each["verdict"] == "pass" for each in (*self.gates, *self.checks))

    def in_state(self, state: VersionState) -> "ModelVersion":
        """The version with what has changed since it was registered."""
        return msgspec.structs.replace(
            self,
            archived=state.archived,
            tags=self.tags if state.tags is None else state.tags,
            description=self.description if state.description is None else state.description,
            checks=state.checks,
        )
