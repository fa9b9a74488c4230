"""A canary whose bundle would take the server down: refused, with its reason, and serving goes on as before."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.inference import verify_bundle
from modelyard.routing import Arm

from ..inference.bad_bundles import crashing, hanging, hungry
from .harness import Server, live


@pytest.fixture
def server(tmp_path: Path, built: BuiltBundle) -> Iterator[Server]:
    """A running server that gives a new bundle three seconds and two gigabytes."""
    server = Server(tmp_path / "server", options=("--probe-seconds=3", "--probe-memory-mb=2000"))
    server.feed.put_bundle(built.path, built.digest)
    server.publish(live(built))
    (tmp_path / "server").mkdir(exist_ok=True)
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("make", "reason"),
    [(crashing, "SIG"), (hanging, "was not loaded and answering within 3 s|processor time"), (hungry, "memory")],
)
def test_a_bad_bundle_is_refused_and_serving_is_unchanged(
    server: Server, built: BuiltBundle, tmp_path: Path, make: Callable[[Path], Path], reason: str
) -> None:
    """While it is tried and afterwards every request is answered, quickly and by the live version."""
    bundle = make(tmp_path / "bad")
    _, digest = verify_bundle(bundle)
    server.feed.put_bundle(bundle, digest)
    slowest, stopping, statuses = [0.0], threading.Event(), set[int]()

    def ask() -> None:
        while not stopping.is_set():
            began = time.monotonic()
            statuses.add(server.predict(amount=1.0)[0])
            slowest[0] = max(slowest[0], time.monotonic() - began)

    client = threading.Thread(target=ask)
    client.start()
    server.publish(live(built, 0.5), Arm("canary", "canary", "2", digest, 0.5))
    server.until(lambda: any(arm.why_not for each in server.statuses() for arm in each.arms))
    stopping.set()
    client.join()
    (why,) = [arm.why_not for each in server.statuses() for arm in each.arms if arm.why_not]
    assert any(part in why for part in reason.split("|")), why
    assert statuses == {200}
    assert slowest[0] < 1.0
