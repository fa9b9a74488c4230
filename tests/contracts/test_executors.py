"""Every executor keeps every promise; the local pool here, Ray with the extras."""

from collections.abc import Iterator

import pytest

from modelyard.execution import Executor, LocalPool
from modelyard.testing import ExecutorSuite


@pytest.fixture(scope="module")
def pool() -> Iterator[LocalPool]:
    """Two workers."""
    with LocalPool(2) as pool:
        yield pool


class TestLocalPool(ExecutorSuite):
    """Worker processes on this machine, one pool for all tests: whatever one does harms no other."""

    @pytest.fixture
    def executor(self, pool: LocalPool) -> Executor:
        return pool

    @pytest.fixture
    def another(self) -> Iterator[Executor]:
        with LocalPool(2) as pool:
            yield pool
