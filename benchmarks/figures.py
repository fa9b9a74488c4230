"""What benchmarks find: figures with their targets, and the file of a run with the machine that it was taken on."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

State = Literal["met", "missed", "reported", "not measured"]

LIBRARIES = (
    "numpy", "pyarrow", "scikit-learn", "onnxruntime", "duckdb", "mlflow", "pandas", "scipy", "pandera", "uvicorn",
)  # fmt: skip
"""Whose versions a run tells, beside those of peers in environments of their own."""


@dataclass(frozen=True)
class Target:
    """A limit that a figure has to keep."""

    sign: Literal[">=", "<="]
    limit: float

    def met(self, value: float) -> bool:
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the table; `value` is None when it could not be measured, and `note` says why.

    `evidence` is what the value was computed from, for the results file.
    """

    measure: str
    what: str
    value: float | None
    unit: str = "x"
    target: Target | None = None
    note: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Whether the target is met."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "reported"
        return "met" if self.target.met(self.value) else "missed"

    def as_json(self) -> dict[str, Any]:
        """The figure with its state, for the results file."""
        return asdict(self) | {"target": str(self.target) if self.target else None, "state": self.state}


def write(
    path: Path, run: Mapping[str, Any], on: Mapping[str, Any], figures: Sequence[Figure | Mapping[str, Any]]
) -> None:
    """The file of a run: what was asked for, the machine as it was before, versions, and every figure."""
    told = [each.as_json() if isinstance(each, Figure) else dict(each) for each in figures]
    body = {"run": dict(run), "machine": dict(on), "versions": versions(), "figures": told}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(body, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What a figure depends on, and how busy the machine is besides; nothing that tells whose it is."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "processors": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_gib": round(pages / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "load": round(os.getloadavg()[2], 1),
    }


def versions() -> dict[str, str]:
    """Python's, those of the libraries that carry most of the work, and those of the peers that are installed."""
    own = {each: metadata.version(each) for each in LIBRARIES}
    return {"python": platform.python_version()} | own | dict(_peers(Path(__file__).parent / ".peers"))


def _peers(folder: Path) -> Iterator[tuple[str, str]]:
    """Each environment's distribution of the same name, with its version."""
    for installed in sorted(folder.glob("*/lib/*/site-packages/*.dist-info")):
        name, version = installed.name.removesuffix(".dist-info").split("-", 1)
        if name == installed.relative_to(folder).parts[0]:
            yield name, version


def _processor() -> str:
    """The model that Linux names, or what it is a kind of."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def left_out(name: str) -> Figure:
    """The line of a peer that is not: how to have it measured."""
    return Figure("peers", name, None, note=f"not installed: python -m benchmarks.quick --install {name}")
