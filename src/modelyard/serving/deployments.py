"""What is served now: the routes of the feed with their arms loaded, replaced between two requests."""

import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from logging import WARNING
from typing import TYPE_CHECKING

from modelyard.core import Digest, Forbidden, ModelyardError, did_you_mean, log_event
from modelyard.generation import Judges, Retrieval
from modelyard.inference import (
    NO_TRUST_ASKED,
    Bundle,
    Embedder,
    IsolationLimits,
    SignaturesDamaged,
    TextClassifier,
    Trust,
    admit,
    load_bundle,
    load_embedder,
    probe_bundle,
    verify_bundle,
)
from modelyard.online import OnlineStore
from modelyard.routing import DEFAULT_POLICY, Arm, ArmStatus, Feed, FeedFolder, Route, ServingPolicy, check_route

from .applications import LoadedApplication, load_application
from .arms import LoadedArm
from .cache import ScoreCache
from .embedders import LoadedEmbedder, holds_embedder
from .errors import BadRequest, NotReady, NotServed
from .trust import trust_of

if TYPE_CHECKING:
    from modelyard.retrieval import Index

    from .retrieving import Retriever

DRAIN_SECONDS = 30.0
"""How long a model that makes room for another may take to answer what it has begun."""


@dataclass(frozen=True)
class ProbeLimits:
    """What a bundle may use up when it is tried, in a process of its own, before it is loaded here.

    A model that stays in a process of its own is held to the same memory, and to `call_seconds` for each call.
    """

    memory_mb: int = 4096
    seconds: float = 60.0
    call_seconds: float = 10.0

    @property
    def isolation(self) -> IsolationLimits:
        """The limits of a model's worker process."""
        return IsolationLimits(self.memory_mb, self.seconds, self.call_seconds)


Loaded = LoadedArm | LoadedApplication | LoadedEmbedder
"""What may be behind an arm."""


@dataclass(frozen=True)
class Deployment:
    """A route with those of its arms that are loaded, by name."""

    route: Route
    loaded: Mapping[str, Loaded]
    refused: Mapping[str, str]
    policy: ServingPolicy = DEFAULT_POLICY

    @cached_property
    def arms(self) -> Mapping[str, LoadedArm]:
        """The arms that take rows."""
        return {name: each for name, each in self.loaded.items() if isinstance(each, LoadedArm)}

    @cached_property
    def applications(self) -> Mapping[str, LoadedApplication]:
        """The arms that take messages of a chat."""
        return {name: each for name, each in self.loaded.items() if isinstance(each, LoadedApplication)}

    @cached_property
    def embedders(self) -> Mapping[str, LoadedEmbedder]:
        """The arms that take texts."""
        return {name: each for name, each in self.loaded.items() if isinstance(each, LoadedEmbedder)}

    @cached_property
    def split(self) -> bool:
        """Whether others than the live arm answer."""
        return any(arm.role not in ("live", "shadow") for arm in self.route.arms)

    @cached_property
    def shadowed(self) -> bool:
        """Whether shadows get copies."""
        return any(arm.role == "shadow" for arm in self.route.arms)

    @cached_property
    def live(self) -> LoadedArm:
        """The live arm; NotReady when it could not be loaded."""
        arm = self.loaded.get(self.route.live.name)
        if isinstance(arm, LoadedArm):
            return arm
        raise self._another(arm, "rows")

    @cached_property
    def application(self) -> LoadedApplication:
        """The live arm of an application; NotReady when it could not be loaded, BadRequest when it takes rows."""
        arm = self.loaded.get(self.route.live.name)
        if isinstance(arm, LoadedApplication):
            return arm
        raise self._another(arm, "messages")

    @cached_property
    def embedder(self) -> LoadedEmbedder:
        """The live arm of an embedder; NotReady when it could not be loaded, BadRequest when it is none."""
        arm = self.loaded.get(self.route.live.name)
        if isinstance(arm, LoadedEmbedder):
            return arm
        raise self._another(arm, "texts")

    def _another(self, arm: Loaded | None, asked: str) -> ModelyardError:
        """Why an arm does not take what it was asked with."""
        if arm is None:
            return self._not_ready()
        name = self.route.deployment
        what, takes, path = (
            ("a model", "rows", f"/deployments/{name}/predict")
            if isinstance(arm, LoadedArm)
            else ("an application of a language model", "messages", "/v1/chat/completions")
            if isinstance(arm, LoadedApplication)
            else ("an embedder", "texts", "/v1/embeddings")
        )
        context = {} if asked == "rows" else {"path": "model"}
        return BadRequest(
            f"'{name}' is {what}: it takes {takes}, not {asked}.", context=context, remedy=f"POST {path}."
        )

    def _not_ready(self) -> NotReady:
        return NotReady(
            f"The live version {self.route.live.version} of '{self.route.deployment}' is not loaded: "
            f"{self.refused.get(self.route.live.name, 'loading')}.",
            remedy=f"See the server's log; roll back: modelyard rollout rollback {self.route.deployment}.",
        )


class Deployments:
    """Follows the feed. `load` may run in a thread beside requests; `current` is replaced in one assignment.

    A bundle is tried in a child process first: one that crashes, hangs or eats up memory never comes near requests.

    A feed that cannot be read, a route that does not add up, or a live arm that cannot be loaded leaves the
    deployment as it was: serving goes on with the last good route.

    Where memory holds no two models (`swap: drain`) the old one finishes what it has begun and is released first, while
    who comes is asked to come again; of several servers of a feed one at a time does so. When the new model is refused
    the old one is loaded again.
    """

    def __init__(
        self,
        feed: FeedFolder,
        online: OnlineStore,
        *,
        only: str | None = None,
        probe: ProbeLimits | None = None,
        server: str = "",
    ) -> None:
        """`server` is the name by which routes that servers take one after the other know this one."""
        self._feed = feed
        self._online = online
        self._only = only
        self._server = server
        self._probe = probe or ProbeLimits()
        self._bundles: dict[Digest, Bundle] = {}
        self._embedders: dict[Digest, Embedder] = {}
        self._indexes: dict[Digest, Index] = {}
        self._trust: Trust = NO_TRUST_ASKED
        self._not_admitted: set[Digest] = set()
        self._newly_admitted: set[Digest] = set()
        self._doubted: Mapping[Digest, str] = {}
        self._ailing: Mapping[tuple[str, str], str] = {}
        self._caches: dict[tuple[str, Digest], ScoreCache] = {}
        self._refused: set[Digest] = set()
        self._tried: set[Digest] = set()
        self._retired: list[tuple[Deployment, LoadedArm]] = []
        self._stamp: tuple[int, int] | None = None
        self.current: Mapping[str, Deployment] = {}
        self.feed: Feed | None = None

    def changed(self) -> bool:
        """Whether the feed was replaced since the last `load`; one `stat` call."""
        return self._feed.stamp() != self._stamp

    def load(self) -> bool:
        """Load what the feed asks for beside what is served, then swap; False when the feed could not be used."""
        stamp = self._feed.stamp()
        try:
            feed = self._feed.read()
            trust = NO_TRUST_ASKED if feed is None else trust_of(feed)
        except ModelyardError as error:
            log_event("serving", "feed refused, the last good one stays", error=str(error))
            self._stamp = stamp
            return False
        if feed is not None:
            routes = [route.at(self._server) for route in feed.routes if self._only in (None, route.deployment)]
            self._trust = trust
            self._newly_admitted = {each for each in self._not_admitted if self._admitted(each)}
            self._not_admitted -= self._newly_admitted
            self._not_admitted &= {arm.bundle for route in routes for arm in route.arms}
            self._refused -= self._newly_admitted
            self._swap({route.deployment: self._deployment(route, feed.policy(route.deployment)) for route in routes})
            self.feed = feed
            self._forget_unused()
            self._doubt()
        self._stamp = stamp
        return True

    def quicken(self) -> None:
        """Let compiled code answer for the bundles that have trees for it; may take some seconds. Safe from any thread.

        Requests go on meanwhile, and are answered by the bundles' own runtimes.
        """
        arms = [arm for deployment in self.current.values() for arm in deployment.arms.values()]
        for bundle in {id(arm.bundle): arm.bundle for arm in arms}.values():
            if bundle.quicken():
                for arm in arms:
                    if arm.bundle is bundle:
                        arm.measure()
                log_event("serving", "compiled trees took over", bundle=bundle.digest)

    def try_standing_by(self) -> None:
        """Have arms that the route gives nothing answer an example. Safe from any thread.

        They stay in memory, so that switching to one takes no time, and what ails one is in the status.
        """
        ailing = {}
        for name, deployment in self.current.items():
            for arm in deployment.arms.values():
                if arm.arm.role != "live" and arm.arm.weight == 0 and (why := arm.try_out()):
                    ailing[name, arm.arm.name] = f"loaded, but it does not answer: {why}"
        self._ailing = ailing

    def find(self, name: str | None) -> Deployment:
        """The deployment of a name; without a name the only one. NotServed gives the nearest."""
        if (meant := self._meant(name)) is not None:
            return meant
        if name is None:
            raise NotServed(
                f"This server hosts {len(self.current)} deployments; say which.",
                remedy=f"POST /deployments/NAME/predict. {did_you_mean('', self.current)}",
            )
        raise NotServed(f"There is no deployment '{name}'.", remedy=did_you_mean(name, self.current))

    def each_arm(self, visit: Callable[[Deployment, LoadedArm], None]) -> None:
        """Visit every loaded arm."""
        for deployment in self.current.values():
            for arm in deployment.arms.values():
                visit(deployment, arm)

    def policy(self, name: str | None) -> ServingPolicy:
        """How the requests of a deployment are treated: the defaults for one that is not there."""
        meant = self._meant(name)
        return DEFAULT_POLICY if meant is None else meant.policy

    @property
    def largest_body(self) -> int:
        """The bytes that the most generous of the deployments takes in one request."""
        return max((each.policy.body_limit for each in self.current.values()), default=DEFAULT_POLICY.body_limit)

    def model(self, name: str | None) -> str:
        """The model behind a deployment's name, or behind the only one; empty when there is none."""
        meant = self._meant(name)
        return "" if meant is None else meant.route.model

    @property
    def retired(self) -> bool:
        """Whether arms were replaced since `take_retired` was last called."""
        return bool(self._retired)

    def take_retired(self) -> list[tuple[Deployment, LoadedArm]]:
        """The arms that were replaced since the last call."""
        retired, self._retired = self._retired, []
        return retired

    def routes(self) -> list[Route]:
        """The routes that are served."""
        return [each.route for each in self.current.values()]

    def statuses(self) -> tuple[ArmStatus, ...]:
        """Whether each arm of each route is loaded, or why not; and of one that is, why it would not be loaded now."""
        return tuple(
            ArmStatus(
                deployment=name,
                arm=arm.name,
                version=arm.version,
                bundle=arm.bundle,
                loaded=arm.name in deployment.loaded,
                why_not=self._why_not(deployment, arm),
                weight=arm.weight,
            )
            for name, deployment in self.current.items()
            for arm in deployment.route.arms
        )

    def ready(self) -> bool:
        """Whether there is a route, and every live arm is loaded."""
        return bool(self.current) and all(each.route.live.name in each.loaded for each in self.current.values())

    def close(self) -> None:
        """End the worker processes of bundles that have one. Those no longer served end with their last request."""
        for bundle in self._bundles.values():
            bundle.close()

    def _why_not(self, deployment: Deployment, arm: Arm) -> str:
        if (refused := deployment.refused.get(arm.name)) is not None:
            return refused
        return self._ailing.get((deployment.route.deployment, arm.name), self._doubted.get(arm.bundle, ""))

    def _meant(self, name: str | None) -> Deployment | None:
        """The deployment of a name; without a name the only one, if there is but one."""
        current = self.current
        if name is not None:
            return current.get(name)
        return next(iter(current.values())) if len(current) == 1 else None

    def _swap(self, after: Mapping[str, Deployment]) -> None:
        kept = {id(arm) for deployment in after.values() for arm in deployment.arms.values()}
        before, self.current = self.current, after
        for deployment in before.values():
            self._retired += [(deployment, arm) for arm in deployment.arms.values() if id(arm) not in kept]

    def _forget_unused(self) -> None:
        """Release bundles that no arm has, and what was remembered of their answers."""
        used = {(name, arm.arm.bundle) for name, each in self.current.items() for arm in each.loaded.values()}
        applications = [each for deployment in self.current.values() for each in deployment.applications.values()]
        digests = {digest for _, digest in used} | {
            part.digest for each in applications for part in each.application.parts
        }
        self._bundles = {digest: bundle for digest, bundle in self._bundles.items() if digest in digests}
        self._embedders = {digest: each for digest, each in self._embedders.items() if digest in digests}
        self._indexes = {digest: each for digest, each in self._indexes.items() if digest in digests}
        self._caches = {place: cache for place, cache in self._caches.items() if place in used}

    def _deployment(self, route: Route, policy: ServingPolicy) -> Deployment:
        try:
            check_route(route)
        except ModelyardError as error:
            log_event("serving", "route refused", deployment=route.deployment, error=str(error))
            broken = Deployment(route, {}, {arm.name: error.message for arm in route.arms}, policy)
            return self.current.get(route.deployment, broken)
        if policy.swap == "drain" and self._must_make_room(route):
            return self._drained(route, policy)
        before = self.current.get(route.deployment)
        same = before is not None and (before.route, before.policy) == (route, policy)
        if before is not None and same and not self._may_load_more(before):
            return before
        arms, refused = self._arms(route, policy, before)
        if route.live.name in refused and before is not None:
            return Deployment(before.route, before.loaded, refused, before.policy)
        return Deployment(route, arms, refused, policy)

    def tables(self) -> dict[str, str]:
        """The feature views that loaded models read, and where each is stored."""
        arms = [arm for each in self.current.values() for arm in each.arms.values()]
        return {view.name: view.table for arm in arms for view in arm.plan.views}

    def _must_make_room(self, route: Route) -> bool:
        """Whether a route brings a model that is not loaded, while others of the deployment are."""
        before = self.current.get(route.deployment)
        new = {arm.bundle for arm in route.arms} - self._bundles.keys() - self._refused
        return bool(before is not None and before.arms and any(self._admitted(each) for each in new))

    def _drained(self, route: Route, policy: ServingPolicy) -> Deployment:
        """The new route, loaded after the arms of the one before have gone."""
        with self._feed.turn():
            before = self.current[route.deployment]
            last_good, leaving = before.route, [weakref.ref(arm.bundle) for arm in before.arms.values()]
            why = dict.fromkeys(before.arms, "a new version is being loaded in its place")
            self._swap({**self.current, route.deployment: Deployment(last_good, {}, why, policy)})
            del before  # it holds what is to go
            self._forget_unused()
            self._until_gone(leaving)
            arms, refused = self._arms(route, policy, None)
            if route.live.name not in refused:
                return Deployment(route, arms, refused, policy)
            self._refused |= {arm.bundle for arm in route.arms if arm.name in refused}
            arms, again = self._arms(last_good, policy, None)
            return Deployment(last_good, arms, {**again, **refused}, policy)

    def _until_gone(self, leaving: Sequence["weakref.ref[Bundle]"]) -> None:
        """Wait until the requests that still use bundles have been answered; at last go on anyway."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(each() is not None for each in leaving):
            if time.monotonic() > deadline:
                log_event("serving", "an old model is still in use; the new one is loaded beside it")
                return
            time.sleep(0.01)

    def _arms(
        self, route: Route, policy: ServingPolicy, before: Deployment | None
    ) -> tuple[dict[str, Loaded], dict[str, str]]:
        """The arms of a route that can be loaded, and why the others cannot."""
        arms: dict[str, Loaded] = {}
        refused: dict[str, str] = {}
        for arm in route.arms:
            known = before.loaded.get(arm.name) if before is not None and before.policy == policy else None
            try:
                arms[arm.name] = known if known is not None and known.arm == arm else self._arm(route, arm, policy)
            except ModelyardError as error:
                refused[arm.name] = error.message
                if isinstance(error, Forbidden | SignaturesDamaged):
                    self._not_admitted.add(arm.bundle)
                log_event("serving", "bundle refused", deployment=route.deployment, arm=arm.name, error=error.message)
        return arms, refused

    def _arm(self, route: Route, arm: Arm, policy: ServingPolicy) -> Loaded:
        folder = self._feed.bundle_path(arm.bundle)
        self._trust.check(folder, arm.bundle)
        known = arm.bundle in self._bundles or arm.bundle in self._embedders
        if not known and (application := load_application(folder, arm, self._retriever, self._suspects)) is not None:
            return application
        if not known:
            self._try(arm.bundle)
        if not known and holds_embedder(folder):
            self._embedders[arm.bundle] = load_embedder(folder, expect=arm.bundle, trust=self._trust)
        if (embedder := self._embedders.get(arm.bundle)) is not None:
            return LoadedEmbedder(arm, embedder)
        if not known:
            self._bundles[arm.bundle] = load_bundle(
                folder, expect=arm.bundle, limits=self._probe.isolation, trust=self._trust
            )
        cache = self._cache(route.deployment, arm.bundle, policy)
        return LoadedArm(arm, self._bundles[arm.bundle], self._online, cache=cache, redact=policy.private)

    def _try(self, digest: Digest) -> None:
        """Try a bundle in a process of its own; a rollback waits for no trial that it has passed before."""
        if digest not in self._tried:
            memory_mb, seconds = self._probe.memory_mb, self._probe.seconds
            folder = self._feed.bundle_path(digest)
            probe_bundle(folder, expect=digest, memory_mb=memory_mb, seconds=seconds, trust=self._trust)
            self._tried.add(digest)

    def _retriever(self, retrieval: Retrieval) -> "Retriever":
        """What an application's answers rest on, loaded once for all that have it."""
        from modelyard.retrieval import Searcher, load_folder  # noqa: PLC0415 - who retrieves nothing has no need of it

        from .retrieving import Retriever  # noqa: PLC0415 - as above

        embedder, index = retrieval.embedder.digest, retrieval.index.digest
        self._trust.check(self._feed.bundle_path(index), index)
        if index not in self._indexes:
            self._indexes[index] = load_folder(self._feed.bundle_path(index), expect=index)
        return Retriever(retrieval, Searcher(self._indexes[index], self._embedder(embedder)))

    def _suspects(self, judges: Judges) -> TextClassifier:
        """What a guard of injections asks, its parts loaded once for all that have them."""
        digest = judges.classifier.digest
        folder = self._feed.bundle_path(digest)
        self._trust.check(folder, digest)
        if digest not in self._bundles:
            self._try(digest)
            self._bundles[digest] = load_bundle(folder, expect=digest, limits=self._probe.isolation, trust=self._trust)
        return TextClassifier(self._embedder(judges.embedder.digest), self._bundles[digest])

    def _embedder(self, digest: Digest) -> Embedder:
        """An embedder that is a part of something."""
        folder = self._feed.bundle_path(digest)
        self._trust.check(folder, digest)
        if digest not in self._embedders:
            self._try(digest)
            self._embedders[digest] = load_embedder(folder, expect=digest, trust=self._trust)
        return self._embedders[digest]

    def _may_load_more(self, before: Deployment) -> bool:
        """Whether an arm that was refused has been given the signature or permission that its bundle needs."""
        return any(arm.name in before.refused and arm.bundle in self._newly_admitted for arm in before.route.arms)

    def _admitted(self, digest: Digest) -> bool:
        """Whether a bundle may be loaded as far as signatures and permissions go."""
        folder = self._feed.bundle_path(digest)
        try:
            info, _ = verify_bundle(folder, expect=digest)
            admit(folder, info, digest, self._trust)
        except ModelyardError:
            return False
        return True

    def _doubt(self) -> None:
        """Note which of the served bundles would not be loaded now. They go on: nobody is left without an answer."""
        doubted = {}
        for digest in self._bundles:
            try:
                self._trust.check(self._feed.bundle_path(digest), digest)
            except ModelyardError as error:
                doubted[digest] = f"served, but not to be loaded again: {error.message}"
        for digest in doubted.keys() - self._doubted.keys():
            log_event("serving", "a served bundle is no longer trusted", level=WARNING, bundle=digest)
        self._doubted = doubted

    def _cache(self, deployment: str, digest: Digest, policy: ServingPolicy) -> ScoreCache | None:
        """What is remembered of a bundle's answers, by all arms that have it; made anew when the policy changes."""
        if policy.cache_answers == 0:
            return None
        known = self._caches.get((deployment, digest))
        if known is None or (known.entries, known.seconds) != (policy.cache_answers, policy.cache_seconds):
            known = self._caches[deployment, digest] = ScoreCache(policy.cache_answers, policy.cache_seconds)
        return known
