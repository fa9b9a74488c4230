"""A port in use is named with its owner and the setting that changes it."""

import os
import socket

import pytest

from modelyard.control import PortInUse, free_port, require_free_port


def test_a_free_port_passes() -> None:
    """Nothing listens there."""
    require_free_port("127.0.0.1", free_port(), setting="server.port")


def test_a_taken_port_names_owner_and_setting() -> None:
    """The message says who has it and what to change."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"Port {port} .* \(pid {os.getpid()}\).*server\.port"):
            require_free_port("127.0.0.1", port, setting="server.port")
