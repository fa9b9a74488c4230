"""Kills a promotion or a rollback at every moment where it writes; run as a program, it prints how many there were.

    python -m tests.rollout.killing FOLDER BUNDLE DIGEST [SERVER]

Each moment is a process of its own on a copy of the same state, killed by SIGKILL just before or just after a commit,
a published feed, or a projection. Then another process does what the next command does first. With the server of
databases the records are kept in PostgreSQL, and else in files of SQLite's.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.databases import drop_database, new_database
from tests.killing import in_child
from tests.rollout.shop import ANA, Mirror, Shop

from modelyard.core import Digest
from modelyard.rollout import NoRollout
from modelyard.routing import FeedFolder
from modelyard.storage.drivers.sql import SqlRecordStore

FOLLOWED = {"a": {"model": "fraud@production"}, "b": {"model": "fraud@production"}}
CASES: dict[str, tuple[dict[str, Any], Callable[[Shop], object]]] = {
    "promote the alias": ({}, lambda shop: shop.promotions.promote("fraud", 3, "production", ANA)),
    "roll back the alias": ({}, lambda shop: shop.promotions.roll_back("fraud", ANA, "worse")),
    "promote deployments": (FOLLOWED, lambda shop: shop.promotions.promote("fraud", 3, "production", ANA)),
    "roll back deployments": (FOLLOWED, lambda shop: shop.promotions.roll_back("fraud", ANA, "worse")),
}


class Fuse:
    """Ends this process at its n-th moment."""

    def __init__(self, moments: int) -> None:
        self.left = moments

    def burn(self) -> None:
        """One moment has come."""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str) -> None:
        """Burn before and after a method."""
        method = getattr(owner, name)

        def burning(*given: Any, **named: Any) -> Any:
            self.burn()
            result = method(*given, **named)
            self.burn()
            return result

        setattr(owner, name, burning)

    def set(self) -> None:
        """Burn around whatever writes."""
        transaction = SqlRecordStore.transaction

        @contextmanager
        def burning(store: SqlRecordStore, *, durable: bool = True) -> Iterator[Any]:
            with transaction(store, durable=durable) as tx:
                yield tx
                self.burn()
            self.burn()

        SqlRecordStore.transaction = burning  # type: ignore[method-assign,assignment]
        self.around(FeedFolder, "publish")
        self.around(Mirror, "show")


@dataclass(frozen=True)
class Place:
    """A folder with the records of its shop: in it, or in a database."""

    folder: Path
    server: str | None
    url: str | None
    deployments: dict[str, Any]

    @classmethod
    def new(cls, folder: Path, server: str | None, deployments: dict[str, Any]) -> "Place":
        """An empty one."""
        folder.mkdir()
        return cls(folder, server, new_database(server) if server else None, deployments)

    @contextmanager
    def copied(self, into: Path) -> Iterator["Place"]:
        """The same at another place, for a while."""
        url = new_database(self.server, like=self.url) if self.server else None
        try:
            yield replace(self, folder=Path(shutil.copytree(self.folder, into)), url=url)
        finally:
            shutil.rmtree(into)
            if self.server and url:
                drop_database(self.server, url)

    def shop(self) -> Shop:
        """Its shop."""
        return Shop(self.folder, url=self.url, deployments=self.deployments)


def main(folder: Path, bundle: Path, digest: Digest, server: str | None) -> None:
    """Every case, every moment."""
    moments = {}
    for name, (deployments, act) in CASES.items():
        start = Place.new(folder / name, server, deployments)
        assert in_child(partial(stock, start, bundle, digest)) == 0
        killed, number = -signal.SIGKILL, 0
        while killed == -signal.SIGKILL:
            number += 1
            with start.copied(folder / "place") as place:
                killed = in_child(partial(try_once, place, act, Fuse(number)))
                assert in_child(partial(finish, place, act)) == 0, f"{name}, moment {number}"
        assert killed == 0, name
        moments[name] = number - 1
    sys.stdout.write(json.dumps(moments))


def stock(place: Place, bundle: Path, digest: Digest) -> None:
    """Versions 1, 2 and 3; 1 and then 2 in production."""
    shop = place.shop()
    for _ in range(3):
        shop.version(bundle, digest)
    for number in (1, 2):
        shop.promotions.promote("fraud", number, "production", ANA)
    shop.records.close()


def try_once(place: Place, act: Callable[[Shop], object], fuse: Fuse) -> None:
    """What is killed."""
    shop = place.shop()
    fuse.set()
    act(shop)


def finish(place: Place, act: Callable[[Shop], object]) -> None:
    """The next command: nothing is half done any more, and everything agrees, MLflow's projection too."""
    shop = place.shop()
    shop.intents.reconcile()
    assert shop.intents.pending() == []
    aliases = shop.verify()
    assert aliases["production"] in (1, 2, 3)
    moves, promoted = shop.registry.history("fraud"), shop.audit.entries()
    decided = [each for each in promoted if each.body["action"] in ("model.promote", "model.rollback")]
    assert len(moves) == len(decided)
    shown = shop.tracked.shown("fraud")
    assert shown is not None
    assert dict(shown.aliases) == aliases
    assert [number for number, stage in shown.stages.items() if stage == "Production"] == [aliases["production"]]
    with suppress(NoRollout):  # a second rollback has nothing left to go back to
        act(shop)  # and it can be done again
    shop.intents.reconcile()
    shop.verify()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Digest(sys.argv[3]), sys.argv[4] if sys.argv[4:] else None)
