"""The table of what is found stands in the docs as it is measured."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_table_of_planted_drift_is_what_is_measured(tmp_path: Path) -> None:
    """Line by line what `docs/power.py` writes anew."""
    subprocess.run([sys.executable, str(ROOT / "docs" / "power.py"), str(tmp_path)], check=True, cwd=ROOT)
    made = (tmp_path / "drift-power.md").read_text(encoding="utf-8").splitlines()
    assert made == (ROOT / "docs" / "reference" / "drift-power.md").read_text(encoding="utf-8").splitlines()
