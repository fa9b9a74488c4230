"""Shadows: bounded, capped, counted, and never in the way of an answer."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock, Micros, SeededIds
from modelyard.history import PredictionLog
from modelyard.inference import verify_bundle
from modelyard.journal import Journal
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route, ServingPolicy
from modelyard.serving.arms import Input, LoadedArm, Outcome
from modelyard.serving.dataplane import DataPlane
from modelyard.serving.deployments import Deployments
from modelyard.serving.metrics import Metrics
from modelyard.serving.shadowing import GATHER_SECONDS, PAUSE, TURN_US, Shadows

from ..conftest import NOON
from ..inference.bad_bundles import python_bundle
from .test_isolated_models import MOODY, Moody

ROW = Input({"amount": 1.0, "country": "de", "customer": "anna"}, None)


class Watched:
    """A data plane in this process whose live arm is watched by shadows."""

    def __init__(self, folder: Path, built: BuiltBundle, policy: ServingPolicy, shadows: int = 1) -> None:
        feed = FeedFolder(folder / "feed")
        feed.put_bundle(built.path, built.digest)
        watchers = [Arm(f"watcher{at}", "shadow", str(at + 2), built.digest, 1.0) for at in range(shadows)]
        arms = (Arm("live", "live", "1", built.digest, 1.0), *watchers)
        feed.publish(Feed(1, (Route("fraud", "m", 1, arms, "s"),), policies={"fraud": policy}))
        self.folder, self.clock, self.metrics = folder, ManualClock(NOON), Metrics()
        self._online = LocalOnlineStore(folder / "online")
        self.journal = Journal(folder / "journal", "s", self.clock)
        deployments = Deployments(feed, self._online)
        self.plane = DataPlane(deployments, self.journal, self.metrics, self.clock, SeededIds(0), "s")
        deployments.load()
        self.deployment = deployments.find("fraud")

    async def ask(self, rows: int = 1) -> None:
        """Have rows answered."""
        assert len(await self.plane.predict(self.deployment, [ROW] * rows, at=Micros(0), key=None)) == rows

    def dropped(self, reason: str) -> float:
        """Copies dropped for a reason."""
        labels = {"model_name": "m", "reason": reason}
        return self.metrics.registry.get_sample_value("shadow_requests_dropped_total", labels) or 0.0

    def records(self, arm: str = "watcher0") -> list[dict[str, Any]]:
        """What a shadow's records say, after the end."""
        self.plane.close()
        self.journal.close()
        self._online.close()
        log = PredictionLog(self.folder / "journal", self.folder / "log")
        rows: list[dict[str, Any]] = log.predictions("fraud", arm=arm).to_pylist()
        return rows


Watching = Callable[..., Watched]


@pytest.fixture
def watched(tmp_path: Path, built: BuiltBundle) -> Watching:
    """Makes a watched plane under a policy."""
    numbers = itertools.count()
    return lambda shadows=1, **policy: Watched(tmp_path / str(next(numbers)), built, ServingPolicy(**policy), shadows)


def test_copies_beyond_the_queue_are_dropped_and_counted(watched: Watching) -> None:
    """Nobody scores meanwhile: ten wait, the rest is counted, every row is answered."""
    here = watched(shadow_queue=10)
    asyncio.run(here.ask(25))
    assert here.plane.shadows.waiting() == 10
    assert here.dropped("queue") == 15
    assert len(here.records()) == 10


def test_a_shadow_sees_no_more_a_second_than_it_may(watched: Watching) -> None:
    """Five at once, then as time goes by; what is beyond is counted as capped."""
    here = watched(shadow_per_second=5.0)
    asyncio.run(here.ask(20))
    assert (here.plane.shadows.waiting(), here.dropped("cap")) == (5, 15)
    here.clock.advance(timedelta(seconds=0.4))
    asyncio.run(here.ask(20))
    assert (here.plane.shadows.waiting(), here.dropped("cap")) == (7, 33)


def test_the_answer_leaves_before_anything_is_copied(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even reading the features of another model's plan waits until the caller has been told."""
    here, order = watched(), list[str]()
    freeze = LoadedArm.freeze

    def slowly(self: LoadedArm, *given: Any) -> Input:
        order.append("copied")
        return freeze(self, *given)

    monkeypatch.setattr(LoadedArm, "freeze", slowly)

    async def ask() -> None:
        here.plane.submit(here.deployment, [ROW], at=None, key=None, then=lambda _: order.append("answered"))
        await asyncio.sleep(0.05)

    asyncio.run(ask())
    assert order == ["answered", "copied"]


def test_a_shadow_that_breaks_what_must_not_break_fails_no_answer(
    watched: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither when its features are read nor when its answers are recorded; both are counted."""
    here = watched()

    def broken(*_: object, **__: object) -> Input:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(LoadedArm, "freeze", broken)
        asyncio.run(here.ask(3))
    assert here.dropped("failed") == 3
    asyncio.run(here.ask(2))
    with monkeypatch.context() as patched:
        patched.setattr(here.plane.shadows, "_settle", broken)
        here.plane.shadows.turn()
    assert here.dropped("failed") == 5


def test_a_turn_on_the_loop_costs_a_millisecond_at_most(watched: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of dear rows few are scored at a time, of cheap ones many; each shadow has its turn."""
    here, scored = watched(shadows=2), list[int]()
    answer = LoadedArm.answer

    def counted(self: LoadedArm, rows: Sequence[tuple[Input, Micros]]) -> list[Outcome]:
        scored.append(len(rows))
        return answer(self, rows)

    asyncio.run(here.ask(100))
    monkeypatch.setattr(LoadedArm, "answer", counted)
    for arm in here.deployment.arms.values():
        arm.row_us = TURN_US / 4
    here.plane.shadows.turn()
    assert scored == [4]
    for arm in here.deployment.arms.values():
        arm.row_us = 1.0
    here.plane.shadows.turn()
    assert scored == [4, 64, 64]


@pytest.mark.parametrize("busy", [False, True])
def test_while_requests_come_shadows_leave_most_of_the_time_to_them(
    watched: Watching, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    """A backlog is worked off at once when nobody comes; while somebody does, in a twenty-fifth of the time."""
    here, spent, pauses = watched(), list[float](), list[float]()
    turn, sleep = Shadows.turn, asyncio.sleep

    def timed(self: Shadows) -> None:
        began = time.perf_counter()
        turn(self)
        spent.append(time.perf_counter() - began)

    async def work_off() -> None:
        async def paused(seconds: float) -> None:
            ours = asyncio.current_task() is scoring  # and not a server of another test, in a thread of its own
            pauses.extend([seconds] * ours)
            await sleep(0 if ours else seconds)

        await here.ask(1000)
        monkeypatch.setattr(Shadows, "turn", timed)
        scoring = asyncio.create_task(here.plane.shadows.run())
        monkeypatch.setattr(asyncio, "sleep", paused)
        while here.plane.shadows.waiting():
            here.plane.shadows.rounds += busy
            await sleep(0)
        scoring.cancel()

    asyncio.run(work_off())
    assert len(pauses) > 2
    if busy:
        assert all(pause >= max(GATHER_SECONDS, PAUSE * took) for pause, took in zip(pauses, spent, strict=True))
    else:
        assert set(pauses[1:]) == {0}


def test_a_shadow_that_hangs_holds_up_no_other(tmp_path: Path, built: BuiltBundle) -> None:
    """One in a worker process waits for its deadline; the other sees all there is, and so do the callers."""
    moody = Moody(tmp_path, python_bundle(tmp_path / "bundle", MOODY))
    other = python_bundle(tmp_path / "other", MOODY + "\n# another\n")
    third = python_bundle(tmp_path / "third", MOODY.replace("== 2: time.sleep(60)", "== 99: pass"))
    digests = []
    for bundle in (other, third):
        digests.append(verify_bundle(bundle)[1])
        moody.server.feed.put_bundle(bundle, digests[-1])
    live = Arm("live", "live", "1", digests[1], 1.0)
    shadows = (Arm("hangs", "shadow", "2", digests[0], 1.0), Arm("fine", "shadow", "3", digests[1], 1.0))
    route = Route("moody", "moody", 1, (live, *shadows), "salt", clock="request")
    moody.server.feed.publish(Feed(1, (route,), python_bundles=tuple(digests)))
    moody.server.start()
    began = time.monotonic()
    assert [moody.ask(2.0) for _ in range(20)] == [200] * 20
    moody.server.until(lambda: len(moody.server.log.predictions("moody", arm="fine")) == 20, seconds=5)
    assert time.monotonic() - began < 5
    moody.server.stop()
    assert set(moody.server.log.predictions("moody", arm="hangs").column("error").to_pylist()) <= {"timeout", "model"}
