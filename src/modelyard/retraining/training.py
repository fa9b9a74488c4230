"""What a cycle's pipeline run tells: what was judged, what was computed."""

from collections.abc import Mapping
from typing import Any

from modelyard.pipelines import PipelineRun, find_run
from modelyard.storage import RecordStore


def seconds_of(records: RecordStore, run_id: str) -> float:
    """How long the steps of a run computed, all together; what came from the cache cost nothing."""
    run = find_run(records, run_id)
    return sum(each.seconds for each in run.steps if not each.cached) if run is not None else 0.0


def evidence_of(run: PipelineRun, seconds: float) -> dict[str, Any]:
    """What a finished run is put on record with."""
    judged = [each for each in run.steps if each.kind in ("gate", "validate") and each.verdict is not None]
    evidence: dict[str, Any] = {
        "run": run.id,
        "verdict": run.verdict,
        "seconds": round(seconds, 3),
        "checks": [{"step": each.name, "verdict": each.verdict, "reasons": list(each.reasons)} for each in judged],
    }
    if isinstance(metrics := run.result("evaluate"), Mapping):
        evidence["metrics"] = {name: each for name, each in metrics.items() if isinstance(each, int | float)}
    return evidence


def gates_of(run: PipelineRun) -> str:
    """What the gates of a run said, in their words."""
    return "; ".join(reason for each in run.steps if each.kind == "gate" for reason in each.reasons) or "no gate judged"


def shown_metric(metrics: Any) -> str:
    """The area under the curve in brackets, where there is one."""
    found = metrics.get("auc") if isinstance(metrics, Mapping) else None
    return f" (auc {found:.3f})" if isinstance(found, float) else ""
