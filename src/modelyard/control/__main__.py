"""`python -m modelyard.control`: the control process, looking every few seconds until told to stop."""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from modelyard.core import ModelyardError, configure_logging, log_event
from modelyard.core.processes import when_parent_ends
from modelyard.storage import Lease
from modelyard.wiring import Project

from .health import Health
from .leading import LEADER, Leader, leading
from .metrics import answering_scrapes
from .scheduler import look, materialize_when_due, tell_freshness
from .sending import sending
from .shipping import shipping
from .watching import watching


def main() -> int:
    """Look again and again while this process leads; a part that is down is logged and tried again, never fatal."""
    parser = argparse.ArgumentParser(prog="python -m modelyard.control", description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    options = parser.parse_args()
    configure_logging("control")
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    when_parent_ends(stopping.set)
    project = Project(options.project)
    lease = Lease(project.records, LEADER, project.clock, lasts=project.settings.control.lease)
    leader, acting = Leader(lease), project.another(fence=lease.check)
    health = Health(project, leader)
    with (
        leading(leader),
        health.published(),
        answering_scrapes(acting, health),
        sending(acting, leads=leader),
        shipping(acting, leads=leader),
        watching(options.project, leads=leader, fence=lease.check),
    ):
        (project.run_folder / "control.ready").touch()
        while not stopping.wait(project.settings.control.every.total_seconds()):
            if leader():
                health.looked(project.clock.now(), _look(acting))
    acting.close()
    project.close()
    return 0


def _look(project: Project) -> str:
    """Look once, and tell what went wrong."""
    try:
        for each in materialize_when_due(project):
            log_event("control", "materialized", view=each.view, rows=each.rows, stored=each.stored)
        tell_freshness(project)
        happened = look(project)
    except ModelyardError as error:
        log_event("control", "look failed, will be tried again", code=error.code, error=str(error))
        return error.message
    for rollout in happened.rollouts:
        log_event("control", rollout.kind, detail=rollout.detail)
    for loop in happened.loops:
        log_event("control", loop.kind, detail=loop.detail)
    for turn in happened.turns:
        log_event("control", f"scheduled run {turn.state}", pipeline=turn.pipeline, run=turn.run_id, detail=turn.detail)
    return ""


if __name__ == "__main__":
    sys.exit(main())
