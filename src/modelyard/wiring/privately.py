"""A server of one version, started to be asked one suite alone, and ended with it."""

import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from modelyard.access import Role, StoredKey, load_pepper, mint_key
from modelyard.core import SystemClock, Unavailable, check_name, to_micros
from modelyard.history import PredictionLog
from modelyard.journal import Generated
from modelyard.llm.answers import AnswerSuite, Asked, Gateway, ask_suite
from modelyard.registry import ModelVersion
from modelyard.rollout import with_parts
from modelyard.routing import FeedFolder

from .deployed import key_entry
from .featured import FeaturedProject
from .server import PEPPER, private_command

_READY_SECONDS, _POLL, _END_SECONDS = 60.0, 0.05, 30.0
_LETTERS = "chatcmpl-"

Groups = tuple[str, ...]
"""The groups that somebody is in."""

_EARLIER = timedelta(minutes=5)
"""By so much may the clock of a server be behind."""


@dataclass(frozen=True)
class Manner:
    """How cases are asked: each `repeat` times, `at_once` of them together, each answer within `deadline` seconds."""

    repeat: int = 1
    at_once: int = 1
    deadline: float = 120.0


@dataclass(frozen=True)
class Private:
    """Where a version is asked, by which keys of which groups, and the log of what it answered."""

    url: str
    deployment: str
    log: PredictionLog
    keys: Mapping[Groups, str] = field(repr=False)

    def ask(
        self, suite: AnswerSuite, name: str, manner: Manner, progress: Callable[[str], None] = lambda _: None
    ) -> Asked:
        """The answers to a suite, with what each cost. See `ask_suite`."""
        gateway = Gateway(f"{self.url}/v1", self.deployment, self.keys, manner.deadline, manner.at_once)
        began = SystemClock().now()
        asked = ask_suite(suite, name, gateway, repeat=manner.repeat, progress=progress)
        return with_costs(asked, self.log, self.deployment, began)


@contextmanager
def served_privately(
    project: FeaturedProject, version: ModelVersion, askers: Collection[Groups] = ()
) -> Iterator[Private]:
    """The real server, on a free port of this machine, with this version as its only deployment.

    `askers` are the groups of who is to ask it: for each there is a key, and one of nobody's groups. The keys are made
    for this server with a pepper of its own, so that no other server knows them, and it answers nobody else.

    No route, log or feed of the project is touched; folder and process are gone afterwards. Unavailable when it does
    not load the version, with its reason.
    """
    parts = with_parts(project.models, version)[:-1]
    with _scratch(project) as scratch:
        bundle = project.models.fetch_bundle(version, scratch / "fetched")
        with bundle_served_privately(project, bundle, version.name, str(version.number), parts, askers) as private:
            yield private


@contextmanager
def bundle_served_privately(
    project: FeaturedProject,
    bundle: Path,
    model: str,
    version: str,
    parts: Sequence[ModelVersion],
    askers: Collection[Groups] = (),
) -> Iterator[Private]:
    """The same of a bundle that is no version yet. `parts`: the versions that it rests on."""
    with _scratch(project) as workspace:
        minted = _minted(model, {(), *askers}, workspace)
        entries = [key_entry(stored) for _, stored in minted.values()]
        command = private_command(project, bundle, model, version, parts, workspace, entries)
        with (workspace / "server.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        try:
            address = _address(process, workspace, model, version)
            tokens = {groups: token for groups, (token, _) in minted.items()}
            yield Private(address, model, PredictionLog(workspace / "journal", workspace / "log"), tokens)
        finally:
            _end(process)


def with_costs(asked: Asked, log: PredictionLog, deployment: str, began: datetime) -> Asked:
    """Answers with what each cost by the record of it; where there is none the cost is not known."""
    ids = {each.id.removeprefix(_LETTERS) for each in asked.answers if each.id.startswith(_LETTERS)}
    if not ids:
        return asked
    costs: dict[str, int | None] = {}
    with log.batches(
        deployment,
        columns=["prediction_id", "role", "generated"],
        features=(),
        start=began - _EARLIER,
        answered=True,
    ) as batches:
        for batch in batches:
            for row in batch.to_pylist():
                if row["prediction_id"] in ids and row["role"] != "shadow" and row["generated"]:
                    generated = msgspec.json.decode(row["generated"], type=Generated)
                    costs[f"{_LETTERS}{row['prediction_id']}"] = generated.cost_micros
    told = (msgspec.structs.replace(each, cost_micros=costs.get(each.id)) for each in asked.answers)
    return Asked(asked.name, tuple(told))


def _minted(model: str, askers: Collection[Groups], workspace: Path) -> dict[Groups, tuple[str, StoredKey]]:
    """A key for each, which may ask this one deployment."""
    pepper, now = load_pepper(workspace / PEPPER), to_micros(SystemClock().now())

    def key(groups: Groups) -> tuple[str, StoredKey]:
        named = tuple(check_name("group", each) for each in groups)
        return mint_key(
            "private", Role.SERVICE, pepper, now=now, created_by="private", deployments=(model,), groups=named
        )

    return {groups: key(groups) for groups in askers}


@contextmanager
def _scratch(project: FeaturedProject) -> Iterator[Path]:
    project.workspace.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.workspace, prefix="private-") as folder:
        yield Path(folder)


def _address(process: "subprocess.Popen[bytes]", workspace: Path, model: str, version: str) -> str:
    """The server's address, once it has loaded the version."""
    feed, deadline = FeedFolder(workspace / "feed"), time.monotonic() + _READY_SECONDS
    why = ""
    while time.monotonic() < deadline and process.poll() is None and not why:
        for status in feed.statuses(to_micros(SystemClock().now())):
            if any(arm.loaded for arm in status.arms):
                return status.address
            why = next((arm.why_not for arm in status.arms if arm.why_not), "")
        time.sleep(_POLL)
    tail = (workspace / "server.log").read_text(errors="replace").strip()[-1500:]
    raise Unavailable(
        f"Version {version} of '{model}' is not served: {why or tail or 'it was not ready in time'}",
        code="NOT_LOADED",
        context={"model": model, "version": version},
        remedy=f"See whether it can be served at all: modelyard serve --model {model}/{version}",
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server as its own end of input would, and wait for it."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
