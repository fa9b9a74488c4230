"""Two machines for whoever ships between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .machines import Machines


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    """Two machines and a stream."""
    machines = Machines(tmp_path)
    yield machines
    machines.journal.close()
    machines.stream.close()
