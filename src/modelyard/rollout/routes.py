"""Routes as records: append-only generations, and publishing them to servers."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from modelyard.access import SYSTEM
from modelyard.audit import AuditLog, Intent, Note
from modelyard.inference import NO_TRUST_ASKED, Trust
from modelyard.registry import Move, take_back
from modelyard.routing import Arm, Feed, FeedFolder, KeyEntry, Route, check_route
from modelyard.storage import RecordStore, Snapshot, Transaction

from .settings import DeploymentSettings

KIND = "route"
ROLLOUT = "rollout"
WITHDRAWN = "withdrawn"
"""The documents that say from which sources nothing is retrieved, by the name of the index."""

INTENT = "route.change"
"""The kind of intent that `RoutePublisher` carries out."""


def current_route(view: Snapshot, deployment: str) -> Route | None:
    """The newest route of a deployment."""
    document = view.get(KIND, deployment)
    return msgspec.convert(document.body, Route) if document is not None else None


def write_route(tx: Transaction, route: Route, arms: Sequence[Arm], reason: str) -> Route:
    """Append the next generation of a route, within the caller's transaction.

    Generations count the stream's entries, so that not even a first route that was undone gives its number away.
    """
    last = tx.entries(f"routes/{route.deployment}", limit=1, descending=True)
    generation = (last[0].seq if last else 0) + 1
    later = check_route(msgspec.structs.replace(route, generation=generation, arms=tuple(arms), reason=reason))
    body = msgspec.to_builtins(later)
    tx.put(KIND, later.deployment, body)
    tx.append(f"routes/{later.deployment}", body)
    return later


def generations(view: Snapshot, deployment: str, *, since: int) -> list[Route]:
    """The generations of a deployment's route from `since` on."""
    entries = view.entries(f"routes/{deployment}", after=since - 1)
    return [msgspec.convert(entry.body, Route) for entry in entries]


def trusting(feed: Feed, trust: Trust) -> Feed:
    """A feed that tells servers whom to trust."""
    return msgspec.structs.replace(
        feed,
        python_bundles=trust.python_bundles,
        require_signed=trust.require_signed,
        trusted_keys=tuple(each.text for each in trust.keys),
        python_keys=tuple(each.text for each in trust.python_keys),
    )


def withdrawn_in(view: Snapshot) -> dict[str, tuple[str, ...]]:
    """The sources in which nothing is to be found any more, by the names of the indexes that they are in."""
    return {each.key: tuple(each.body["sources"]) for each in view.scan(WITHDRAWN) if each.body["sources"]}


_PYTHON = ("permission", "python")
"""The document of whose Python servers were last told that they may run."""


class RoutePublisher:
    """The intent handler of route changes: apply publishes the feed, project shows aliases in MLflow.

    Nothing here imports MLflow unless a projection is asked for; rollbacks leave it to the reconciler.
    """

    def __init__(
        self,
        records: RecordStore,
        feed: FeedFolder,
        keys: Callable[[Snapshot], tuple[KeyEntry, ...]],
        project: Callable[[str], Note],
        deployments: Mapping[str, DeploymentSettings],
        *,
        authentication: bool,
        trust: Callable[[], Trust] = lambda: NO_TRUST_ASKED,
        audit: AuditLog | None = None,
        upstreams: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> None:
        """With `audit` it is put on record whenever servers may run other bundles' Python than before."""
        self._records = records
        self._feed = feed
        self._keys = keys
        self._project = project
        self._policies = {name: each.serving.policy for name, each in deployments.items()}
        self._authentication = authentication
        self._trust = trust
        self._audit = audit
        self._upstreams = {name: dict(each) for name, each in upstreams.items()}

    def publish(self) -> Feed:
        """Publish what the record store says now.

        Reading and publishing happen within one write transaction: of two processes that publish at once the later
        reads later, so that an older route never replaces a newer one.
        """
        trust = self._trust()
        with self._records.transaction() as tx:
            routes = tuple(msgspec.convert(each.body, Route) for each in tx.scan(KIND))
            published = self._feed.read()
            routed = Feed(
                revision=(published.revision if published is not None else 0) + 1,
                routes=routes,
                keys=self._keys(tx),
                authentication=self._authentication,
                policies=self._policies,
                upstreams=self._upstreams,
                withdrawn=withdrawn_in(tx),
            )
            feed = trusting(routed, trust)
            self._note_python(tx, feed)
            self._feed.publish(feed)
        return feed

    def _note_python(self, tx: Transaction, feed: Feed) -> None:
        """What of it changed since it was last noted, with the feed that says so to servers, or not at all."""
        now = {"bundles": list(feed.python_bundles), "keys": list(feed.python_keys)}
        known = tx.get(*_PYTHON)
        before = known.body if known is not None else {"bundles": [], "keys": []}
        if self._audit is None or now == before:
            return
        tx.put(*_PYTHON, now)
        self._audit.record(tx, SYSTEM, "python.permit", "servers", {"now": now, "before": dict(before)})

    def apply(self, intent: Intent) -> None:  # noqa: ARG002 - the record store, not the intent, says what is published
        """Publish the feed. Repeating it publishes the same routes again."""
        self.publish()

    def project(self, intent: Intent) -> Note:
        """Show the model's aliases and stages in MLflow."""
        return self._project(str(intent.payload["model"]))

    def undo(self, tx: Transaction, intent: Intent) -> None:
        """Put back routes (as new generations), rollouts and alias; none of the change was ever served."""
        why = "the change could not be published"
        for before in intent.payload["before"]:
            deployment = str(before["deployment"])
            _restore_route(tx, deployment, before["route"], why)
            if before["rollout"] is None:
                tx.delete(ROLLOUT, deployment)
            else:
                tx.put(ROLLOUT, deployment, before["rollout"])
        if (move := intent.payload["move"]) is not None:
            take_back(tx, str(intent.payload["model"]), msgspec.convert(move, Move), principal=SYSTEM, reason=why)


def _restore_route(tx: Transaction, deployment: str, before: Mapping[str, Any] | None, why: str) -> None:
    if before is None:
        tx.delete(KIND, deployment)
        return
    route = msgspec.convert(before, Route)
    write_route(tx, route, route.arms, why)
