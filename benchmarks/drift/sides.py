"""One side of the comparison, in a process of its own: `python sides.py SIDE REFERENCE CURRENT`.

It imports nothing of ours but for our own side, since it runs in the environments of the others as well. The clock
starts before the files are read and stops with the figures; imports are not counted. Prints one JSON document: seconds,
the most memory, and the statistics by column as far as the side has them.
"""

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

Found = dict[str, dict[str, float]]


def ours(reference: str, current: str) -> Callable[[], Found]:
    """Modelyard: all five statistics and the verdicts; not the columns together, which no other side does."""
    import pandas as pd  # noqa: F401, PLC0415 - pyarrow imports it at first use: with the clock stopped, as elsewhere
    from scipy import special  # noqa: F401, PLC0415 - as `modelyard.stats` does at first use

    from modelyard.monitoring import CompareOptions, compare_data  # noqa: PLC0415 - each side imports what it needs

    def work() -> Found:
        found = compare_data(reference, current, CompareOptions(joint=False))
        names = ("ks", "wasserstein", "psi", "js", "chi2")
        return {
            column.name: {name: value for name in names if (value := getattr(column, name)) is not None}
            for column in found.columns
        }

    return work


def scipy(reference: str, current: str) -> Callable[[], Found]:
    """The loop that people write: KS and Wasserstein of numbers, chi-square of levels; no PSI, no JS, no verdict."""
    import pandas as pd  # noqa: PLC0415
    from scipy import stats  # noqa: PLC0415

    def work() -> Found:
        a, b = pd.read_parquet(reference), pd.read_parquet(current)
        found: Found = {}
        for name in a.columns:
            if name.startswith("number"):
                x, y = a[name].to_numpy(), b[name].to_numpy()
                ks = stats.ks_2samp(x, y, method="asymp").statistic
                found[name] = {"ks": float(ks), "wasserstein": float(stats.wasserstein_distance(x, y))}
            else:
                table = pd.concat([a[name].value_counts(), b[name].value_counts()], axis=1).fillna(0).to_numpy().T
                found[name] = {"chi2": float(stats.chi2_contingency(table, correction=False).statistic)}
        return found

    return work


def nannyml(reference: str, current: str) -> Callable[[], Found]:
    """NannyML's univariate drift: KS, Wasserstein and JS of numbers, chi-square and JS of levels, in one chunk."""
    import nannyml as nml  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    def work() -> Found:
        a, b = pd.read_parquet(reference), pd.read_parquet(current)
        calculator = nml.UnivariateDriftCalculator(
            column_names=list(a.columns),
            treat_as_categorical=[name for name in a.columns if name.startswith("level")],
            continuous_methods=["kolmogorov_smirnov", "wasserstein", "jensen_shannon"],
            categorical_methods=["chi2", "jensen_shannon"],
            chunk_number=1,
        )
        calculator.fit(a)
        calculator.calculate(b)
        return {}

    return work


def evidently(reference: str, current: str) -> Callable[[], Found]:
    """Evidently's data drift preset, as it comes."""
    import pandas as pd  # noqa: PLC0415
    from evidently import Report  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    from evidently.presets import DataDriftPreset  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415

    def work() -> Found:
        a, b = pd.read_parquet(reference), pd.read_parquet(current)
        Report([DataDriftPreset()]).run(b, a).dict()
        return {}

    return work


def main() -> None:
    """Measure the side that is named."""
    warnings.simplefilter("ignore")
    side, reference, current = sys.argv[1:]
    sides: dict[str, Callable[[str, str], Callable[[], Any]]] = {
        "ours": ours, "scipy": scipy, "nannyml": nannyml, "evidently": evidently,
    }  # fmt: skip
    work = sides[side](reference, current)
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    json.dump({"seconds": wall, "cpu_seconds": cpu, "peak_mb": peak, "columns": found}, sys.stdout)


if __name__ == "__main__":
    main()
