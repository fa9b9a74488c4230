"""Writes `reference/drift-power.md`: `.venv/bin/python docs/power.py [FOLDER]`; takes a minute or two."""

import sys
from collections.abc import Iterator
from pathlib import Path

from modelyard.monitoring import power_lines, power_table

ROWS, PAIRS = (200, 1000, 10_000), 20
MADE = "<!-- Made by docs/power.py. Do not edit: change what it measures, then run it. -->"


def main() -> None:
    """Write the page into the folder given, or into the docs."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("reference")
    (folder / "drift-power.md").write_text("\n".join(page()) + "\n", encoding="utf-8")


def page() -> Iterator[str]:
    """The whole page."""
    yield from (
        MADE,
        "",
        "# Which drift is found",
        "",
        f"Changes planted in {PAIRS} pairs of samples each, as many rows on both sides, compared as `modelyard drift",
        "compare` does by default: the share of pairs called drifted, in brackets of those with too few rows to tell.",
        "[How drift is judged](../architecture/05-drift.md) says why small changes are meant to be left alone.",
        "",
        *power_lines(power_table(ROWS, PAIRS)),
    )


if __name__ == "__main__":
    main()
