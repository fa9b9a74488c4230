"""What is served now: the routes of the feed with their arms loaded, replaced between two requests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from modelyard.core import Digest, ModelyardError, did_you_mean, log_event
from modelyard.inference import Bundle, IsolationLimits, load_bundle, probe_bundle
from modelyard.online import OnlineStore
from modelyard.routing import Arm, ArmStatus, Feed, FeedFolder, Route, check_route

from .arms import LoadedArm
from .errors import NotReady, NotServed


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


@dataclass(frozen=True)
class Deployment:
    """A route with those of its arms that are loaded, by name."""

    route: Route
    arms: Mapping[str, LoadedArm]
    refused: Mapping[str, str]

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
        arm = self.arms.get(self.route.live.name)
        if arm is None:
            raise NotReady(
                f"The live version {self.route.live.version} of '{self.route.deployment}' is not loaded: "
                f"{self.refused.get(self.route.live.name, 'loading')}.",
                remedy=f"See the server's log; roll back: modelyard rollout rollback {self.route.deployment}.",
            )
        return arm


class Deployments:
    """Follows the feed. `load` may run in a thread beside requests; `current` is replaced in one assignment.

    A bundle is tried in a child process first: one that crashes, hangs or eats up memory never comes near requests.

    A feed that cannot be read, a route that does not add up, or a live arm that cannot be loaded leaves the
    deployment as it was: serving goes on with the last good route.
    """

    def __init__(
        self, feed: FeedFolder, online: OnlineStore, *, only: str | None = None, probe: ProbeLimits | None = None
    ) -> None:
        self._feed = feed
        self._online = online
        self._only = only
        self._probe = probe or ProbeLimits()
        self._bundles: dict[Digest, Bundle] = {}
        self._permitted: frozenset[Digest] = frozenset()
        self._newly_permitted: frozenset[Digest] = frozenset()
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
        except ModelyardError as error:
            log_event("serving", "feed refused, the last good one stays", error=str(error))
            self._stamp = stamp
            return False
        if feed is not None:
            routes = [route for route in feed.routes if self._only in (None, route.deployment)]
            permitted = frozenset(feed.python_bundles)
            self._newly_permitted, self._permitted = permitted - self._permitted, permitted
            self.current = {route.deployment: self._deployment(route) for route in routes}
            self.feed = feed
            wanted = {arm.bundle for route in routes for arm in route.arms}
            self._bundles = {digest: bundle for digest, bundle in self._bundles.items() if digest in wanted}
        self._stamp = stamp
        return True

    def find(self, name: str | None) -> Deployment:
        """The deployment of a name; without a name the only one. NotServed gives the nearest."""
        if name is None and len(self.current) == 1:
            return next(iter(self.current.values()))
        if name is None:
            raise NotServed(
                f"This server hosts {len(self.current)} deployments; say which.",
                remedy=f"POST /deployments/NAME/predict. {did_you_mean('', self.current)}",
            )
        if name not in self.current:
            raise NotServed(f"There is no deployment '{name}'.", remedy=did_you_mean(name, self.current))
        return self.current[name]

    def each_arm(self, visit: Callable[[Deployment, LoadedArm], None]) -> None:
        """Visit every loaded arm."""
        for deployment in self.current.values():
            for arm in deployment.arms.values():
                visit(deployment, arm)

    def routes(self) -> list[Route]:
        """The routes that are served."""
        return [each.route for each in self.current.values()]

    def statuses(self) -> tuple[ArmStatus, ...]:
        """Whether each arm of each route is loaded, or why not."""
        return tuple(
            ArmStatus(
                deployment=name,
                arm=arm.name,
                version=arm.version,
                bundle=arm.bundle,
                loaded=arm.name in deployment.arms,
                why_not=deployment.refused.get(arm.name, ""),
            )
            for name, deployment in self.current.items()
            for arm in deployment.route.arms
        )

    def ready(self) -> bool:
        """Whether there is a route, and every live arm is loaded."""
        return bool(self.current) and all(each.route.live.name in each.arms for each in self.current.values())

    def close(self) -> None:
        """End the worker processes of bundles that have one. Those no longer served end with their last request."""
        for bundle in self._bundles.values():
            bundle.close()

    def _deployment(self, route: Route) -> Deployment:
        before = self.current.get(route.deployment)
        if before is not None and before.route == route and not self._may_load_more(before):
            return before
        try:
            check_route(route)
        except ModelyardError as error:
            log_event("serving", "route refused", deployment=route.deployment, error=str(error))
            return before or Deployment(route, {}, {arm.name: error.message for arm in route.arms})
        arms, refused = {}, {}
        for arm in route.arms:
            try:
                arms[arm.name] = self._arm(arm, before)
            except ModelyardError as error:
                refused[arm.name] = error.message
                log_event("serving", "bundle refused", deployment=route.deployment, arm=arm.name, error=error.message)
        if route.live.name in refused and before is not None:
            return Deployment(before.route, before.arms, refused)
        return Deployment(route, arms, refused)

    def _may_load_more(self, before: Deployment) -> bool:
        """Whether an arm that was refused has been given the permission that its bundle needs."""
        return any(arm.name in before.refused and arm.bundle in self._newly_permitted for arm in before.route.arms)

    def _arm(self, arm: Arm, before: Deployment | None) -> LoadedArm:
        known = before.arms.get(arm.name) if before is not None else None
        if known is not None and known.arm == arm:
            return known
        if arm.bundle not in self._bundles:
            folder = self._feed.bundle_path(arm.bundle)
            memory_mb, seconds, allowed = self._probe.memory_mb, self._probe.seconds, self._permitted
            probe_bundle(folder, expect=arm.bundle, memory_mb=memory_mb, seconds=seconds, allow_python=allowed)
            self._bundles[arm.bundle] = load_bundle(
                folder, expect=arm.bundle, allow_python=allowed, limits=self._probe.isolation
            )
        return LoadedArm(arm, self._bundles[arm.bundle], self._online)
