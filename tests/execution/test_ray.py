"""What is refused before Ray is asked; Ray itself is tested with the extras."""

import sys
from datetime import timedelta

import pytest

from modelyard.execution import NotPicklable, NotSupported, PublicPorts, RayExecutor, RayMissing
from modelyard.execution.ray_connection import public_interfaces


class NotStarted:
    """Ray, as far as it is asked before anything is opened."""

    @staticmethod
    def is_initialized() -> bool:
        """There is no connection."""
        return False


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is first used, not when the room is imported."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RayMissing, match=r"pip install 'modelyard\[ray\]'"):
        RayExecutor()


def test_a_cluster_is_not_started_where_strangers_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says why, names the interfaces, and how to insist."""
    monkeypatch.setattr("modelyard.execution.ray_connection.load_ray", lambda: NotStarted)
    monkeypatch.setattr("modelyard.execution.ray_connection.public_interfaces", lambda: ["eth0", "wlan0"])
    with pytest.raises(PublicPorts, match=r"eth0, wlan0.*allow_public_ports=True"):
        RayExecutor()


def test_loopback_is_no_public_interface() -> None:
    """Whatever else this machine has."""
    assert "lo" not in public_interfaces()


def test_a_running_cluster_has_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processors cannot be chosen by who connects; and not by way of Ray Client."""
    monkeypatch.setattr("modelyard.execution.ray_connection.load_ray", lambda: NotStarted)
    with pytest.raises(NotSupported, match="cannot be chosen"):
        RayExecutor("127.0.0.1:6379", cpus=4)
    with pytest.raises(NotSupported, match="cannot be chosen"):
        RayExecutor("auto", dashboard=True)
    with pytest.raises(NotSupported, match="address of Ray Client"):
        RayExecutor("ray://127.0.0.1:10001")


def test_what_initializes_workers_must_travel() -> None:
    """As tasks must."""
    with pytest.raises(NotPicklable, match=r"The executor's `initialize` cannot be sent"):
        RayExecutor(initialize=lambda: timedelta(0))
