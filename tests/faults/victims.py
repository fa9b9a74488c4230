"""What is killed at any moment, process by process: what it does in a process of its own, and what must then be there.

Kinds that other rooms kill are not here; `docs/reliability.md` lists all of them.
"""

import json
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import psutil

from modelyard.access import Principal, Role
from modelyard.audit import AuditLog
from modelyard.control import Part, Supervisor
from modelyard.core import Digest, ManualClock, SystemIds
from modelyard.data import read_table
from modelyard.history import PredictionLog
from modelyard.inference import load_bundle
from modelyard.journal import Journal, PredictionRecord, TruthRecord
from modelyard.llm.queues import Item, Queues
from modelyard.operations.backups.archive import read_listing
from modelyard.operations.backups.put_back import put_back
from modelyard.operations.backups.take import take
from modelyard.pipelines import find_run
from modelyard.registry import ApprovalRule, Approvals, ModelVersion
from modelyard.scoring import BatchJob, LogInto, score_batch
from modelyard.storage import RecordStore, open_record_store
from modelyard.wiring import Project

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
CLOCK = ManualClock(NOON)

Say = Callable[[str], None]


class Victim(ABC):
    """Made in the process that kills, and carried into each that is killed: paths, and no open files."""

    short = 3
    """Kills of the short form."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, life: int) -> None:
        """What is done before each life: here nothing is."""
        return

    @abstractmethod
    def live(self, life: int, say: Say) -> None:
        """What is killed; says what it has acknowledged."""

    def prey(self, pid: int) -> list[int]:
        """Whom to kill: the process itself, unless it has others that work for it."""
        return [pid]

    @abstractmethod
    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """After a kill, or when it has `ended` by itself."""


class Keeper(Victim):
    """Who seals, joins and redacts the log, while servers write on."""

    def prepare(self, life: int) -> None:
        """Servers answer."""
        journal = Journal(self.folder / "journal", f"s{life}", CLOCK, segment_bytes=2000)
        at = CLOCK.micros()
        for number in range(20):
            name = f"{life}-{number}"
            entity = "gone" if number == 3 else name
            journal.append(
                [
                    PredictionRecord(name, at, "d", 1, "1", "live", "live", True, entity, (1.0,), "1", (0.5,), 10),
                    TruthRecord(name, "d", 1, at, at, at),
                ]
            )
        journal.close()

    def live(self, life: int, say: Say) -> None:
        """One round of all that is done to a log."""
        log = self._log
        log.seal()
        log.compact(everything=life % 4 == 0)
        if log.redact(entities=["gone"]).damaged == 0:
            say("redacted")

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """Each prediction and label is there once."""
        log = self._log
        expected = {f"{each}-{number}": 1 for each in range(life + 1) for number in range(20)}
        assert Counter(log.predictions("d").column("prediction_id").to_pylist()) == expected
        assert Counter(log.truths("d").column("prediction_id").to_pylist()) == expected
        if "redacted" in said:
            assert "gone" not in log.predictions("d").column("entity").to_pylist()
        if life % 10 == 0:
            assert log.verify().sound

    @property
    def _log(self) -> PredictionLog:
        return PredictionLog(self.folder / "journal", self.folder / "log", clock=CLOCK)


class Approver(Victim):
    """Who approves versions, each approval with its audit record."""

    def live(self, life: int, say: Say) -> None:
        """One person after another approves a version."""
        approvals, _ = self._desk()
        approvals.request(self._version(life), "production", _person("max"))
        for number in range(200):
            approvals.approve(self._version(life), "production", _person(f"{life}-{number}"))
            say(f"{life}-{number}")

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """Each approval that was acknowledged counts, once; each that counts has its one audit record."""
        approvals, audit = self._desk()
        with self._records.snapshot() as view:
            given = approvals.counted(view, self._version(life), "production").approved_by
        bodies = [each.body for each in audit.entries()]
        noted = [
            each["principal"]
            for each in bodies
            if each["action"] == "model.approve" and each["principal"].startswith(f"{life}-")
        ]
        assert sorted(noted) == sorted(given)
        assert len(set(noted)) == len(noted)
        assert set(said) <= set(given)
        assert len(given) <= len(said) + 1  # the one that was not told any more
        assert audit.verify().intact

    def _version(self, life: int) -> ModelVersion:
        gates = ({"verdict": "pass", "reasons": []},)
        return ModelVersion("m", life + 1, "v", "", "eve", bundle=Digest("b"), artifact=Digest("a"), gates=gates)

    def _desk(self) -> tuple[Approvals, AuditLog]:
        records = self._records
        records.migrate()
        audit = AuditLog(records, CLOCK)
        rules = {"production": ApprovalRule(required=2)}
        return Approvals(records, audit, CLOCK, rules, lambda *_: Digest("c")), audit

    @property
    def _records(self) -> RecordStore:
        return open_record_store(f"sqlite:///{self.folder / 'records.db'}")


class Judge(Victim):
    """Who fills a queue of answers, in more than one transaction, and says what he thinks of them."""

    items, labels = 600, 150

    def live(self, life: int, say: Say) -> None:
        """A queue of its own, filled and judged as far as time allows."""
        queues, _ = self._desk()
        self._fill(queues, life)
        say("filled")
        for _ in range(self.labels):
            shown = queues.next(f"q{life}", self._person)
            assert shown is not None
            queues.label(f"q{life}", shown.ref, "pass", self._person)
            say(shown.ref)

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """A queue has all of its items or none; each label that was acknowledged is there once, with its entry."""
        queues, audit = self._desk()
        if not any(each.name == f"q{life}" and each.items for each in queues.progress()):
            assert not said
            self._fill(queues, life)
        assert [each.items for each in queues.progress(f"q{life}")] == [self.items]
        given = [label.item for _, label in queues.labels(f"q{life}")]
        bodies = [each.body for each in audit.entries()]
        noted = [each["subject"] for each in bodies if each["subject"].startswith(f"q{life}/")]
        assert sorted(noted) == sorted(f"q{life}/{each}" for each in given)
        assert [each["action"] for each in bodies if each["subject"] == f"q{life}"] == ["llm.queue"]
        assert len(set(given)) == len(given) == queues.judged(f"q{life}", self._person).labelled
        told = set(said) - {"filled"}
        assert told <= set(given)
        assert len(given) <= len(told) + 1  # the one that was not told any more

    def _fill(self, queues: Queues, life: int) -> None:
        items = [Item(f"case-{each}", f"Question {each}?", f"Answer {each}.") for each in range(self.items)]
        queues.add(f"q{life}", items, "a file", self._person)

    def _desk(self) -> tuple[Queues, AuditLog]:
        records = open_record_store(f"sqlite:///{self.folder / 'records.db'}")
        records.migrate()
        audit = AuditLog(records, CLOCK)
        return Queues(records, audit, CLOCK, SystemIds()), audit

    @property
    def _person(self) -> Principal:
        return _person("ann")


class Scorer(Victim):
    """Who scores a file, and records each answer."""

    rows = 400

    def __init__(self, folder: Path, bundle: Path, source: Path) -> None:
        super().__init__(folder)
        self.bundle, self.source, self.jobs = bundle, source, 0
        self._score(folder / "undisturbed")
        self.whole = self._output(folder / "undisturbed").read_bytes()

    def live(self, life: int, say: Say) -> None:
        """Begin a job, or go on with it."""
        self._score(self._job)

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """An output is whole or not there; nothing is on record twice; with the output each answer is.

        Who is killed with the output in its place has done the job, which is refused from then on.
        """
        output = self._output(self._job)
        placed = output.exists()
        assert placed or not ended
        if placed:
            assert output.read_bytes() == self.whole
        log = PredictionLog(self._job / "journal", self._job / "log", clock=CLOCK)
        if life % 2:
            log.seal()
            self._serve(life)
            log.seal()
        ids = log.predictions("nightly").column("prediction_id").to_pylist()
        assert len(ids) == len(set(ids))
        if placed:
            assert sorted(ids) == sorted(read_table(str(output)).column("prediction_id").to_pylist())
            assert len(ids) == self.rows
            self.jobs += 1

    def _serve(self, life: int) -> None:
        """A server writes to the same log: when that is sealed, the log forgets which segments it had before."""
        at = CLOCK.micros()
        journal = Journal(self._job / "journal", f"s{life}", CLOCK)
        journal.append(
            [PredictionRecord(f"s{life}", at, "d", 1, "1", "live", "live", True, "e", (1.0,), "1", (0.5,), 10)]
        )
        journal.close()

    @property
    def _job(self) -> Path:
        return self.folder / f"job {self.jobs}"

    @staticmethod
    def _output(place: Path) -> Path:
        return place / "out.parquet"

    def _score(self, place: Path) -> None:
        output = self._output(place)
        into = LogInto(place / "journal", "nightly")
        job = BatchJob(str(self.source), str(output), ids=True, resume=True, log=into)
        score_batch(job, load_bundle(self.bundle), clock=CLOCK, part_rows=32, threads=1)


class Runner(Victim):
    """Who runs a pipeline, and the processes that carry out its steps."""

    short = 1

    def __init__(self, folder: Path, pipeline: Path) -> None:
        """`pipeline` is a project whose pipeline `counting` ran once undisturbed, as the run `first`."""
        super().__init__(folder)
        self.pipeline, self.runs = pipeline, 0
        self.expected = self._outputs(pipeline, "first")

    def prepare(self, life: int) -> None:
        """A project in which nothing has run, unless the last run is not over."""
        if not self._project.exists():
            shutil.copytree(self.pipeline, self._project, ignore=shutil.ignore_patterns(".modelyard", "registered"))

    def live(self, life: int, say: Say) -> None:
        """Run, or go on."""
        project = Project(self._project, environment={})
        if find_run(project.records, "run") is None:
            project.pipelines.run("counting", {}, run_id="run")
        else:
            project.pipelines.resume("run")
        project.close()

    def prey(self, pid: int) -> list[int]:
        """The runner, or whoever carries out a step."""
        return [pid, *(each.pid for each in psutil.Process(pid).children())]

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """At its end the same artifacts as undisturbed, by a step that acted in the name of this run alone.

        It may have acted more than once: a step that is killed begins again. Who is killed between the run's end and
        its own has come to the end.
        """
        if ended or self._over:
            assert self._outputs(self._project, "run") == self.expected
            assert set((self._project / "registered").read_text().split()) == {"run"}
            self.runs += 1

    @property
    def _over(self) -> bool:
        project = Project(self._project, environment={})
        try:
            found = find_run(project.records, "run")
        finally:
            project.close()
        return found is not None and found.state == "done"

    @property
    def _project(self) -> Path:
        return self.folder / f"project {self.runs}"

    @staticmethod
    def _outputs(folder: Path, run: str) -> dict[str, object]:
        project = Project(folder, environment={})
        try:
            found = find_run(project.records, run)
            assert found is not None
            assert found.state == "done", found.reasons
            return {each.name: each.output.identity for each in found.steps if each.output and each.kind != "register"}
        finally:
            project.close()


class Saver(Victim):
    """Who takes a backup."""

    def __init__(self, folder: Path, shop: Path) -> None:
        super().__init__(folder)
        self.shop = shop

    def live(self, life: int, say: Say) -> None:
        """Take one, in the place of the one before."""
        project = Project(self.shop, clock=CLOCK, environment={})
        take(project, self._file)
        say(f"taken {life}")

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """A backup is whole or not there, and what a kill has left is gone after the next one."""
        if said or self._file.exists():
            assert "records.jsonl" in read_listing(self._file).members
        if ended:
            assert [each.name for each in self.folder.iterdir()] == [self._file.name]

    @property
    def _file(self) -> Path:
        return self.folder / "shop.tar"


class Restorer(Victim):
    """Who puts a backup back."""

    def __init__(self, folder: Path, shop: Path) -> None:
        super().__init__(folder)
        self.file = folder / "shop.tar"
        project = Project(shop, clock=CLOCK, environment={})
        take(project, self.file)
        self.held = self._held(project)
        self.place = folder / "again"
        self.place.mkdir()
        shutil.copy(shop / "modelyard.yaml", self.place)

    def live(self, life: int, say: Say) -> None:
        """Into a workspace that holds nothing."""
        put_back(Project(self.place, clock=CLOCK, environment={}), self.file)
        say("restored")

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """All of it, or nothing, and then it can be begun anew."""
        workspace = self.place / ".modelyard"
        if workspace.is_dir() and any(workspace.iterdir()):
            project = Project(self.place, clock=CLOCK, environment={})
            assert self._held(project) == self.held
            project.close()
            shutil.rmtree(workspace)
        else:
            assert not said

    @staticmethod
    def _held(project: Project) -> dict[str, object]:
        with project.records.snapshot() as view:
            records = list(view.everything())
        return {
            "records": records,
            "audit": project.audit.verify().intact,
            "artifacts": sorted(project.artifacts.digests()),
        }


class Overseer(Victim):
    """A supervisor, with what it has started."""

    def live(self, life: int, say: Say) -> None:
        """Start two parts, and look after them."""
        with Supervisor(self.folder) as supervisor:
            for name in ("server", "control"):
                obedient = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
                supervisor.start(Part(name, obedient, lambda: True))
                say(json.dumps(supervisor.pid(name)))
            for _ in range(20):
                supervisor.restart_ended()
                time.sleep(0.005)

    def check(self, life: int, said: Collection[str], *, ended: bool) -> None:
        """Nobody it spoke of is left; what it left behind stops no other one."""
        left = [psutil.Process(int(each)) for each in said if psutil.pid_exists(int(each))]
        assert not psutil.wait_procs(left, timeout=10)[1]


def _person(name: str) -> Principal:
    return Principal(name, (Role.OPERATOR,), "key")
