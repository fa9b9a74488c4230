"""`kill -9` of what `modelyard up` runs, at random moments of three months: they end as undisturbed ones do."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .months.killer import VICTIMS, Kill, chosen_kills
from .months.machine import WEEKS, Months

pytestmark = [pytest.mark.alone, pytest.mark.timeout(7200)]


@pytest.mark.long
def test_three_months_end_the_same_when_processes_are_killed(trained: Path, tmp_path: Path) -> None:
    """Control, a worker, a step, all of them: same versions, decisions and audit; no answer lost."""
    kills = chosen_kills(5, WEEKS - 3, seed=0)
    assert {each.victim for each in kills} == set(VICTIMS)
    killed = Months(tmp_path / "killed", trained, kills)
    with ThreadPoolExecutor() as pool:
        undisturbed = pool.submit(Months(tmp_path / "undisturbed", trained).live)
        assert killed.live() == undisturbed.result()
    assert killed.killer.done == kills


@pytest.mark.soak
def test_fifty_kills_change_nothing_either(trained: Path, tmp_path: Path) -> None:
    """Ten in each of five runs, two at a time."""
    require_the_same_end(tmp_path, trained, [chosen_kills(10, WEEKS - 3, seed) for seed in range(5)])


@pytest.mark.soak
def test_two_hundred_kills_of_the_control_process_change_nothing(trained: Path, tmp_path: Path) -> None:
    """Of it alone, whatever it is at: five in each of forty runs, for it is begun anew more slowly each time."""
    require_the_same_end(tmp_path, trained, [chosen_kills(5, WEEKS - 3, seed, ["control"]) for seed in range(40)])


def require_the_same_end(folder: Path, trained: Path, kills: Sequence[Sequence[Kill]]) -> None:
    """Runs with these kills end as one does that nobody disturbs."""
    killed = [Months(folder / str(seed), trained, each) for seed, each in enumerate(kills)]
    with ThreadPoolExecutor(2) as pool:
        undisturbed = pool.submit(Months(folder / "undisturbed", trained).live)
        ends = list(pool.map(Months.live, killed))
    assert ends == [undisturbed.result()] * len(ends)
    assert [each.killer.done for each in killed] == kills
