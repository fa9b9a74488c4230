"""`make demo-llm`, as it is typed: a real model answers from our own pages, and each promise is kept."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from modelyard.demo.manual import ManualSummary

pytestmark = pytest.mark.soak

_ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(3600)
def test_the_demonstration_keeps_its_promises(tmp_path: Path) -> None:
    """It ends with 0; what a judge may doubt is in its summary. The first time it compiles its generator."""
    told = subprocess.run(
        ["make", "demo-llm", f"ARGS=--workspace {tmp_path / 'demo'} --json"],
        cwd=_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout[-3000:] + told.stderr[-3000:]
    summary = msgspec.json.decode((tmp_path / "demo" / "summary.json").read_bytes(), type=ManualSummary)
    assert summary.kept
    assert len(summary.checks) == 5
