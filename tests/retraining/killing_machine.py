"""Kills processes that move a loop, again and again at random moments of twelve weeks.

    python -m tests.retraining.killing_machine FOLDER BUNDLE DIGEST KILLS SEED

Prints where it ended. KILLS 0 is an undisturbed run: every other one must end in the same state.
"""

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.conftest import NOON
from tests.killing import Killings, in_child
from tests.retraining.yard import DAY, DECAYED, DRIFTED, ME, Yard
from tests.rollout.killing import Fuse
from tests.rollout.shop import Mirror

from modelyard.bundling import BuiltBundle
from modelyard.core import Digest, ManualClock, SystemIds

WEEKS = 12
SEEN: dict[int, dict[str, Any]] = {1: DRIFTED, 4: DECAYED, 6: DRIFTED, 7: DRIFTED, 10: DECAYED}
"""What is seen of the live version in some weeks; in all others it is well."""
TOO_BAD = 4
"""The week whose candidate misses its gate."""


class Numbered(Mirror):
    """Of one act it gives one number, as MLflow does, which keeps what was told it."""

    def create(
        self,
        model: str,
        source: str,
        run_id: str | None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
        *,
        once: str | None = None,
    ) -> int:
        acts = self._read().get("acts", {})
        if once is not None and once in acts:
            return int(acts[once])
        number = super().create(model, source, run_id, tags, description)
        kept = self._read()
        kept.setdefault("acts", {})[once or str(number)] = number
        self._write(kept)
        return number


def at(folder: Path, built: BuiltBundle, week: int) -> Yard:
    """The yard in a week, as a new process finds it."""
    clock = ManualClock(NOON + 7 * week * DAY)
    yard = Yard(folder, clock, built, tracker=Numbered(folder / "mirror.json"), ids=SystemIds())
    yard.auc = 0.5 if week == TOO_BAD else 0.9
    return yard


def stock(folder: Path, built: BuiltBundle) -> None:
    """Version 1 is live."""
    yard = at(folder, built, 0)
    yard.rollouts.start("d", yard.version(), ME)
    yard.records.close()


def see(folder: Path, built: BuiltBundle, week: int) -> None:
    """What a monitor would write down."""
    yard = at(folder, built, week)
    yard.saw(**SEEN.get(week, {}))
    yard.records.close()


def tick(folder: Path, built: BuiltBundle, week: int, fuse: Fuse | None) -> None:
    """What is killed: the control plane's look, after what it does first."""
    yard = at(folder, built, week)
    if fuse is not None:
        fuse.set()
    yard.intents.reconcile()
    yard.loop.tick()
    yard.records.close()


def report(folder: Path, built: BuiltBundle) -> None:
    """Where it ended, and whether the audit record is whole."""
    yard = at(folder, built, WEEKS)
    assert yard.audit.verify().intact
    with yard.records.snapshot() as view:
        versions = [each.key for each in view.scan("model-version")]
        runs = [each.key for each in view.scan("pipeline-run")]
    loop = yard.loop.state("fraud")
    told = {
        "state": [loop.state, loop.cycle, loop.version, loop.last_automatic_at],
        "history": [[each.at, each.cycle, each.kind, each.detail] for each in yard.loop.history("fraud")],
        "rollouts": [[each.version, each.kind] for each in yard.rollouts.history("d")],
        "live": yard.live(),
        "aliases": yard.registry.aliases("fraud"),
        "versions": versions,
        "runs": runs,
        "audited": [e.body["action"] for e in yard.audit.entries() if e.body["action"].startswith("loop.")],
    }
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()


def main(folder: Path, built: BuiltBundle, kills: int, seed: int) -> None:
    """All weeks; in each the look is begun again until nobody kills it."""
    killings = Killings(kills, seed, Fuse, 25)
    assert in_child(partial(stock, folder, built)) == 0
    for week in range(WEEKS):
        assert in_child(partial(see, folder, built, week)) == 0
        killings.through(partial(tick, folder, built, week))
    sys.stderr.write(f"killed {killings.done} times\n")
    assert in_child(partial(report, folder, built)) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), BuiltBundle(Path(sys.argv[2]), Digest(sys.argv[3]), ()), int(sys.argv[4]), int(sys.argv[5]))
