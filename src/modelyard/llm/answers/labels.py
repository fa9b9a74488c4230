"""What people say of answers, and whether a judge agrees with them enough to decide anything."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import Literal

import msgspec

from modelyard.core import InvalidInput
from modelyard.stats import cohen_kappa

LEAST_LABELS, LEAST_KAPPA = 50, 0.6
"""A judge decides nothing with fewer labelled answers, or where the lower end of kappa's interval is below this.

.6 is where Landis and Koch, Biometrics 33 (1977), begin to call agreement substantial: a convention.
"""


class HumanLabel(msgspec.Struct, frozen=True):
    """What somebody says of an item: `pass`, `fail`, or `skip`, which says nothing."""

    item: str
    label: Literal["pass", "fail", "skip"]
    by: str


class Calibration(msgspec.Struct, frozen=True):
    """How far a judge agrees with people, on `labels` answers that both passed or failed: Cohen's kappa, its interval.

    Of several people on one answer most decide; of `ties` nobody knows. `strange` labels are of other answers.
    `untrusted` says why the judge decides nothing; empty where it may. `remedy` says what to do then.
    """

    labels: int
    agree: int
    kappa: float | None
    lower: float | None
    upper: float | None
    ties: int = 0
    strange: int = 0
    untrusted: str = ""
    remedy: str = ""


def read_labels(path: Path) -> list[HumanLabel]:
    """The labels of a file: JSON, one a line, or CSV with a header where its name ends in `.csv`.

    Each has `item`, `label` and `by`. InvalidInput names the first lines that are wrong.
    """
    found, wrong = list[HumanLabel](), list[str]()
    try:
        for number, row in _rows(path):
            try:
                each = msgspec.json.decode(row) if isinstance(row, bytes) else row
                found.append(msgspec.convert(each, type=HumanLabel))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                wrong.append(f"line {number}: {error}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        wrong.append(str(error))
    if wrong:
        raise InvalidInput(
            f"{path} has no labels that could be read: {'; '.join(wrong[:5])}.",
            code="INVALID_OPINIONS",
            context={"file": str(path)},
            remedy='Write a line a label: {"item": "expiry.0123456789ab", "label": "pass", "by": "ann"}.',
        )
    return found


def _rows(path: Path) -> Iterator[tuple[int, "bytes | dict[str, str]"]]:
    if path.suffix.lower() == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from enumerate(csv.DictReader(file), start=2)
        return
    with path.open("rb") as lines:
        yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def calibrate(labels: Iterable[HumanLabel], verdicts: Mapping[str, bool]) -> Calibration:
    """How far a judge's verdicts, by item, are those of people."""
    votes, strange, ties = _votes(labels), 0, 0
    people, machine = list[str](), list[str]()
    for item, opinions in votes.items():
        counts = Counter(opinions.values())
        if item not in verdicts:
            strange += 1
        elif counts["pass"] == counts["fail"]:
            ties += 1
        else:
            people.append("pass" if counts["pass"] > counts["fail"] else "fail")
            machine.append("pass" if verdicts[item] else "fail")
    found = cohen_kappa(people, machine)
    known = not isnan(found.value)
    agree = sum(one == other for one, other in zip(people, machine, strict=True))
    untrusted, remedy = _untrusted(len(people), found.value, found.lower, found.upper)
    return Calibration(
        len(people),
        agree,
        found.value if known else None,
        found.lower if known else None,
        found.upper if known else None,
        ties,
        strange,
        untrusted,
        remedy,
    )


def _votes(labels: Iterable[HumanLabel]) -> dict[str, dict[str, str]]:
    """What each person says of each item; who says it again corrects it."""
    found: dict[str, dict[str, str]] = {}
    for each in labels:
        opinions = found.setdefault(each.item, {})
        opinions.pop(each.by, None)
        if each.label != "skip":
            opinions[each.by] = each.label
    return {item: opinions for item, opinions in sorted(found.items()) if opinions}


def _untrusted(n: int, kappa: float, lower: float, upper: float) -> tuple[str, str]:
    more = (
        "Have answers of this very run labelled: --items FILE writes them for `modelyard llm queue`, and "
        "--labels queue:NAME reads what people said."
    )
    if n < LEAST_LABELS:
        return f"{n} answers have a verdict and a human label, of the {LEAST_LABELS} that it takes", more
    if isnan(kappa):
        return "people and judge say one and the same of all answers, which tells nothing of agreement", more
    if lower < LEAST_KAPPA:
        told = f"it agrees with people by a kappa of {kappa:.2f} ({lower:.2f} to {upper:.2f}) on {n} answers"
        clearer = "Mend the judge's prompt where the two differ, or take another model; with more labels it is surer."
        return f"{told}, and the lower end is to be {LEAST_KAPPA:g}", clearer
    return "", ""
