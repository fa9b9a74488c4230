"""Which arm a version means, and what becomes of arms that do not fit together."""

from collections.abc import Iterator

import pytest

from modelyard.core import Digest, ManualClock
from modelyard.inference import Bundle
from modelyard.routing import Arm
from modelyard.serving.dataplane import Answer
from modelyard.serving.errors import ModelFailed, NotReady
from modelyard.serving.protocols.answering import answering, arm_of
from modelyard.serving.protocols.errors import NoSuchVersion
from modelyard.serving.protocols.tensors import tensors_of

from ...conftest import NOON
from .service import Service, live, route


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Service]:
    """A service whose canary could not be loaded."""
    built = request.getfixturevalue("built")
    lost = Arm("canary", "canary", "2", Digest("0" * 64), 0.5)
    routes = (route("fraud", live(built, weight=0.5), lost, Arm("watcher", "shadow", "3", built.digest, 1.0)),)
    service = Service(tmp_path_factory.mktemp("damaged"), routes, (built,), ManualClock(NOON))
    service.start()
    yield service
    service.close()


def test_a_version_that_is_not_loaded_is_not_ready(damaged: Service) -> None:
    """And says why; the others are."""
    assert arm_of(damaged.plane, "fraud", "3").arm.name == "watcher"
    with pytest.raises(NotReady, match="Version 2 of 'fraud' is not loaded"):
        arm_of(damaged.plane, "fraud", "2")
    assert damaged.ask("GET", "/v2/models/fraud/versions/2/ready")[0] == 503
    states = damaged.ask("GET", "/v1/models/fraud")[1]["model_version_status"]
    assert [each["state"] for each in states] == ["AVAILABLE", "START", "AVAILABLE"]


def test_a_pinned_version_keeps_its_shadows_and_loses_its_rivals(damaged: Service) -> None:
    """The route of the answer is that of live alone; the deployment itself stays as it is."""
    pinned = answering(damaged.plane, "fraud", "1").route
    assert [(arm.name, arm.weight) for arm in pinned.arms] == [("live", 1.0), ("watcher", 1.0)]
    assert len(damaged.plane.deployments.find("fraud").route.arms) == 3


@pytest.mark.parametrize("version", ["2", "3", "", "live"])
def test_what_is_not_the_live_version_does_not_answer(damaged: Service, version: str) -> None:
    """Neither an arm on trial nor a shadow."""
    with pytest.raises(NoSuchVersion) as raised:
        answering(damaged.plane, "fraud", version)
    assert raised.value.remedy == (
        "The live version is 1. Beside it, as the route assigns them: 2, 3. Leave the version out to ask the route."
    )


def test_an_arm_of_another_kind_of_model_is_our_fault(fraud_model: Bundle) -> None:
    """Its scores would not fill the tensor that live promises."""
    with pytest.raises(ModelFailed, match="gives 3 scores where live gives 1"):
        tensors_of(fraud_model.info, [Answer("id", "1", (0.1, 0.2, 0.7), "2", "live", ())])
