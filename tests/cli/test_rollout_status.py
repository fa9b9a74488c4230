"""`modelyard rollout status` as a person reads it."""

from typing import Any

import pytest

from modelyard.cli.rollout import _status


def arm(version: str, name: str, weight: float, role: str | None = None) -> dict[str, Any]:
    """An arm as the operation tells of it."""
    return {"version": version, "name": name, "role": role or name, "weight": weight, "bundle": "b" * 64}


PROGRESS = {
    "version": "3",
    "strategy": "canary",
    "state": "active",
    "step": "1 of 4",
    "share": 0.05,
    "observed": "10m",
    "missing": ["120 more requests"],
    "reason": "",
}


def told(
    capsys: pytest.CaptureFixture[str], *arms: dict[str, Any], progress: dict[str, Any] | None = None
) -> list[str]:
    """The lines that are printed."""
    route = {"deployment": "shop", "generation": 7, "reason": "step 1", "salt": "s", "arms": list(arms)}
    _status({"route": route if arms else None, "progress": progress, "rollout": {"plan": {"a": ["lot"]}}})
    printed = capsys.readouterr()
    assert printed.err.strip() == ("Back to the version before: modelyard rollout rollback shop" if arms else "")
    return [" ".join(line.split()) for line in printed.out.splitlines()]


def test_who_answers_how_far_it_is_and_what_it_waits_for(capsys: pytest.CaptureFixture[str]) -> None:
    """And no digest, salt or plan: those are for programs, which read the JSON."""
    assert told(capsys, arm("2", "live", 0.95), arm("3", "canary", 0.05), progress=PROGRESS) == [
        "serving version 2 (live, 95%), version 3 (canary, 5%)",
        "generation 7",
        "because step 1",
        "rollout version 3, canary: active",
        "step 1 of 4",
        "share 0.05",
        "observed 10m",
        "missing 120 more requests",
    ]


def test_a_shadow_is_told_by_what_is_copied_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    """It answers nobody, and its share is beside those of who answers."""
    lines = told(capsys, arm("2", "live", 1.0), arm("3", "shadow", 0.5))
    assert lines[0] == "serving version 2 (live, 100%), version 3 (shadow, copies of 50%)"
    assert lines[-1] == "rollout none"


def test_where_nothing_was_deployed_nothing_serves(capsys: pytest.CaptureFixture[str]) -> None:
    """And there is no way back to tell of."""
    assert told(capsys) == ["serving nothing", "rollout none"]
