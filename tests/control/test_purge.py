"""`down --purge` removes a workspace's own stores, and nothing beyond them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelyard.control import NotPurged, plan_purge, purge
from modelyard.wiring import Project


def down(shop: Path, *words: str) -> tuple[int, str]:
    """The command, with nobody at the terminal."""
    command = [sys.executable, "-m", "modelyard", "down", "--project", str(shop), *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_nothing_goes_unless_somebody_says_so(shop: Path) -> None:
    """What would go is named; with --yes it goes, the project's own files stay, and so do its keys."""
    (shop / ".modelyard" / "keys").mkdir(exist_ok=True)
    (shop / ".modelyard" / "keys" / "signing.pem").write_text("private")
    sources = {each.name for each in shop.iterdir()}
    code, out = down(shop, "--purge", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "NOT_CONFIRMED")
    assert "records.db" in json.loads(out)["error"]["message"]
    assert (shop / ".modelyard" / "records.db").exists()
    code, out = down(shop, "--purge", "--yes", "--json")
    assert code == 0
    assert "records.db" in json.loads(out)["removed"]
    assert json.loads(out)["kept"] == ["keys"]
    assert [each.name for each in (shop / ".modelyard").iterdir()] == ["keys"]
    assert {each.name for each in shop.iterdir()} == sources


def test_stores_that_are_declared_elsewhere_stay(shop: Path, tmp_path: Path) -> None:
    """They are named, and a link in the workspace goes without what it leads to."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("x")
    (shop / ".modelyard" / "link").symlink_to(elsewhere)
    environment = {"MODELYARD_STORES_ARTIFACTS": str(elsewhere), "MODELYARD_STORES_ONLINE": "redis://127.0.0.1:1/0"}
    done = purge(Project(shop, environment=environment))
    assert done.kept == ("stores.artifacts", "stores.online")
    assert not (shop / ".modelyard" / "link").exists()
    assert (elsewhere / "kept").read_text() == "x"


@pytest.mark.parametrize("workspace", ["..", ".", "../other", "linked"])
def test_a_workspace_that_is_not_the_projects_own_is_refused(shop: Path, workspace: str) -> None:
    """Above it, itself, beside it, or behind a link: nothing is removed."""
    other = shop.parent / "other"
    other.mkdir()
    (other / "mine").write_text("x")
    (shop / "linked").symlink_to(other)
    project = Project(shop, environment={"MODELYARD_STORES_WORKSPACE": workspace})
    with pytest.raises(NotPurged, match="not removed"):
        plan_purge(project)
    with pytest.raises(NotPurged):
        purge(project)
    assert (other / "mine").read_text() == "x"
    assert (shop / "modelyard.yaml").exists()


def test_a_workspace_that_is_not_there_is_nothing_to_remove(shop: Path) -> None:
    """It says so, and succeeds."""
    shutil.rmtree(shop / ".modelyard")
    assert down(shop, "--purge", "--yes")[0] == 0
