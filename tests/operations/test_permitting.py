"""Whose Python servers may run is shown with the version, and on record."""

from pathlib import Path

import pytest

from modelyard.access import local_principal
from modelyard.core import ManualClock
from modelyard.core.signing import make_key_pair
from modelyard.inference import sign_bundle, verify_bundle
from modelyard.operations import carry_out, models
from modelyard.wiring import Project

from ..conftest import NOON
from ..inference.bad_bundles import python_bundle

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]  # MLflow's own


def opened(shop: Path) -> Project:
    """As another process finds it."""
    return Project(shop, clock=ManualClock(NOON), environment={})


def said(shop: Path, name: str) -> str | None:
    """What is shown of a model's first version."""
    project = opened(shop)
    try:
        found: str | None = carry_out(models.show_model, project, models.OneVersion(name, "1"))["python"]
        return found
    finally:
        project.close()


def noted(shop: Path) -> list[tuple[list[str], list[str]]]:
    """Publish, and tell what is on record of permissions: bundles and keys."""
    project = opened(shop)
    project.publisher.publish()
    found = [each.body for each in project.audit.entries() if each.body["action"] == "python.permit"]
    project.close()
    return [(each["detail"]["now"]["bundles"], each["detail"]["now"]["keys"]) for each in found]


def test_what_is_permitted_is_shown_and_noted_once(shop: Path, tmp_path: Path) -> None:
    """By digest, by the workspace's signature, not at all; a model without Python has nothing to be permitted."""
    folder = python_bundle(tmp_path / "bundle", "def load():\n    raise RuntimeError\n")
    _, digest = verify_bundle(folder)
    project = opened(shop)
    public = make_key_pair(project.keys.keys)
    key = project.keys.own()
    assert key is not None
    sign_bundle(folder, digest, key)
    project.models.register("custom", principal=local_principal(), bundle=folder, digest=digest)
    project.close()
    declared = (shop / "modelyard.yaml").read_text()
    assert said(shop, "purchase") is None
    assert said(shop, "custom") == "not permitted: servers refuse to load it"
    assert noted(shop) == []
    (shop / "modelyard.yaml").write_text(f"{declared}\nsecurity:\n  python_bundles: [{digest}]\n")
    assert said(shop, "custom") == "permitted: its digest is in security.python_bundles"
    assert [noted(shop), noted(shop)] == [[([digest], [])]] * 2
    (shop / "modelyard.yaml").write_text(f"{declared}\nsecurity:\n  python_signed: true\n")
    assert said(shop, "custom") == f"permitted: signed by the workspace's key {public.id}"
    assert noted(shop) == [([digest], []), ([], [public.text])]
    (shop / "modelyard.yaml").write_text(declared)
    assert noted(shop)[-1] == ([], [])
