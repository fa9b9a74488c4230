"""Smoke tests: a bundle's golden rows asked of a running server, and the record of what it answered."""

import http.client
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelyard.access import Principal
from modelyard.audit import AuditLog
from modelyard.core import Clock, Digest, InvalidInput, SystemClock, Unavailable, Value, to_micros
from modelyard.inference import BundleInfo, golden_rows, label_of, verify_bundle, worst_error
from modelyard.routing import FeedFolder, Route, ServerStatus
from modelyard.storage import RecordStore, Snapshot

SMOKE = "smoke"
"""The kind of the documents that say how a deployment answered a bundle's golden rows, by deployment and bundle."""

SECONDS, _POLL = 10.0, 0.2
_SHOWN = 5
_NOT_NOW = (401, 403, 404, 429, 502, 503, 504)
"""Statuses that tell of the server or the caller, and nothing of the model."""


class Smoke(msgspec.Struct, frozen=True):
    """How a deployment answered the golden rows of one bundle, the last time that it was asked.

    `worst`: the largest difference of a score, relative as the bundle's `tolerance` is. `skipped`: rows that JSON
    cannot carry. `wrong`: what was answered otherwise, some of it.
    """

    deployment: str
    model: str
    version: int
    bundle: Digest
    at: str
    by: str
    address: str
    rows: int
    skipped: int
    worst: float | None
    tolerance: float
    passed: bool
    wrong: tuple[str, ...] = ()


def last_smoke(view: Snapshot, deployment: str, bundle: Digest) -> Smoke | None:
    """How a deployment answered a bundle's golden rows the last time; None when it was never asked."""
    document = view.get(SMOKE, f"{deployment}/{bundle}")
    return msgspec.convert(document.body, Smoke) if document is not None else None


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
        version. Unavailable when none runs, or the version is not there within `wait_s`, or a request fails.
        """
        arm = route.live
        info, _ = verify_bundle(self.feed.bundle_path(arm.bundle), expect=arm.bundle)
        where = address or served_at(route, self._statuses, wait_s)
        found = ask(where, route.deployment, arm.version, self.feed.bundle_path(arm.bundle), info, token)
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
            wrong=found.wrong,
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


@dataclass(frozen=True)
class Answered:
    """What became of golden rows: how many were asked, the worst difference, and what was wrong."""

    rows: int
    skipped: int
    worst: float
    wrong: tuple[str, ...]


def ask(address: str, deployment: str, version: str, bundle: Path, info: BundleInfo, token: str = "") -> Answered:
    """Ask each golden row over HTTP and compare scores and classes; Unavailable when a request fails."""
    rows, expected = golden_rows(bundle, info)
    sendable = [at for at, row in enumerate(rows) if _sendable(row)]
    wrong: list[str] = []
    worst = 0.0
    with _Asking(address, deployment, token) as asking:
        for at in sendable:
            answer = asking.predict([_plain(each) for each in rows[at]])
            if isinstance(answer, str):
                worst = math.inf
                wrong.append(f"row {at}: refused, {answer}")
                continue
            if answer.get("model_version") != version:
                raise _other_version(deployment, version, answer)
            error = worst_error(expected[at : at + 1], _scores(answer, info), info.floor)
            worst = max(worst, error)
            wrong += _wrong(at, answer, expected[at], error, info)
    more = [f"and {len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    return Answered(len(sendable), len(rows) - len(sendable), worst, (*wrong[:_SHOWN], *more))


def _wrong(
    at: int, answer: Mapping[str, Any], expected: NDArray[np.float64], error: float, info: BundleInfo
) -> list[str]:
    if not error <= info.tolerance:
        told = ", ".join(f"{each:.6g}" for each in expected[:_SHOWN])
        return [f"row {at}: {_said(answer)} instead of {told} (off by {error:.2g}, relative)"]
    if info.task == "regression" or answer.get("prediction") == label_of(info, _scores(answer, info)[0]):
        return []
    return [f"row {at}: class {str(answer.get('prediction'))[:40]!r} does not fit its own scores"]


def _scores(answer: Mapping[str, Any], info: BundleInfo) -> NDArray[np.float64]:
    """The scores of one answer (1, k); NaN where it has none."""
    value = answer.get("prediction") if info.task == "regression" else answer.get("probability")
    several = value if isinstance(value, list) else [value]
    numbers = [float(each) if isinstance(each, int | float) else math.nan for each in several]
    return np.array([numbers], dtype=np.float64)


def _said(answer: Mapping[str, Any]) -> str:
    return str(answer.get("probability", answer.get("prediction")))[:80]


def _plain(value: Value) -> Any:
    """A value as JSON carries it; None for a number that is missing."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if isinstance(value, float) and math.isnan(value) else value


def _sendable(row: Sequence[Value]) -> bool:
    """JSON knows no infinities, and tensors with NaN come from no client."""
    return all(
        bool(np.isfinite(each).all()) if isinstance(each, np.ndarray) and each.dtype.kind == "f"
        else not (isinstance(each, float) and math.isinf(each))
        for each in row
    )  # fmt: skip


class _Asking:
    """One connection to a server that stays open."""

    def __init__(self, address: str, deployment: str, token: str) -> None:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{address[:80]!r} is no address of a server.", remedy="Write http://HOST:PORT.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        host = "127.0.0.1" if parts.hostname == "0.0.0.0" else parts.hostname  # noqa: S104 - what it listens on
        self._connection = kind(host, parts.port, timeout=SECONDS)
        self._address, self._deployment = address, deployment
        self._path = f"{parts.path.rstrip('/')}/deployments/{deployment}/predict"
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})

    def __enter__(self) -> "_Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def predict(self, row: Sequence[Any]) -> Mapping[str, Any] | str:
        """The answer to one row, or in words how the row was refused."""
        try:
            self._connection.request("POST", self._path, json.dumps({"features": row}), self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(
                f"The server at {self._address} does not answer: {str(error)[:200] or type(error).__name__}.",
                code="NO_SERVER",
                remedy="Is it running there? See: modelyard status",
            ) from error
        if response.status in _NOT_NOW:
            raise self._refused(response.status, body)
        if response.status != 200:
            return f"{response.status} {_told(body)}"
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        return answer if isinstance(answer, dict) else f"no JSON object: {_told(body)}"

    def _refused(self, status: int, body: bytes) -> Unavailable:
        remedy = (
            "Put a key that may predict into the environment: MODELYARD_API_KEY."
            if status in (401, 403)
            else f"See the server's log; its log of requests: modelyard log query --deployment {self._deployment}"
        )
        return Unavailable(
            f"The server at {self._address} answered a golden row with {status}: {_told(body)}",
            code="SMOKE_REFUSED",
            context={"deployment": self._deployment, "status": status},
            remedy=remedy,
        )


def _told(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        return ascii(body[:100])


def _other_version(deployment: str, version: str, answer: Mapping[str, Any]) -> Unavailable:
    return Unavailable(
        f"'{deployment}' answers by version {str(answer.get('model_version'))[:40]}, not by {version}.",
        code="OTHER_VERSION",
        context={"deployment": deployment, "version": version},
        remedy=f"Wait until its rollout is over (modelyard rollout status {deployment}), or name the right server.",
    )
