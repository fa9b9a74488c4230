"""What a peer is: how it is installed, started, and asked."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from modelyard.control import free_port

from ...environments import PEERS, install
from ..models import Trained, sample
from ..processes import Running
from ..records import Endpoint, ModelName

MODEL_LIBRARIES = ("scikit-learn==1.9.1", "xgboost-cpu==3.2.0", "joblib")
"""The versions that trained the models, so that each peer loads the very same."""


@dataclass(frozen=True)
class Start:
    """What a start needs: a configuration of the peer, a model, a free port, and a folder of its own."""

    configuration: str
    model: Trained
    port: int
    folder: Path

    @property
    def workers(self) -> int:
        """Two, unless the configuration says that it has one."""
        return 1 if "one worker" in self.configuration else 2

    @property
    def batching(self) -> bool:
        return "batching" in self.configuration


class Peer(ABC):
    """A server that is not ours, in a virtual environment of its own.

    `configurations` are measured one by one, and the best of them counts. `app`, when not empty, is written to
    `app.py` in the folder of the start, for servers whose users write one.
    """

    name: ClassVar[str]
    requirements: ClassVar[tuple[str, ...]]
    configurations: ClassVar[tuple[str, ...]]
    ready: ClassVar[str] = "/health"
    app: ClassVar[str] = ""
    models: ClassVar[tuple[ModelName, ...]] = ("forest", "xgboost", "logistic", "huge")

    @property
    def folder(self) -> Path:
        """Its virtual environment."""
        return PEERS / self.name

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def install(self) -> None:
        """Create the environment and install the peer, once; NotInstalled with pip's last words when that fails."""
        install(self.name, self.requirements)

    def start(self, configuration: str, model: Trained, folder: Path) -> tuple[Running, int]:
        """Start it on a free port and wait until it is ready; NotStarted otherwise. The caller ends it."""
        folder.mkdir(parents=True, exist_ok=True)
        start = Start(configuration, model, free_port(), folder)
        for name, text in self.files(start).items():
            (folder / name).write_text(text)
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        environment = {
            "MODEL": str(model.joblib),
            "PORT": str(start.port),
            "WORKERS": str(start.workers),
            "BATCHING": "1" if start.batching else "",
            "PATH": path,
            "OMP_NUM_THREADS": "1",
            "VIRTUAL_ENV": str(self.folder),
            "PYTHONPATH": "",
        } | dict(self.environment(start))
        running = Running(self.command(start), log=folder / "server.log", cwd=folder, environment=environment)
        try:
            running.until_ready(f"http://127.0.0.1:{start.port}{self.ready}")
        except BaseException:
            running.stop()
            raise
        return running, start.port

    def endpoint(self, port: int, rows: int) -> Endpoint:
        """Where to POST requests of so many rows."""
        return Endpoint(port, self.path(), tuple(json.dumps(self.body(each)).encode() for each in sample(rows)))

    def files(self, start: Start) -> Mapping[str, str]:  # noqa: ARG002 - most have their application alone
        """What the server reads in its folder, by name."""
        return {"app.py": self.app} if self.app else {}

    def environment(self, start: Start) -> Mapping[str, str]:  # noqa: ARG002 - most need none
        """Its own environment variables."""
        return {}

    @abstractmethod
    def command(self, start: Start) -> Sequence[str]:
        """What starts it."""

    @abstractmethod
    def path(self) -> str:
        """Where it is asked."""

    @abstractmethod
    def body(self, rows: Sequence[Sequence[float]]) -> object:
        """A request of these rows, to be written as JSON."""
