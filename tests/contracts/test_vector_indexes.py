"""Every index of vectors keeps the contract."""

import pytest

from modelyard.testing import VectorIndexSuite
from modelyard.testing.vectors import DIMENSION
from modelyard.vectors import ExactIndex, HnswIndex, VectorIndex


class TestExact(VectorIndexSuite):
    """By numpy alone."""

    @pytest.fixture
    def index(self) -> VectorIndex:
        return ExactIndex(DIMENSION)


class TestHnsw(VectorIndexSuite):
    """By a graph of neighbours."""

    @pytest.fixture
    def index(self) -> VectorIndex:
        return HnswIndex(DIMENSION)
