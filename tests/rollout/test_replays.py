"""Under `clock: request` nothing that answers took decides: a replay's requests do not come as fast as they did."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError
from tests.rollout.yard import Yard

from modelyard.bundling import BuiltBundle
from modelyard.core import ManualClock
from modelyard.rollout import DeploymentSettings

SLOW_US = 10_000_000


def ended(folder: Path, clock: ManualClock, built: BuiltBundle, declared: Mapping[str, Any]) -> str:
    """How a canary stands that answers everything, and all of it late."""
    folder.mkdir()
    yard = Yard(folder, clock, built, declared=declared)
    yard.canary()
    late = [yard.record("canary" if each % 10 == 0 else "live", number=each + 1) for each in range(500)]
    took = [msgspec.structs.replace(each, latency_us=SLOW_US if each.arm == "canary" else 900) for each in late]
    yard.journal.append(took)
    yard.rollouts.tick()
    state = yard.rollouts.state("d")
    assert state is not None
    return state.state


def test_a_busy_machine_decides_no_replay(tmp_path: Path, clock: ManualClock, built: BuiltBundle) -> None:
    """The same answers, as late, take a canary back where requests come as callers send them."""
    assert ended(tmp_path / "lived", clock, built, {}) == "rolled_back"
    assert ended(tmp_path / "replayed", clock, built, {"clock": "request"}) == "active"


@pytest.mark.parametrize(
    "bound",
    [
        {"response_diff": {"slow": 0.01}},
        {"experiment": {"metrics": ["label", "latency_ms"]}},
        {"experiment": {"guardrails": ["latency_ms:mean"]}},
    ],
)
def test_what_a_replay_cannot_tell_is_not_declared_for_one(bound: dict[str, Any]) -> None:
    """A bound that nothing could ever break would look like a promise."""
    declared = {"model": "fraud@production", **bound}
    DeploymentSettings.model_validate(declared)
    with pytest.raises(ValidationError, match="clock: request is for replays"):
        DeploymentSettings.model_validate({**declared, "clock": "request"})
