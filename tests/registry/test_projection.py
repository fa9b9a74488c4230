"""What others changed in MLflow, told from what we show and showed there."""

import pytest

from modelyard.registry.projection import OutsideChange, Projection, outside_changes
from modelyard.tracking import Shown

KNOWN = frozenset({1, 2, 3})
CLAIMED = frozenset({"production", "staging"})
LAST = Projection({"production": 1, "challenger": 2}, {"1": "Production", "3": "Archived"})
SHOWN = Shown({"production": 1, "challenger": 2}, {1: "Production", 2: "None", 3: "Archived", 7: "None"})


def changed(
    aliases: dict[str, int | None] | None = None, stages: dict[int, str] | None = None, ours: Projection = LAST
) -> list[OutsideChange]:
    """What is found when others changed these."""
    merged = {**SHOWN.aliases, **(aliases or {})}
    now = Shown({name: to for name, to in merged.items() if to is not None}, {**SHOWN.stages, **(stages or {})})
    return outside_changes(now, LAST, ours, KNOWN, CLAIMED)


def alias(name: str, before: int | None, to: int | None, how: str = "as an alias") -> OutsideChange:
    """A change of an alias."""
    return OutsideChange("alias", name, before, to, how)


@pytest.mark.parametrize(
    ("aliases", "stages", "found"),
    [
        ({}, {}, []),
        ({"production": 2}, {}, [alias("production", 1, 2)]),
        ({"production": None}, {}, [alias("production", 1, None)]),
        ({"staging": 2}, {}, [alias("staging", None, 2)]),
        ({"mine": 2}, {}, [alias("mine", None, 2)]),
        ({"mine": 7}, {}, []),
        ({"production": 7}, {}, [alias("production", 1, 7)]),
        ({}, {2: "Production"}, [alias("production", 1, 2, "as a stage")]),
        ({}, {2: "Production", 1: "Archived"}, [alias("production", 1, 2, "as a stage")]),
        ({}, {1: "None"}, [alias("production", 1, None, "as a stage")]),
        ({}, {1: "Staging"}, [alias("production", 1, None, "as a stage"), alias("staging", None, 1, "as a stage")]),
        ({}, {7: "Production"}, [alias("production", 1, 7, "as a stage")]),
        ({"production": 2}, {2: "Production", 1: "Archived"}, [alias("production", 1, 2)]),
        ({}, {2: "Archived"}, []),
        ({}, {3: "None"}, [OutsideChange("archive", "", None, 3, "as a stage")]),
    ],
)
def test_a_change_is_told_once_however_it_was_made(
    aliases: dict[str, int | None], stages: dict[int, str], found: list[OutsideChange]
) -> None:
    """By alias, by stage or by both; what points at versions that are not ours matters where it would serve only."""
    assert changed(aliases, stages) == found


def test_what_we_want_anyway_is_no_outside_change() -> None:
    """A crash came between showing it and writing that down."""
    ours = Projection({"production": 2, "challenger": 2}, {"2": "Production", "1": "Archived", "3": "Archived"})
    assert changed({"production": 2}, {2: "Production", 1: "Archived"}, ours) == []
    assert changed({}, {}, ours) == []  # what we have not shown yet


def test_a_free_version_can_be_archived_elsewhere() -> None:
    """And one that holds an alias cannot."""
    found = outside_changes(Shown({}, {1: "None", 2: "Archived"}), Projection(), Projection(), KNOWN, CLAIMED)
    assert found == [OutsideChange("archive", "", 2, None, "as a stage")]
    assert str(found[0]) == "version 2 was archived"
