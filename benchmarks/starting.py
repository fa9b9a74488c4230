"""What starting costs: CPU seconds of commands, as multiples of starting the interpreter alone."""

import resource
import statistics
import subprocess
import sys

from .figures import Figure

RUNS = 5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import modelyard": ["-c", "import modelyard"],
    "import modelyard.serving": ["-c", "import modelyard.serving"],
    "modelyard --help": ["-m", "modelyard", "--help"],
}


def main() -> None:
    """Print the median of each command, and its ratio to the first."""
    medians = _medians()
    bare = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:<28} {seconds:6.3f} s of CPU  {seconds / bare:5.1f} x")  # noqa: T201 - a benchmark prints


def short() -> list[Figure]:
    """All of it: it is quick."""
    (_, bare), *others = _medians().items()
    note = f"{bare:.3f} s of CPU to start Python"
    return [Figure("CPU", f"{name} / python -c pass", seconds / bare, note=note) for name, seconds in others]


def _medians() -> dict[str, float]:
    return {name: statistics.median(_cpu(command) for _ in range(RUNS)) for name, command in COMMANDS.items()}


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
