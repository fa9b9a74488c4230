"""Kills a process that moves a rollout, again and again at random moments, until the rollout is over.

    python -m tests.rollout.killing_machine FOLDER BUNDLE DIGEST KILLS SEED

Prints where it ended. KILLS 0 is an undisturbed run: every other one must end in the same state.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tests.killing import Killings, in_child
from tests.rollout.killing import Fuse
from tests.rollout.shop import ANA, Shop

from modelyard.core import Digest, ManualClock, Micros, to_micros
from modelyard.journal import Journal, PredictionRecord
from modelyard.routing import assign

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
DECLARED = {
    "d": {"model": "fraud@production", "strategy": "canary", "steps": (20, 50, 100), "dwell": "4m", "keep_warm": "1m"}
}
ROUNDS = 9
"""So many times requests come, with a minute in between: four at each step, as each look is another process's."""


def at(folder: Path, round_: int) -> Shop:
    """The shop in a round, as a new process finds it."""
    return Shop(folder, clock=ManualClock(NOON + timedelta(minutes=round_)), deployments=DECLARED)


def stock(folder: Path, bundle: Path, digest: Digest) -> None:
    """Version 1 live, version 2 on its way."""
    shop = at(folder, 0)
    for _ in range(2):
        shop.rollouts.start("d", shop.version(bundle, digest), ANA)
    shop.records.close()


def serve(folder: Path, round_: int) -> None:
    """Requests of one round: which arm they go to depends on the round and the route alone."""
    shop = at(folder, round_)
    route = shop.rollouts.route("d")
    assert route is not None
    journal = Journal(folder / "journal", "s", shop.clock)
    now = to_micros(shop.clock.now())
    records = []
    for number in range(700):
        identity = f"{round_}-{number}"
        arm = assign(route, identity)
        records.append(
            PredictionRecord(
                identity, now, "d", route.generation, arm.version, arm.name, arm.role, True, None, (1.0,), "1",
                (0.5,), 900, None, Micros(now),
            )
        )  # fmt: skip
    journal.append(records)
    journal.close()
    shop.records.close()


def tick(folder: Path, round_: int, fuse: Fuse | None) -> None:
    """What is killed: the control plane's look, after what it does first."""
    shop = at(folder, round_)
    if fuse is not None:
        fuse.set()
    shop.intents.reconcile()
    shop.rollouts.tick()
    shop.records.close()


def report(folder: Path) -> None:
    """Where it ended, and whether everything agrees."""
    shop = at(folder, ROUNDS)
    shop.verify()
    state, route = shop.rollouts.state("d"), shop.rollouts.route("d")
    assert state is not None
    assert route is not None
    counted = ("canary_requests", "canary_bad", "live_requests", "live_bad", "promotion_e_value")
    told = {
        "state": state.state,
        "arms": [(arm.name, arm.version, arm.weight) for arm in route.arms],
        "kinds": [event.kind for event in shop.rollouts.history("d")],
        "counted": {name: state.evidence[name] for name in counted},
        "observed": state.observed_s,
        "aliases": shop.registry.aliases("fraud"),
    }
    sys.stdout.write(json.dumps(told))
    sys.stdout.flush()


def main(folder: Path, bundle: Path, digest: Digest, kills: int, seed: int) -> None:
    """All rounds; in each the look is begun again until nobody kills it."""
    killings = Killings(kills, seed, Fuse, 8)
    assert in_child(partial(stock, folder, bundle, digest)) == 0
    for round_ in range(1, ROUNDS + 1):
        assert in_child(partial(serve, folder, round_)) == 0
        killings.through(partial(tick, folder, round_))
    sys.stderr.write(f"killed {killings.done} times\n")
    assert in_child(partial(report, folder)) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Digest(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
