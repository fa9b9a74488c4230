"""What Modelyard stands on: `build/sbom.json` (CycloneDX 1.6) and `build/licences.md`, of what this environment has.

`python docs/sbom.py [FOLDER]`. The same environment gives the same bytes: no clock, no random serial number.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any
from uuid import UUID

from packaging.requirements import Requirement

ROOT = "modelyard"
UNKNOWN = "not declared"


def needed(root: str = ROOT) -> dict[str, list[str]]:
    """What a distribution stands on here, with those of its extras that are installed: of each name what it needs."""
    found: dict[str, list[str]] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = sorted(set(_direct(name)))
        waiting += found[name]
    return found


def document(parts: dict[str, list[str]]) -> dict[str, Any]:
    """The parts as CycloneDX has them."""
    components = [_component(distribution(name)) for name in sorted(parts)]
    digest = hashlib.sha256(json.dumps([components, parts], sort_keys=True).encode()).digest()
    serial = UUID(bytes=digest[:16], version=5)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": next(each for each in components if each["name"] == ROOT)},
        "components": [each for each in components if each["name"] != ROOT],
        "dependencies": [
            {"ref": _reference(name), "dependsOn": [_reference(each) for each in parts[name]]} for name in sorted(parts)
        ],
    }


def licences(parts: Iterable[str]) -> str:
    """A table of the parts and their licences."""
    rows = [(each.name, each.version, licence_of(each)) for each in map(distribution, sorted(parts))]
    lines = ["# Licences", "", "| part | version | licence |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {name} | {version} | {licence} |" for name, version, licence in rows), ""])


def licence_of(part: Distribution) -> str:
    """The licence that a distribution declares: the expression, else what its classifiers say, else its first line."""
    told = part.metadata
    if "License-Expression" in told:
        return str(told["License-Expression"])
    named = [each.rpartition(" :: ")[2] for each in told.get_all("Classifier", []) if each.startswith("License ::")]
    first = str(told["License"]).strip().partition("\n")[0] if "License" in told else ""
    return " AND ".join(sorted(set(named) - {"OSI Approved"})) or first[:80] or UNKNOWN


def main(folder: Path) -> None:
    """Write both files."""
    parts = needed()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sbom.json").write_text(json.dumps(document(parts), indent=1, sort_keys=True) + "\n")
    (folder / "licences.md").write_text(licences(parts))


def _direct(name: str) -> Iterator[str]:
    """What is needed here and now: of extras what happens to be installed."""
    for line in distribution(name).requires or ():
        wanted = Requirement(line)
        extra = _extra(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        if extra and not (name == ROOT and _is_there(wanted.name)):
            continue
        yield _normal(wanted.name)


def _extra(line: str) -> str:
    found = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", line)
    return found[1] if found else ""


def _is_there(name: str) -> bool:
    try:
        distribution(name)
    except ModuleNotFoundError:
        return False
    return True


def _component(part: Distribution) -> dict[str, Any]:
    name = _normal(part.name)
    return {
        "type": "application" if name == ROOT else "library",
        "bom-ref": _reference(name),
        "name": name,
        "version": part.version,
        "purl": _reference(name),
        "licenses": [{"license": {"name": licence_of(part)}}],
    }


def _reference(name: str) -> str:
    return f"pkg:pypi/{name}@{distribution(name).version}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build"))
