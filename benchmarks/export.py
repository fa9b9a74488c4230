"""How long an export takes as a command: `python -m benchmarks.export`. No target may take more than two seconds.

Each is rendered for the flights; `sagemaker` and `spark`, which refuse them, for the project that `modelyard init`
writes, and `edge` packages a bundle of a logistic pipeline. The first line is what every command of a project pays
before it does anything: the interpreter and the project's imports.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from modelyard.export import TARGETS
from modelyard.operations import write_template

from .environments import PEERS
from .figures import Figure, Target
from .scoring.made import make_models

LIMIT_S = 2.0
FLIGHTS = Path(__file__).parents[1] / "examples" / "flights"
_ELSEWHERE = {"sagemaker", "spark"}
"""Targets that the flights cannot go to."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the medians of each target; exit code 1 when one is slower than the limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export", description=__doc__)
    parser.add_argument("targets", nargs="*", default=[*TARGETS, "edge"], help="Some of them alone.")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_template("minimal", folder / "plain")
        make_models(PEERS / "scoring")
        _say(f"{'':<24}{'median s':>10}{'worst s':>10}{'CPU s':>10}")
        _tell("the project's imports", _times(["-c", "import modelyard.wiring"], folder, options.repeats))
        slow = []
        for name in options.targets:
            times = _times(["-m", "modelyard", *_command(name, folder)], folder, options.repeats)
            _tell(name, times)
            if statistics.median(wall for wall, _ in times) > LIMIT_S:
                slow.append(name)
    _say(f"Slower than {LIMIT_S:g} s: {', '.join(slow)}" if slow else f"Every export takes {LIMIT_S:g} s at most.")
    return 1 if slow else 0


def short() -> list[Figure]:
    """Some targets, once, in CPU seconds, and the project's imports, which each of them pays."""
    with tempfile.TemporaryDirectory() as place:
        write_template("minimal", Path(place) / "plain")
        _, starting = _once(["-c", "import modelyard.wiring"], Path(place))
        times = {
            name: _once(["-m", "modelyard", *_command(name, Path(place))], Path(place))[1]
            for name in ("docker", "kubernetes", "spark")
        }
    target = Target("<=", LIMIT_S)
    note = f"the project's imports alone: {starting:.2f} s"
    return [Figure("export", name, seconds, "s of CPU", target, note) for name, seconds in times.items()]


def _command(name: str, folder: Path) -> list[str]:
    into = ["export", name, "-o", str(folder / "made" / name)]
    if name == "edge":
        return [*into, "--bundle", str((PEERS / "scoring" / "logistic" / "bundle").absolute())]
    return [*into, "--project", str(folder / "plain" if name in _ELSEWHERE else FLIGHTS)]


def _times(command: Sequence[str], folder: Path, repeats: int) -> list[tuple[float, float]]:
    """Seconds and seconds of processor time of a command, again and again."""
    return [_once(command, folder) for _ in range(repeats)]


def _once(command: Sequence[str], folder: Path) -> tuple[float, float]:
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _tell(name: str, times: Sequence[tuple[float, float]]) -> None:
    walls, busy = [wall for wall, _ in times], statistics.median(each for _, each in times)
    _say(f"{name:<24}{statistics.median(walls):>10.2f}{max(walls):>10.2f}{busy:>10.2f}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a benchmark prints


if __name__ == "__main__":
    sys.exit(main())
