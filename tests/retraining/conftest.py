"""What tests of the loop begin with."""

from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock

from .yard import ME, Yard


@pytest.fixture
def yard(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> Yard:
    """Version 1 is live and nothing has been seen of it."""
    yard = Yard(tmp_path, clock, built)
    yard.rollouts.start("d", yard.version(), ME)
    return yard
