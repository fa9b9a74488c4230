"""A model version as the record store keeps it."""

from typing import Any

import msgspec

from modelyard.core import Digest


class ModelVersion(msgspec.Struct, frozen=True):
    """One version of a model. `number` is MLflow's; `gates` are the judgements of its evaluation.

    `bundle` is the digest of its bundle, `artifact` the tree in the artifact store that holds it; without them the
    version is metadata only and cannot serve.
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

    @property
    def gate_passed(self) -> bool:
        """Whether every gate passed; a version that no gate judged has not."""
        return bool(self.gates) and all(gate["verdict"] == "pass" for gate in self.gates)
