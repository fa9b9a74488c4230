"""Ten steps that do nothing, tracked, from the command line: Modelyard beside ZenML and Metaflow.

Each is run as its user would: a new process, its own tracking on (Modelyard: MLflow on SQLite; ZenML and Metaflow:
their local stores). The first run does every step. The second finds all of them done: from the cache, or, in Metaflow,
which has none, by resuming a run that had ended.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..environments import install

REPEATS = 3

_OURS = """
import modelyard as my


@my.step
def begin(salt: int) -> int:
    return salt


@my.step
def more(value: int) -> int:
    return value + 1


@my.pipeline
def ten(salt: int = 0) -> None:
    value = begin(salt)
    for _ in range(9):
        value = more(value)
"""

_ZENML = """
import sys

from zenml import pipeline, step


@step
def begin(salt: int) -> int:
    return salt


@step
def more(value: int) -> int:
    return value + 1


@pipeline
def ten(salt: int) -> None:
    value = begin(salt)
    for number in range(9):
        value = more(value, id=f"more_{number}")


ten(int(sys.argv[1]))
"""

_METAFLOW = "\n".join(
    [
        "from metaflow import FlowSpec, step",
        "class Ten(FlowSpec):",
        "    @step\n    def start(self):\n        self.value = 0\n        self.next(self.step1)",
        *(
            f"    @step\n    def step{number}(self):\n        self.value += 1\n        self.next(self.{after})"
            for number, after in ((each, f"step{each + 1}" if each < 8 else "end") for each in range(1, 9))
        ),
        "    @step\n    def end(self):\n        pass",
        "Ten()",
    ]
)


@dataclass(frozen=True)
class Side:
    """One of those compared: commands of a first run and of one that finds all done; `{salt}` makes a run new."""

    name: str
    first: Sequence[str]
    again: Sequence[str]
    environment: Mapping[str, str]


def main() -> None:
    """Print the seconds of each, and how many times ours they are."""
    with tempfile.TemporaryDirectory(prefix="modelyard-bench-") as folder:
        found = {side.name: _measured(side, Path(folder)) for side in _sides(Path(folder))}
    ours = found["Modelyard"]
    for name, seconds in found.items():
        ratios = [theirs / mine for theirs, mine in zip(seconds, ours, strict=True)]
        told = f"first {seconds[0]:.2f} s ({ratios[0]:.1f} x), again {seconds[1]:.2f} s ({ratios[1]:.1f} x)"
        print(f"{name:10} {told}")  # noqa: T201 - a benchmark prints


def _sides(folder: Path) -> list[Side]:
    (folder / "modelyard.yaml").write_text("project: ten\npipelines:\n  ten: {module: ours.py}\n")
    for name, text in (("ours.py", _OURS), ("zen.py", _ZENML), ("flow.py", _METAFLOW)):
        (folder / name).write_text(text)
    mine = [str(Path(sys.executable).with_name("modelyard")), "pipeline", "run", "ten", "-p", "salt={salt}"]
    zenml = [str(install("zenml", ("zenml[local,server]",)) / "bin" / "python"), "zen.py", "{salt}"]
    metaflow = [str(install("metaflow", ("metaflow",)) / "bin" / "python"), "flow.py"]
    quiet = {
        "ZENML_CONFIG_PATH": str(folder / "zen"),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_VERBOSITY": "WARN",
    }
    return [
        Side("Modelyard", mine, mine, {}),
        Side("ZenML", zenml, zenml, quiet),
        Side("Metaflow", [*metaflow, "run"], [*metaflow, "resume"], {"USERNAME": "bench", "METAFLOW_USER": "bench"}),
    ]


def _measured(side: Side, folder: Path) -> tuple[float, float]:
    """Medians of the seconds of a first run and of one that finds all done. A run before them makes the stores."""
    _timed(side, side.first, 0, folder)
    seconds = [(_timed(side, side.first, salt, folder), _timed(side, side.again, salt, folder)) for salt in (1, 2, 3)]
    first, again = zip(*seconds, strict=True)
    return statistics.median(first), statistics.median(again)


def _timed(side: Side, command: Sequence[str], salt: int, folder: Path) -> float:
    words = [word.format(salt=salt) for word in command]
    began = time.perf_counter()
    result = subprocess.run(
        words, cwd=folder, env={**os.environ, **side.environment}, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{side.name} ended with {result.returncode}: {result.stderr[-2000:]}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
