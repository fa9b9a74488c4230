"""Asking running servers golden rows, and keeping what they answered."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, SystemClock, Unavailable, to_micros
from modelyard.inference import PREDICTIONS, BundleInfo, verify_bundle
from modelyard.routing import Arm, FeedFolder, Route, ServerStatus
from modelyard.storage import RecordStore

from ..errors import NoGoldenRows
from .connection import Connection
from .embedder import ask_embedder
from .predictor import ask_predictor
from .records import SMOKE, Answered, Smoke

_POLL = 0.2


@dataclass(frozen=True)
class SmokeTests:
    """Asks running servers, and keeps what they answered, with its audit entry."""

    records: RecordStore
    audit: AuditLog
    feed: FeedFolder
    clock: Clock

    def run(
        self, route: Route, principal: Principal, *, address: str | None = None, token: str = "", wait_s: float = 30.0
    ) -> Smoke:
        """Ask the live version of a route its golden rows, one request each.

        Without an `address` the server that follows this project's feed is asked, once all its workers have the
        version. Unavailable when none runs, or the version is not there within `wait_s`, or a request fails;
        NoGoldenRows for what keeps none.
        """
        arm = route.live
        bundle = self.feed.bundle_path(arm.bundle)
        info, _ = verify_bundle(bundle, expect=arm.bundle)
        if info.task not in (*PREDICTIONS, "embedding"):
            raise _no_golden_rows(route, info)
        where = address or served_at(route, self._statuses, wait_s)
        with Connection(where, route.deployment, token) as server:
            found = _ask(server, arm, bundle, info)
        smoke = Smoke(
            deployment=route.deployment,
            model=route.model,
            version=int(arm.version),
            bundle=arm.bundle,
            at=self.clock.now().isoformat(),
            by=principal.name,
            address=where,
            rows=found.rows,
            skipped=found.skipped,
            worst=found.worst if math.isfinite(found.worst) else None,
            tolerance=info.tolerance,
            passed=found.rows > 0 and not found.wrong,
            wrong=found.some(),
        )
        self._keep(smoke, principal)
        return smoke

    def _statuses(self) -> tuple[ServerStatus, ...]:
        # Servers beat by the wall clock, whatever clock events follow.
        return self.feed.statuses(to_micros(SystemClock().now()))

    def _keep(self, smoke: Smoke, principal: Principal) -> None:
        with self.records.transaction() as tx:
            tx.put(SMOKE, f"{smoke.deployment}/{smoke.bundle}", msgspec.to_builtins(smoke))
            told = {"model": smoke.model, "version": smoke.version, "bundle": smoke.bundle, "passed": smoke.passed}
            self.audit.record(tx, principal, "deploy.smoke", smoke.deployment, told)


def _ask(server: Connection, arm: Arm, bundle: Path, info: BundleInfo) -> Answered:
    if info.task == "embedding":
        return ask_embedder(server, arm.bundle, bundle, info)
    return ask_predictor(server, arm.version, bundle, info)


def served_at(route: Route, statuses: Callable[[], Sequence[ServerStatus]], wait_s: float) -> str:
    """The address of the server, once every worker that beats has the route's live version loaded."""
    deadline = time.monotonic() + wait_s
    while True:
        found = statuses()
        if not found:
            raise _no_server(route)
        behind = [reason for each in found if (reason := _behind(each, route))]
        if not behind:
            return found[0].address
        if time.monotonic() >= deadline:
            raise Unavailable(
                f"Version {route.live.version} of '{route.deployment}' is not loaded by {len(behind)} of {len(found)} "
                f"workers after {wait_s:g} s: {behind[0]}.",
                code="NOT_LOADED",
                context={"deployment": route.deployment, "version": route.live.version},
                remedy=f"See the server's log, and modelyard status; then: modelyard deploy smoke {route.deployment}",
            )
        time.sleep(_POLL)


def _behind(status: ServerStatus, route: Route) -> str:
    """Why a worker does not answer by a route's live version yet; nothing when it does."""
    if status.generations.get(route.deployment, 0) < route.generation:
        return f"{status.server} is at generation {status.generations.get(route.deployment, 0)} of {route.generation}"
    arms = [arm for arm in status.arms if (arm.deployment, arm.arm) == (route.deployment, route.live.name)]
    loaded = any(arm.loaded and arm.bundle == route.live.bundle for arm in arms)
    return "" if loaded else next((arm.why_not for arm in arms if arm.why_not), f"{status.server} has not loaded it")


def _no_server(route: Route) -> Unavailable:
    return Unavailable(
        f"No server runs that could be asked as '{route.deployment}'.",
        code="NO_SERVER",
        context={"deployment": route.deployment},
        remedy="Start one (modelyard up, or modelyard serve), or name another: "
        f"modelyard deploy smoke {route.deployment} --url http://HOST:PORT",
    )


def _no_golden_rows(route: Route, info: BundleInfo) -> NoGoldenRows:
    what = "an application of a language model" if info.task == "generation" else f"what answers {info.task}"
    return NoGoldenRows(
        f"'{route.deployment}' serves '{route.model}', {what}, and that has no golden rows.",
        context={"deployment": route.deployment, "task": info.task},
        remedy=f"Put a suite of questions to it: modelyard llm eval SUITE --deployment {route.deployment}",
    )
