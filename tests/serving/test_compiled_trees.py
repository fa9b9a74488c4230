"""A server is ready before trees are compiled, and compiled code takes over beside its requests."""

from pathlib import Path

import pytest

from modelyard.bundling import BuiltBundle
from modelyard.core import Micros
from modelyard.inference import compiled_walker
from modelyard.inference.compiled import code
from modelyard.online import LocalOnlineStore
from modelyard.routing import Arm, Feed, FeedFolder, Route
from modelyard.serving.arms import Input
from modelyard.serving.deployments import Deployments

from .harness import AT_US

ROW = Input({"amount": 100.0, "country": "de", "customer": "c1"}, None)


def served(tmp_path: Path, built: BuiltBundle) -> Deployments:
    """A deployment of one arm, loaded."""
    feed = FeedFolder(tmp_path / "feed")
    feed.put_bundle(built.path, built.digest)
    route = Route("fraud", "m", 1, (Arm("live", "live", "1", built.digest, 1.0),), "salt")
    feed.publish(Feed(1, (route,)))
    deployments = Deployments(feed, LocalOnlineStore(tmp_path / "online"))
    deployments.load()
    return deployments


def test_compiled_code_takes_over_an_arm_that_goes_on_answering(
    tmp_path: Path, built: BuiltBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it costs is measured again, for that decides where it runs."""
    assert compiled_walker() is not None
    with monkeypatch.context() as patched:
        patched.setattr(code, "_loaded", [])
        patched.setattr(code, "kept", lambda _: None)
        deployments = served(tmp_path, built)
    arm = deployments.find("fraud").live
    before = arm.answer([(ROW, Micros(AT_US))])
    assert arm.bundle.runtime != "trees"
    arm.off_loop, arm.row_us = True, 1e9
    deployments.quicken()
    assert arm.bundle.runtime == "trees"
    assert (arm.off_loop, arm.row_us < 1e9) == (False, True)
    after = arm.answer([(ROW, Micros(AT_US))])
    assert after[0].scores == pytest.approx(before[0].scores, rel=1e-12)


def test_code_that_is_at_hand_answers_from_the_start(tmp_path: Path, built: BuiltBundle) -> None:
    """And there is nothing to take over."""
    assert compiled_walker() is not None
    deployments = served(tmp_path, built)
    assert deployments.find("fraud").live.bundle.runtime == "trees"
    deployments.quicken()
    assert deployments.find("fraud").live.bundle.runtime == "trees"
