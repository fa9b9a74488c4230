"""Two real servers: one with a single deployment, one with several, a canary and a shadow."""

from collections.abc import Iterator

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, Route

from ..harness import Server, canary, live
from ..protocols.conftest import numeric_bundle


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """A server of one deployment."""
    server = Server(tmp_path_factory.mktemp("alone"))
    server.feed.put_bundle(built.path, built.digest)
    LocalOnlineStore(server.folder / "online").close()
    server.publish(live(built))
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def on_demand(tmp_path_factory: pytest.TempPathFactory, on_demand_bundle: BuiltBundle) -> Iterator[Server]:
    """A server of a model with on-demand features."""
    server = Server(tmp_path_factory.mktemp("on-demand"))
    server.feed.put_bundle(on_demand_bundle.path, on_demand_bundle.digest)
    LocalOnlineStore(server.folder / "online").close()
    server.publish(live(on_demand_bundle))
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="session")
def several(
    tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle, strict_bundle: BuiltBundle
) -> Iterator[Server]:
    """A server of a binary classifier with a canary and a shadow, a strict one, one of three classes, a regression."""
    server = Server(tmp_path_factory.mktemp("several"))
    LocalOnlineStore(server.folder / "online").close()
    bundles = tmp_path_factory.mktemp("bundles")
    kind, price = numeric_bundle(bundles / "kind", ("low", "middle", "high")), numeric_bundle(bundles / "price")
    for bundle in (built, strict_bundle, kind, price):
        server.feed.put_bundle(bundle.path, bundle.digest)
    watcher = Arm("watcher", "shadow", "3", strict_bundle.digest, 1.0)
    routes = [
        Route("fraud", "fraud-model", 1, (live(built, 0.5), canary(strict_bundle, 0.5), watcher), "salt"),
        *(
            Route(name, f"{name}-model", 1, (live(bundle),), "salt", clock="request")
            for name, bundle in (("strict", strict_bundle), ("kind", kind), ("price", price))
        ),
    ]
    server.feed.publish(Feed(1, tuple(routes), (), authentication=False))
    server.start()
    yield server
    assert server.stop() == 0
