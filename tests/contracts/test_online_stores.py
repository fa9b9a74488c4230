"""Every online store keeps every promise."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelyard.online import LocalOnlineStore, OnlineStore
from modelyard.testing import OnlineStoreSuite


class TestLocal(OnlineStoreSuite):
    """The embedded store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[OnlineStore]:
        store = LocalOnlineStore(tmp_path / "online", map_bytes=64 << 20)
        yield store
        store.close()

    def test_a_killed_writer_leaves_whole_writes_only(self, tmp_path: Path) -> None:
        """A reader in another process sees each write in full or not at all, also after kill -9."""
        program = f"""
from pathlib import Path
from modelyard.online import LocalOnlineStore, StoredRow
store = LocalOnlineStore(Path({str(tmp_path / "online")!r}), map_bytes=64 << 20)
for number in range(1, 10**6):
    store.write("v", [((entity,), StoredRow(number, number, (number,))) for entity in range(50)])
    print(number, flush=True)
"""
        writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)][-1]
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        reader = LocalOnlineStore(tmp_path / "online", readonly=True, map_bytes=64 << 20)
        values = {row.values[0] if row else None for row in reader.read("v", [(entity,) for entity in range(50)])}
        reader.close()
        assert len(values) == 1
        (value,) = values
        assert isinstance(value, int)
        assert value >= acknowledged
