"""Where a run of three months ended: all of it that must not depend on who was killed when."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from tests.control.months.shop.data import START

from modelyard.bundling.build import BUILD_FILE
from modelyard.inference import BundleInfo
from modelyard.pipelines import list_runs
from modelyard.registry import ModelVersion
from modelyard.wiring import Project

WEEK = timedelta(days=7)
_UNTOLD = ("loop.retrying", "audit.checkpoint")
"""A step that is killed is tried again, which is on record."""


def ending(project: Project) -> dict[str, Any]:
    """Versions, what was decided of them and in which week, and what was seen.

    A version that was replaced is let go once one process has watched for so long, which may be a week later where that
    one was killed, and beyond the end for the last: that it was is told, and not when.
    """
    loop, events = project.retraining, project.rollouts.history("shop")
    newest = max(each.number for each in project.models.versions("purchase"))
    let_go = [e for e in events if e.kind == "cooled"]
    perhaps_later = {e.detail for e in let_go if e.version >= newest - 1}
    return {
        "loop": loop.state("purchase").state,
        "history": [_dated(e.at, e.cycle, e.kind) for e in loop.history("purchase") if e.kind != "retrying"],
        "rollouts": [_dated(e.at, e.version, e.kind) for e in events if e.kind != "cooled"],
        "cooled": sorted(e.version for e in let_go if e.detail not in perhaps_later),
        "aliases": project.models.aliases("purchase"),
        "moves": [[each.alias, each.to] for each in project.models.history("purchase")],
        "versions": [_told(project, each) for each in project.models.versions("purchase")],
        "runs": sorted([each.id, each.state] for each in list_runs(project.records)),
        "windows": [[each.start, each.version, each.drifted] for each in project.monitors.windows("shop")],
        "audited": sorted(
            [each.body["action"], each.body["subject"]]
            for each in project.audit.entries()
            if each.body["action"] not in _UNTOLD and each.body["detail"].get("detail") not in perhaps_later
        ),
    }


def require_whole(project: Project) -> None:
    """The audit record is whole, nothing is half done, and no cycle began before the last one had ended."""
    assert project.audit.verify().intact
    assert project.intents.pending() == []
    history = project.retraining.history("purchase")
    assert [each.cycle for each in history] == sorted(each.cycle for each in history)
    ends = ("promoted", "rejected", "failed", "rolled_back")
    assert all(one.kind in ends for one, other in pairwise(history) if other.kind == "triggered")


def require_logged(project: Project, acknowledged: Mapping[str, int], untold: set[str]) -> None:
    """Every prediction that was answered is logged once, and every label that was acknowledged belongs to it."""
    identities = project.log.predictions("shop", columns=["prediction_id"]).column("prediction_id").to_pylist()
    assert len(identities) == len(set(identities))
    assert acknowledged.keys() <= set(identities)
    truths = project.log.truths("shop")
    told = zip(truths.column("prediction_id").to_pylist(), truths.column("label").to_pylist(), strict=True)
    assert {identity: int(label) for identity, label in told} == {
        identity: label for identity, label in acknowledged.items() if identity not in untold
    }


def _dated(at: str, number: int, kind: str) -> list[Any]:
    """What happened, and in which week; visitors of a week come in its last minute."""
    return [round((datetime.fromisoformat(at) - START) / WEEK), number, kind]


def _told(project: Project, version: ModelVersion) -> list[Any]:
    """A version by its files, apart from what names the run that made it, and what was measured then."""
    document = project.models.bundle_file(version, "bundle.json")
    assert document is not None
    info = msgspec.json.decode(document, type=BundleInfo)
    files = {name: digest for name, digest in info.files.items() if name != BUILD_FILE}
    return [version.number, dict(version.metrics), files, dict(info.datasets)]
