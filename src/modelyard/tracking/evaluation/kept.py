"""Evaluations as facts: kept apart from MLflow, so that a version's card can be written without it."""

from collections.abc import Mapping

import msgspec

from modelyard.core import Clock, Digest, canonical_json, digest_of
from modelyard.storage import ArtifactStore, RecordStore

from .records import Evaluation

_KIND = "evaluation"


class Evaluations:
    """The evaluations of a project. Each is bytes in the artifact store, found by its run, or by its metrics.

    By its metrics, because these are what a pipeline hands from its evaluation to its registration: two evaluations of
    which every metric is the same to the last bit are of the same answers to the same rows.
    """

    def __init__(self, records: RecordStore, artifacts: ArtifactStore, clock: Clock) -> None:
        self._records = records
        self._artifacts = artifacts
        self._clock = clock

    def keep(self, evaluation: Evaluation, *, run: str = "", name: str = "") -> Digest:
        """Keep an evaluation of one of MLflow's runs, or of none; `name` tells several of a run apart."""
        digest = self._artifacts.put_bytes(msgspec.json.encode(evaluation))
        body = {"evaluation": digest, "run": run, "name": name, "at": self._clock.now().isoformat()}
        labels = {"metrics": _fingerprint(evaluation.metrics)} | ({"run": run} if run else {})
        with self._records.transaction() as tx:
            tx.put(_KIND, f"{run or 'step'}/{digest}", body, labels=labels)
        return digest

    def by_metrics(self, metrics: Mapping[str, float]) -> Digest | None:
        """The newest evaluation that found exactly these."""
        return self._newest("metrics", _fingerprint(metrics)) if metrics else None

    def by_run(self, run: str) -> Digest | None:
        """The newest evaluation of one of MLflow's runs; of several names the one without."""
        return self._newest("run", run)

    def read(self, digest: Digest) -> Evaluation:
        """An evaluation; ArtifactNotFound when the store has lost it, ArtifactDamaged when it is not what was kept."""
        return msgspec.json.decode(self._artifacts.get_bytes(digest), type=Evaluation)

    def _newest(self, label: str, value: str) -> Digest | None:
        with self._records.snapshot() as view:
            found = [each.body for each in view.find(_KIND, label, value)]
        newest = max(found, key=lambda body: (not body["name"], body["at"]), default=None)
        return None if newest is None else Digest(newest["evaluation"])


def _fingerprint(metrics: Mapping[str, float]) -> str:
    return digest_of(canonical_json({name: repr(float(value)) for name, value in metrics.items()}))
