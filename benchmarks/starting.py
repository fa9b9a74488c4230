"""What starting costs: CPU seconds of commands, as multiples of starting the interpreter alone."""

import resource
import statistics
import subprocess
import sys

RUNS = 5
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import modelyard": ["-c", "import modelyard"],
    "import modelyard.serving": ["-c", "import modelyard.serving"],
    "modelyard --help": ["-m", "modelyard", "--help"],
}


def main() -> None:
    """Print the median of each command, and its ratio to the first."""
    medians = {name: statistics.median(_cpu(command) for _ in range(RUNS)) for name, command in COMMANDS.items()}
    bare = next(iter(medians.values()))
    for name, seconds in medians.items():
        print(f"{name:<28} {seconds:6.3f} s of CPU  {seconds / bare:5.1f} x")  # noqa: T201 - a benchmark prints


def _cpu(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
