"""This process's one connection to a Ray cluster, which all its executors share."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from .errors import NotSupported, PublicPorts, RayMissing, RayUnavailable

_lock = threading.Lock()
_users = 0
_ours = False


def load_ray() -> Any:
    """The module `ray`, with its usage statistics off unless the environment asks for them; RayMissing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an extra, and takes a second
    except ImportError as error:
        raise _missing() from error
    return ray


def check_ray(
    address: str | None,
    *,
    cpus: int | None = None,
    gpus: int | None = None,
    dashboard: bool = False,
    allow_public_ports: bool = False,
) -> None:
    """What can be told before Ray is imported, which takes a second: RayMissing, PublicPorts, NotSupported."""
    check_address(address)
    if not _is_installed():
        raise _missing()
    if address is not None:
        _check_nothing_chosen({name: each for name, each in (("cpus", cpus), ("gpus", gpus)) if each is not None})
        _check_nothing_chosen({"dashboard": True} if dashboard else {})
    elif "ray" not in sys.modules:  # else there may be a connection already, which is used
        _check_private(allow_public_ports=allow_public_ports)


def _is_installed() -> bool:
    try:
        return find_spec("ray") is not None
    except ValueError:  # a module that somebody took away
        return False


def _missing() -> RayMissing:
    return RayMissing("Ray is not installed.", remedy="Install it: pip install 'modelyard[ray]'.")


def connect(address: str | None, started_with: Mapping[str, Any], *, allow_public_ports: bool) -> Any:
    """The module `ray`, connected: to a cluster at `address`, or to one started here `started_with` these arguments.

    A connection that this process has already is used. NotSupported, PublicPorts, RayUnavailable.
    """
    global _users, _ours  # noqa: PLW0603 - Ray's connection is the process's
    ray = load_ray()
    with _lock:
        if address is not None or ray.is_initialized():
            _check_nothing_chosen(started_with)
        if ray.is_initialized():
            _check_same(ray, address)
        else:
            _open(ray, address, started_with, allow_public_ports=allow_public_ports)
            _ours = True
        _users += 1
    return ray


def disconnect(ray: Any) -> None:
    """Give up a connection; the last who does ends it, with a cluster that was started for it."""
    global _users, _ours  # noqa: PLW0603 - the same
    with _lock:
        _users -= 1
        if _users == 0 and _ours:
            _ours = False
            with _own_signals():
                ray.shutdown()


def _check_nothing_chosen(started_with: Mapping[str, Any]) -> None:
    if started_with:
        raise NotSupported(
            "What a running Ray cluster has cannot be chosen by who connects to it.",
            context={"given": sorted(started_with)},
            remedy="Leave out cpus, gpus, memory and dashboard, or start a cluster of your own.",
        )


def _check_same(ray: Any, address: str | None) -> None:
    present = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", present):
        raise RayUnavailable(
            f"This process is connected to the Ray cluster at {present}, not {address}; it can have one connection.",
            remedy="Close the other executor first.",
        )


def _open(ray: Any, address: str | None, started_with: Mapping[str, Any], *, allow_public_ports: bool) -> None:
    quiet = {"log_to_driver": False, "configure_logging": False, "logging_level": logging.ERROR}
    if address is None:
        _check_private(allow_public_ports=allow_public_ports)
        where = {"address": "local", "_node_ip_address": "127.0.0.1", "include_dashboard": False, **started_with}
    else:
        where = {"address": address}
    try:
        with _own_signals():
            ray.init(**where, **quiet)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise RayUnavailable(
            f"No Ray cluster answers at {address or 'this machine'}: {str(error).splitlines()[0][:300]}",
            context={"address": address},
            remedy="Correct the address, or start the cluster: ray start --head.",
        ) from error


def _check_private(*, allow_public_ports: bool) -> None:
    outside = public_interfaces()
    if outside and not allow_public_ports:
        raise PublicPorts(
            "Ray opens its ports on every interface, whatever it is told, and who gets in through one runs code; this "
            f"machine has {', '.join(outside[:5])}.",
            context={"interfaces": outside[:20]},
            remedy="Connect to a cluster in a private network by its address; or, where no stranger reaches this "
            "machine, pass allow_public_ports=True (in the project file: execution.ray.allow_public_ports: true).",
        )


def public_interfaces() -> list[str]:
    """The network interfaces that are up and have an address other than loopback."""
    import psutil  # noqa: PLC0415 - worker processes need none of it

    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    return sorted(
        name for name, addresses in psutil.net_if_addrs().items() if name in up and any(map(_is_public, addresses))
    )


def _is_public(address: Any) -> bool:
    if address.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    return not (address.address.startswith("127.") or address.address == "::1")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this program's answer to SIGTERM, which Ray replaces by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_address(address: str | None) -> None:
    """NotSupported for an address of Ray Client, which tells nothing of nodes and futures as a driver does."""
    if address is not None and address.startswith("ray://"):
        raise NotSupported(
            f"{address} is an address of Ray Client.",
            remedy="Give the cluster's own, such as 10.0.0.1:6379, from a machine of the cluster.",
        )
