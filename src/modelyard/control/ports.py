"""Ports: whether one is free, and if not, who has it."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

import psutil

from .errors import PortInUse


def require_free_port(host: str, port: int, *, setting: str) -> None:
    """Raise PortInUse, with the owner and the setting that changes it, unless `host:port` can be bound now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            owner = port_owner(port)
            raise PortInUse(
                f"Port {port} on {host} is in use by {owner}.",
                context={"port": port, "host": host, "owner": owner, "setting": setting},
                remedy=f"Stop it, or choose another port: {setting} in modelyard.yaml.",
            ) from error


def require_free_ports(host: str, ports: Mapping[str, int]) -> None:
    """`require_free_port` for each port, given by the setting that changes it."""
    for setting, port in ports.items():
        require_free_port(host, port, setting=setting)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    return free_ports(1, host)[0]


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports that were free a moment ago, no two the same."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((host, 0))
        return [probe.getsockname()[1] for probe in probes]


def port_owner(port: int) -> str:
    """Name and pid of the process that listens on a port, as far as this user may see it."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows other processes' sockets to root alone
        return "another process"
    listening = (each for each in connections if each.status == psutil.CONN_LISTEN)
    pids = [each.pid for each in listening if getattr(each.laddr, "port", None) == port]
    for pid in pids:
        if pid is not None and psutil.pid_exists(pid):
            return f"{psutil.Process(pid).name()} (pid {pid})"
    return "another user's process"
