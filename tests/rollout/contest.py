"""Many processes promote at once: run as a program, it prints what every round has led to.

python -m tests.rollout.contest FOLDER BUNDLE DIGEST ROUNDS PROCESSES [URL]
"""

import json
import multiprocessing
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from tests.rollout.shop import ANA, Shop

from modelyard.core import Digest

DEPLOYMENTS = {"d": {"model": "served@production"}}
MODELS = ("fraud", "served")


def compete(shop: Shop, number: int, rounds: int, barrier: Barrier, told: Any) -> None:
    """One process: in every round it promotes its own version of one of the models."""
    try:
        for each in range(rounds):
            model = MODELS[each % 2]
            barrier.wait(60)
            (event,) = shop.promotions.promote(model, number, "production", ANA, f"process {number}")
            told.put(event.kind)
            barrier.wait(60)
            barrier.wait(60)  # the referee looks now
    except BaseException:
        barrier.abort()  # the others need not wait
        raise
    shop.records.close()


def main(folder: Path, bundle: Path, digest: Digest, rounds: int, processes: int, url: str | None) -> None:
    """Hold the contest; an inconsistent round ends it with an error."""
    shop = Shop(folder, url=url, deployments=DEPLOYMENTS)
    for model in MODELS:
        for _ in range(processes):
            shop.version(bundle, digest, model)
    context = multiprocessing.get_context("fork")
    barrier, told = context.Barrier(processes + 1), context.Queue()
    arguments = [(shop, each + 1, rounds, barrier, told) for each in range(processes)]
    workers = [context.Process(target=compete, args=each) for each in arguments]
    for worker in workers:
        worker.start()
    try:
        referee(shop, rounds, processes, barrier, told)
    except BaseException:
        barrier.abort()
        raise
    finally:
        for worker in workers:
            worker.join(30)
            worker.kill()


def referee(shop: Shop, rounds: int, processes: int, barrier: Barrier, told: Any) -> None:
    """Look after every round, and at the end."""
    moves, promoted = dict.fromkeys(MODELS, 0), dict.fromkeys(MODELS, 0)
    for each in range(rounds):
        model = MODELS[each % 2]
        barrier.wait(60)
        barrier.wait(60)
        kinds = [told.get(timeout=60) for _ in range(processes)]
        promoted[model] += sum(kind in ("promoted", "deployed") for kind in kinds)
        aliases = shop.verify(model, audit=False)
        moves[model] = len(shop.registry.history(model))
        assert list(aliases) == ["production"]
        assert moves[model] == promoted[model], (model, moves, promoted)
        barrier.wait(60)
    assert shop.audit.verify().intact
    shop.intents.reconcile()
    assert shop.intents.pending() == []
    recorded = sum(each.body["action"] == "model.promote" for each in shop.audit.entries())
    assert recorded == sum(moves.values())
    for model in MODELS:
        shown = shop.tracked.shown(model)
        assert shown is not None
        assert dict(shown.aliases) == shop.registry.aliases(model)
    sys.stdout.write(json.dumps({"moves": moves, "audited": recorded}))


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        Path(given[0]), Path(given[1]), Digest(given[2]), int(given[3]), int(given[4]), given[5] if given[5:] else None
    )
