"""One side of the comparison, in a process of its own: `python -m benchmarks.data.sides ours|pandera FILE`.

Both check the same: that each column is there, its type, that nothing is missing, and two things more of its values
(a range; of texts levels or a pattern, and a length), and that `id` never repeats. The clock starts before the file is
read and stops with the verdict; imports are not counted. Prints one JSON document.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .rows import COUNTRIES

LEVEL, CODE = "[A-Z]{2}", "c[0-9]{8}"


def ours(file: str) -> Callable[[], tuple[bool, int]]:
    """Modelyard: one pass over the file."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - each side imports what it needs

    from modelyard.data import ColumnChecks, ReadOptions, SchemaSettings, check_batches, open_data  # noqa: PLC0415

    def of(name: str) -> ColumnChecks:
        more: dict[str, dict[str, Any]] = {
            "id": {"type": "int64", "minimum": 0, "maximum": 2**31, "unique": True},
            "float": {"type": "float64", "minimum": 0, "maximum": 100},
            "integer": {"type": "int64", "minimum": 0, "maximum": 1000},
            "level": {"type": "string", "allowed": COUNTRIES, "pattern": LEVEL, "max_length": 2},
            "code": {"type": "string", "pattern": CODE, "min_length": 9, "max_length": 9},
            "flag": {"type": "bool", "allowed": ("true", "false"), "severity": "warn"},
            "instant": {"type": "timestamp[us]", "minimum": "2026-01-01", "maximum": "2027-01-01"},
        }
        return ColumnChecks(not_null=True, **more[name.partition("_")[0]])

    promised = SchemaSettings(columns={name: of(name) for name in pq.read_schema(file).names})

    def work() -> tuple[bool, int]:
        rows = open_data(file, ReadOptions(coded=True))
        found = check_batches(rows.schema, rows.batches(), promised)
        return found.judgement.verdict == "pass", len(found.checks)

    return work


def pandera(file: str) -> Callable[[], tuple[bool, int]]:
    """pandera's pandas backend, every failure gathered (`lazy=True`)."""
    import pandas as pd  # noqa: PLC0415
    import pandera.pandas as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    check = pa.Check
    known: dict[str, Callable[[], pa.Column]] = {
        "id": lambda: pa.Column("int64", [check.ge(0), check.le(2**31)], unique=True),
        "float": lambda: pa.Column("float64", [check.ge(0), check.le(100)]),
        "integer": lambda: pa.Column("int64", [check.ge(0), check.le(1000)]),
        "level": lambda: pa.Column(
            str, [check.isin(COUNTRIES), check.str_matches(f"^(?:{LEVEL})$"), check.str_length(max_value=2)]
        ),
        "code": lambda: pa.Column(str, [check.str_matches(f"^(?:{CODE})$"), check.str_length(9, 9)]),
        "flag": lambda: pa.Column("bool", [check.isin([True, False])]),
        "instant": lambda: pa.Column(
            "datetime64[us]", [check.ge(pd.Timestamp("2026-01-01")), check.le(pd.Timestamp("2027-01-01"))]
        ),
    }
    schema = pa.DataFrameSchema({name: known[name.partition("_")[0]]() for name in pq.read_schema(file).names})

    def work() -> tuple[bool, int]:
        schema.validate(pd.read_parquet(file), lazy=True)
        return True, sum(3 + len(each.checks) for each in schema.columns.values())

    return work


def main() -> None:
    """Measure the side that is named."""
    side, file = sys.argv[1:]
    work = {"ours": ours, "pandera": pandera}[side](str(Path(file)))
    wall, cpu = time.perf_counter(), time.process_time()
    passed, checks = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"passed": passed, "checks": checks, "seconds": wall, "cpu_seconds": cpu, "peak_mb": peak}, sys.stdout)


if __name__ == "__main__":
    main()
