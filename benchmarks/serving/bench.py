"""What every measure stands on: the options of the run, the models, and servers to measure."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from modelyard.bundling import BuiltBundle

from . import closed
from .models import Trained, trained
from .ours import Ours
from .peers import Peer
from .processes import Running
from .records import Endpoint, Load, ModelName


@dataclass(frozen=True)
class Options:
    """How long and how often to measure."""

    seconds: float = 5.0
    repeats: int = 3
    quick: bool = False
    workers: int = 2
    peers: tuple[Peer, ...] = ()
    grid: bool = False


@dataclass
class Bench:
    """One run, in a folder that is thrown away after it."""

    options: Options
    folder: Path
    say: Callable[[str], None]
    _bundles: dict[tuple[ModelName, str], BuiltBundle] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def model(self, name: ModelName) -> Trained:
        """A trained model; NotCarried when its library is missing."""
        return trained(name)

    def bundle(self, name: ModelName, version: str = "1") -> BuiltBundle:
        """A model as our bundle, built once in each run; NotCarried when ours cannot carry it."""
        if (name, version) not in self._bundles:
            self.say(f"building the bundle of '{name}', version {version}")
            self._bundles[name, version] = self.model(name).bundle(self._fresh(f"bundle-{name}"), version=version)
        return self._bundles[name, version]

    def ours(self, name: ModelName, *, versions: int = 1, workers: int | None = None, bare: bool = False) -> Ours:
        """A server of ours with versions of a model, the first live. Enter it to start it."""
        bundles = [self.bundle(name, str(number + 1)) for number in range(versions)]
        workers = self.options.workers if workers is None else workers
        return Ours(self._fresh("ours"), *bundles, workers=workers, bare=bare)

    @contextmanager
    def peer(self, peer: Peer, configuration: str, name: ModelName) -> Iterator[int]:
        """A peer that serves a model, on the port that is given."""
        running, port = peer.start(configuration, self.model(name), self._fresh(peer.name))
        with running:
            yield port

    @contextmanager
    def several(self, starts: Sequence[Callable[[], Running]]) -> Iterator[list[Running]]:
        """Processes that are ended together."""
        running: list[Running] = []
        try:
            running.extend(start() for start in starts)
            yield running
        finally:
            for each in running:
                each.stop()

    def alternate(self, first: Endpoint, second: Endpoint, *, connections: int) -> tuple[Load, Load]:
        """Medians of both, measured in turns."""
        options = self.options
        return closed.alternate(
            first, second, connections=connections, seconds=options.seconds, repeats=options.repeats
        )

    def drive(self, endpoint: Endpoint, *, connections: int, seconds: float | None = None) -> Load:
        """One load by itself."""
        return closed.drive(endpoint, connections=connections, seconds=seconds or self.options.seconds)

    def scratch(self) -> Path:
        """A new folder."""
        folder = self._fresh("scratch")
        folder.mkdir()
        return folder

    def _fresh(self, name: str) -> Path:
        return self.folder / f"{name}-{next(self._numbers)}"
