"""The list of what Modelyard stands on is whole, has licences, and is the same each time."""

import json
import re
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

from docs import sbom

UNDECLARED = {"huey", "skops"}
"""Parts whose metadata say nothing: their licence files do (MIT, both)."""


def test_what_is_written_is_the_same_each_time_and_whole(tmp_path: Path) -> None:
    """Every part that the project declares, with a version and a licence; what depends on what leads nowhere else."""
    for folder in ("one", "two"):
        sbom.main(tmp_path / folder)
    assert (tmp_path / "one" / "sbom.json").read_bytes() == (tmp_path / "two" / "sbom.json").read_bytes()
    found = json.loads((tmp_path / "one" / "sbom.json").read_text())
    names = {each["name"] for each in found["components"]}
    wanted = [Requirement(each) for each in distribution("modelyard").requires or ()]
    declared = {each.name.lower() for each in wanted if each.marker is None}
    assert len(declared) > 20
    assert declared <= names
    assert found["specVersion"] == "1.6"
    assert found["metadata"]["component"]["name"] == "modelyard"
    references = {each["bom-ref"] for each in found["components"]} | {found["metadata"]["component"]["bom-ref"]}
    assert {each["ref"] for each in found["dependencies"]} == references
    assert {part for each in found["dependencies"] for part in each["dependsOn"]} <= references
    assert str(Path.home()) not in (tmp_path / "one" / "sbom.json").read_text()


def test_every_part_declares_a_licence_and_none_that_binds_ours(tmp_path: Path) -> None:
    """Who adds one under a licence that would bind users of the package hears of it here."""
    sbom.main(tmp_path)
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (tmp_path / "licences.md").read_text(), re.MULTILINE)[
        1:
    ]
    undeclared = {name for name, _, licence in rows if licence == sbom.UNKNOWN}
    assert undeclared <= UNDECLARED
    bound = {(name, licence) for name, _, licence in rows if re.search(r"\bA?GPL|GNU (Affero )?General", licence)}
    assert bound == set()
