"""The engine that a name and settings stand for."""

from contextlib import closing

import pytest
from pydantic import ValidationError

from modelyard.core import InvalidInput
from modelyard.execution import (
    DoesNotFit,
    ExecutionSettings,
    LocalPool,
    LocalSettings,
    NotSupported,
    PublicPorts,
    RayMissing,
    RaySettings,
    Task,
    check_engine,
    open_executor,
)
from modelyard.testing import tasks


def test_an_engine_that_there_is_not_is_refused_with_those_there_are() -> None:
    """And the nearest name."""
    with pytest.raises(InvalidInput, match=r"no engine 'locla'\. There are: local, ray\. Did you mean 'local'"):
        check_engine("locla", ExecutionSettings())


def test_ray_that_is_not_installed_is_missed_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local engine does not miss it."""
    monkeypatch.setattr("modelyard.execution.ray_connection.find_spec", lambda _: None)
    assert check_engine("local", ExecutionSettings()) == "local"
    with pytest.raises(RayMissing, match=r"pip install 'modelyard\[ray\]'"):
        check_engine("ray", ExecutionSettings())


def test_a_cluster_that_strangers_would_reach_is_refused_before_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the project file says that none are there; a running cluster is another's care."""
    monkeypatch.setattr("modelyard.execution.ray_connection.public_interfaces", lambda: ["eth0"])
    with pytest.raises(PublicPorts, match=r"eth0.*execution\.ray\.allow_public_ports: true"):
        check_engine("ray", ExecutionSettings())
    assert check_engine("ray", ExecutionSettings(ray=RaySettings(allow_public_ports=True))) == "ray"
    assert check_engine("ray", ExecutionSettings(ray=RaySettings(address="10.0.0.1:6379"))) == "ray"


@pytest.mark.parametrize("chosen", [{"cpus": 4}, {"gpus": 1}, {"dashboard": True}])
def test_what_a_running_cluster_has_is_not_chosen_here(chosen: dict[str, int]) -> None:
    """A setting that would mean nothing is an error, before Ray is asked."""
    ray = RaySettings.model_validate({"address": "auto", **chosen})
    with pytest.raises(NotSupported, match="cannot be chosen"):
        check_engine("ray", ExecutionSettings(ray=ray))


def test_the_local_engine_has_the_gpus_that_are_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """None by default; the remedy says how to declare them."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    wanted = Task("one", tasks.give, (1,), resources={"gpus": 1})
    with closing(open_executor("local", ExecutionSettings(), {})) as executor:
        with pytest.raises(DoesNotFit) as caught:
            executor.submit(wanted)
        assert "execution.local.gpus: 1" in caught.value.remedy
    with closing(open_executor("local", ExecutionSettings(local=LocalSettings(gpus=1)), {})) as executor:
        assert isinstance(executor, LocalPool)
        executor.submit(Task("seen", tasks.variable, ("CUDA_VISIBLE_DEVICES",), resources={"gpus": 1}))
        assert executor.wait(60)[0].value == "0"


def test_devices_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps see these; and the first that are visible when only their number is said."""
    wanted = Task("one", tasks.variable, ("CUDA_VISIBLE_DEVICES",), resources={"gpus": 1})
    named = ExecutionSettings(local=LocalSettings.model_validate({"devices": ["GPU-8a", "1"]}))
    with closing(open_executor("local", named, {})) as executor:
        executor.submit(wanted)
        assert executor.wait(60)[0].value == "GPU-8a"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    counted = ExecutionSettings(local=LocalSettings.model_validate({"gpus": 1}))
    with closing(open_executor("local", counted, {})) as executor:
        executor.submit(wanted)
        assert executor.wait(60)[0].value == "5"
    with pytest.raises(DoesNotFit, match=r"3 GPUs are declared; .* lets this process use 2: '5,7'"):
        open_executor("local", ExecutionSettings(local=LocalSettings.model_validate({"gpus": 3})), {})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"gpus": 1, "devices": ["0", "1"]}, "gpus is 1, and 2 devices are named"),
        ({"devices": ["0", "0"]}, "a device is named twice"),
    ],
)
def test_devices_that_contradict_each_other_are_refused(given: dict[str, object], told: str) -> None:
    """Where the settings are read."""
    with pytest.raises(ValidationError, match=told):
        LocalSettings.model_validate(given)


def test_more_workers_are_given_more_calls_at_a_time() -> None:
    """Unless it is said how many."""
    assert ExecutionSettings().width == 8
    assert ExecutionSettings(local=LocalSettings(workers=32)).width == 32
    assert ExecutionSettings(parallel=3, local=LocalSettings(workers=32)).width == 3
