"""The loop that moves a run on: starts what can start, waits for what runs, writes down what ended."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from modelyard.core import Digest, ModelyardError, digest_of, log_event
from modelyard.execution import DoesNotFit, Executor, NotPicklable, NotSupported, Outcome, Task

from ..code import fingerprint, generation_of
from ..errors import NotDeterministic, StepFailed
from ..graph import Graph, Node, takes_of
from ..origin import must_move
from .bind import Binder
from .journal import Journal
from .keys import Uncached, components_of, key_of, seed_of
from .lease import BEAT_SECONDS
from .order import Order, Report
from .place import Place, kept_of
from .records import CACHE, StepRecord
from .secrets import Masked, given_environment, without
from .sight import sign
from .task import carry_out, own_mlflow_run, perform
from .twice import AGAIN, require_equal
from .work import Work, from_cache, joined, output_of, succeeded


class Loop:
    """One run, from here to its end.

    `index`: each step's place in the whole pipeline. `settled` steps and `elements` are done; `earlier` are steps of
    another run, whose outputs are taken.
    """

    def __init__(
        self,
        graph: Graph,
        index: Mapping[str, int],
        place: Place,
        journal: Journal,
        settled: Mapping[str, StepRecord],
        elements: Mapping[tuple[str, int], StepRecord],
        earlier: Mapping[str, StepRecord],
    ) -> None:
        self._graph = graph
        self._place = place
        self._journal = journal
        self._names = place.names
        self._binder = Binder(place.artifacts, self._names, place.scratch, journal.run.inputs)
        self._index = index
        self._secrets = frozenset(name for node in graph.nodes for name in node.options.secrets)
        self._generation = generation_of(place.folder)
        self._sight = sign(place.artifacts) if place.apart else None
        self._code: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self.steps: dict[str, StepRecord] = {**earlier, **settled}
        self._elements = dict(elements)
        self._missing: dict[str, set[int]] = {}
        self._counts: dict[str, int] = {}
        self._queue: list[Work] = []
        self._running: dict[str, Work] = {}
        self._beaten = time.monotonic()
        self.failed: StepRecord | None = None
        self.cause: BaseException | None = None
        self.stopped: StepRecord | None = None
        for record in self.steps.values():
            self._remember(record)

    def run(self) -> None:
        """Go on until everything ran, a step failed for good, or a judgement stopped the run.

        KeyboardInterrupt ends what runs, writes down what had ended, and is passed on.
        """
        try:
            while True:
                self._begin_nodes()
                self._start_work()
                self._write()
                if not self._running and not self._queue and not self._startable():
                    return
                self._await()
        except BaseException:
            self._call_off()
            raise

    def own_steps(self) -> list[StepRecord]:
        """The records of this run's steps so far, in the order of the graph."""
        return [self.steps[node.name] for node in self._graph.nodes if node.name in self.steps]

    @property
    def declared_reads(self) -> set[str]:
        """The datasets that steps which ran say they read."""
        return {name for node in self._graph.nodes if node.name in self.steps for name in node.options.reads}

    @property
    def _halted(self) -> bool:
        return self.failed is not None or self.stopped is not None

    def _write(self) -> None:
        beat = time.monotonic() - self._beaten > BEAT_SECONDS
        if beat:
            self._beaten = time.monotonic()
        self._journal.write(beat=beat)

    def _startable(self) -> list[Node]:
        """Nodes whose turn it is: what they need and the judgements they come after are settled."""
        if self._halted:
            return []
        return [
            node
            for node in self._graph.nodes
            if node.name not in self.steps
            and node.name not in self._missing
            and all(need in self.steps for need in (*node.needs, *node.after))
        ]

    def _begin_nodes(self) -> None:
        while nodes := self._startable():
            for node in nodes:
                if not self._halted:
                    self._begin(node)

    def _begin(self, node: Node) -> None:
        """Skip a node, or make the calls it takes; those found in the cache have ended."""
        try:
            if self._is_skipped(node):
                self._settle(node, StepRecord(node.name, node.kind, "skipped"))
                return
            calls = self._binder.calls(node)
        except ModelyardError as error:
            self._fail(node, StepRecord(node.name, node.kind, "failed", detail=error.message), error)
            return
        self._counts[node.name] = len(calls)
        self._missing[node.name] = set(range(len(calls)))
        for at, inputs in enumerate(calls):
            done = self._elements.get((node.name, at)) if node.is_mapped else None
            if done is not None:
                self._element_done(node, at, done)
                continue
            self._prepare(node, at if node.is_mapped else None, inputs)
        if node.is_mapped and not calls:
            self._join(node)

    def _is_skipped(self, node: Node) -> bool:
        if any(self.steps[need].state == "skipped" for need in node.needs):
            return True
        return not all(self._binder.holds(each) for each in node.when)

    def _prepare(self, node: Node, element: int | None, inputs: Mapping[str, Any]) -> None:
        reference = self._names.reference(node.function)
        seed = seed_of(self._place.seed, node, inputs, mapped=element is not None)
        at, takes = self._place.clock.now().isoformat(), takes_of(node)
        record = StepRecord(node.name, node.kind, "running", started_at=at, takes=takes)
        found = self._components(node, inputs, reference, seed)
        if isinstance(found, Uncached):
            record = msgspec.structs.replace(record, uncached=found.reason)
        else:
            record = msgspec.structs.replace(record, key=key_of(found), components=found)
        work = Work(node, self._index[node.name], element, inputs, record, reference, seed)
        if record.key and self._journal.run.cache and (entry := self._cached(record.key)) is not None:
            self._ended(work, from_cache(record, entry))
        else:
            self._queue.append(work)

    def _components(
        self, node: Node, inputs: Mapping[str, Any], reference: str | None, seed: int
    ) -> dict[str, Any] | Uncached:
        if reference is None:
            return Uncached(must_move(node.function).rstrip("."))
        code, _ = self._code_of(node)
        seeds, deterministic = (seed, self._context_seed(node)), self._journal.run.deterministic
        found = components_of(node, inputs, code, *seeds, self._place.versions, deterministic=deterministic)
        return found if isinstance(found, Uncached) else {**found, "shown": self._binder.shown(node)}

    def _context_seed(self, node: Node) -> int:
        return self._place.seed if node.options.seed is None else node.options.seed

    def _code_of(self, node: Node) -> tuple[dict[str, str], dict[str, str]]:
        """The fingerprint of a node's code, and the digests of the files it stands in."""
        if node.name not in self._code:
            code = fingerprint(node.function, self._names)
            files = {each.partition(":")[0] for each in code}
            digests = {
                each: digest_of((self._place.folder / each).read_bytes())
                for each in sorted(files)
                if each.endswith(".py")
            }
            self._code[node.name] = code, {name: str(digest) for name, digest in digests.items()}
        return self._code[node.name]

    def _cached(self, key: str) -> StepRecord | None:
        with self._place.records.snapshot() as view:
            document = view.get(CACHE, key)
        if document is None:
            return None
        entry = msgspec.convert(document.body["record"], StepRecord)
        return entry if self.is_there(entry) else None

    def is_there(self, record: StepRecord) -> bool:
        """Whether the bytes of what a step gave still are in the store."""
        has = self._place.artifacts.has
        return record.output is not None and all(has(Digest(each.digest)) for each in record.output.leaves())

    def _start_work(self) -> None:
        now = time.monotonic()
        for work in list(self._queue):
            if self._halted or len(self._running) >= self._place.width:
                break
            if work.not_before > now:
                continue
            self._queue.remove(work)
            self._start(work)
        if self._halted:
            self._queue.clear()

    def _start(self, work: Work) -> None:
        work.record = msgspec.structs.replace(work.record, attempts=work.record.attempts + 1)
        shown = work.shown
        for observer in self._place.observers:
            work.environment = {**work.environment, **observer.environment_for(self._journal.run, shown)}
            observer.step_started(self._journal.run, shown)
        if work.reference is None or self._place.executor is None:
            self._run_here(work)
            return
        log = self._place.log_of(self._journal.run.id, work.name, work.element)
        work.record = msgspec.structs.replace(work.record, log=str(log))
        task = self._task(work, self._place.workspace / log)
        try:
            self._place.executor().submit(task)
        except (DoesNotFit, NotSupported, NotPicklable) as error:  # another try would be refused as well
            self._give_up(work, error.message, error)
            return
        self._running[task.id] = work
        self._journal.note(work.index, _bare(work.record), work.element)

    def _task(self, work: Work, log: Path) -> Task:
        options = work.node.options
        secrets = {name: os.environ[name] for name in options.secrets}
        return Task(
            f"{self._journal.run.id}/{work.name}/{work.element}/{work.record.attempts}",
            perform,
            (self._order(work),),
            resources=options.resources,
            timeout=options.timeout,
            environment={**work.environment, **secrets},
            log=log,
            generation=self._generation if work.first is None else f"{self._generation} {AGAIN}",
        )

    def _order(self, work: Work) -> Order:
        options = work.node.options
        return Order(
            run_id=self._journal.run.id,
            step=work.node.name,
            function=work.reference or "",
            inputs=work.inputs,
            seed=work.seed,
            context_seed=self._context_seed(work.node),
            folder=self._place.folder,
            scratch=self._place.scratch.folder,
            surroundings=self._place.surroundings,
            files=self._code_of(work.node)[1] if work.reference else {},
            secrets=options.secrets,
            hidden=tuple(sorted(self._secrets - set(options.secrets))),
            at=self._place.clock.now() if self._place.frozen else None,
            threads=1 if self._journal.run.deterministic else int(options.resources.get("cpus", 1)),
            kept=self._place.workspace / kept_of(self._journal.run.id, work.name, work.element),
            sight=self._sight if work.reference else None,
            deterministic=self._journal.run.deterministic,
        )

    def _run_here(self, work: Work) -> None:
        """Carry out a call in this process: its code can be found nowhere else, or there are no others."""
        order = self._order(work)
        masked = Masked(order.secrets)
        try:
            with masked.output(), without(order.hidden), given_environment(work.environment), own_mlflow_run():
                report = carry_out(order, work.node.function, self._names, masked)
        except Exception as error:  # a step is the user's code and may raise anything; the record names it
            self._broken(work, masked.text(_message(error)), error)
            return
        self._ended(work, succeeded(work.record, report))

    def _await(self) -> None:
        """Wait for an end, for the next try of what failed, or for the time of a sign of life."""
        now = time.monotonic()
        waits = [max(0.0, work.not_before - now) for work in self._queue]
        timeout = min([BEAT_SECONDS, *waits])
        if not self._running:
            if self._queue:
                time.sleep(timeout)
            return
        if self._place.executor is None:
            return
        for outcome in self._place.executor().wait(timeout):
            self._take(outcome)

    def _take(self, outcome: Outcome) -> None:
        work = self._running.pop(outcome.id, None)
        if work is None:
            return  # of a run that was called off before
        if outcome.state == "done" and isinstance(outcome.value, Report):
            self._ended(work, succeeded(work.record, outcome.value))
            return
        work.record = msgspec.structs.replace(work.record, seconds=work.record.seconds + outcome.seconds)
        error = outcome.error
        cause = error.exception if error is not None else None
        told = f"{error.type}: {error.message}" if error is not None else outcome.state
        masked = Masked(work.node.options.secrets)
        self._broken(work, masked.text(_message(cause) if cause is not None else told), cause)

    def _broken(self, work: Work, told: str, cause: BaseException | None) -> None:
        """A try failed: the next one waits, or the step has failed."""
        log_event("pipelines", "step failed", step=work.node.name, attempt=work.record.attempts, error=told)
        work.record = msgspec.structs.replace(work.record, detail=told)
        if work.can_retry and not self._halted:
            work.not_before = time.monotonic() + work.wait_seconds()
            self._queue.append(work)
            return
        self._give_up(work, told, cause)

    def _give_up(self, work: Work, told: str, cause: BaseException | None) -> None:
        """No try is left."""
        record = msgspec.structs.replace(work.record, state="failed", detail=told)
        if work.element is not None:
            self._journal.note(work.index, record, work.element)
        self._fail(work.node, record, cause)

    def _fail(self, node: Node, record: StepRecord, cause: BaseException | None) -> None:
        self._settle(node, record)
        if self.failed is None:
            self.failed, self.cause = record, cause

    def _ended(self, work: Work, record: StepRecord) -> None:
        """A call gave a result."""
        if self._journal.run.deterministic and work.node.kind == "train" and not record.cached:
            if work.first is None:
                self._queue.append(work.again(record))
                return
            if (settled := self._repeated(work, work.first, record)) is None:
                return
            record = settled
        if record.key and not record.cached:
            self._journal.keep(record, work.node.name)
        if work.element is None:
            self._missing.pop(work.node.name, None)
            self._settle(work.node, record)
            return
        self._journal.note(work.index, record, work.element)
        self._element_done(work.node, work.element, record)

    def _repeated(self, work: Work, first: StepRecord, second: StepRecord) -> StepRecord | None:
        """The first of two trainings that gave the same; None when they did not, and the step has failed."""
        for observer in self._place.observers:
            observer.step_ended(self._journal.run, msgspec.structs.replace(second, name=work.name))
        try:
            require_equal(work.node.name, output_of(first), output_of(second), self._place)
        except NotDeterministic as error:
            told = f"{error.message} {error.remedy}"
            failed = msgspec.structs.replace(first, state="failed", detail=told, output=None)
            self._fail(work.node, failed, error)
            return None
        return msgspec.structs.replace(first, repeated=True)

    def _element_done(self, node: Node, element: int, record: StepRecord) -> None:
        self._elements[node.name, element] = record
        missing = self._missing[node.name]
        missing.discard(element)
        if not missing:
            self._join(node)

    def _join(self, node: Node) -> None:
        self._missing.pop(node.name, None)
        count = self._counts[node.name]
        self._settle(node, joined(node, [self._elements[node.name, at] for at in range(count)]))

    def _settle(self, node: Node, record: StepRecord) -> None:
        """A step is done, skipped or failed."""
        self._remember(record)
        self.steps[node.name] = record
        for observer in self._place.observers:
            observer.step_ended(self._journal.run, record)
        self._journal.note(self._index[node.name], record)

    def _remember(self, record: StepRecord) -> None:
        if record.output is not None:
            self._binder.outputs[record.name] = record.output
        mine = any(node.name == record.name for node in self._graph.nodes)
        if mine and record.verdict in ("fail", "inconclusive") and self.stopped is None:
            self.stopped = record

    def _call_off(self) -> None:
        """End what runs; what had ended by itself meanwhile is kept."""
        if self._running and self._place.executor is not None:
            executor = self._place.executor()
            with suppress(ModelyardError):
                self._drain(executor)
        for work in self._running.values():
            record = msgspec.structs.replace(work.record, state="cancelled", detail="called off")
            self._journal.note(work.index, record, work.element)
        self._queue.clear()
        with suppress(ModelyardError):
            self._journal.write()

    def _drain(self, executor: Executor) -> None:
        for identity in self._running:
            executor.cancel(identity)
        waiting = set(self._running)
        while waiting and (outcomes := executor.wait(10)):
            for outcome in outcomes:
                waiting.discard(outcome.id)
                if outcome.state == "done":
                    self._take(outcome)


def failure(pipeline: str, run_id: str, record: StepRecord, cause: BaseException | None) -> StepFailed:
    """The error that a failed step ends its run with."""
    told = cause.remedy if isinstance(cause, ModelyardError) else ""
    remedy = f"{told} Then go on" if told else "Correct the step and go on"
    remedy += f" from there: modelyard pipeline resume {run_id}"
    if record.log:
        remedy += f". What it wrote: modelyard pipeline logs {run_id} {record.name}"
    error = StepFailed(
        f"Step '{record.name}' of '{pipeline}' failed: {record.detail}",
        context={"step": record.name, "run": run_id},
        remedy=f"{remedy}.",
    )
    error.__cause__ = cause
    return error


def _message(error: BaseException | None) -> str:
    if isinstance(error, ModelyardError):
        return error.message
    text = str(error)
    return f"{type(error).__name__}: {text if len(text) <= 2_000 else text[:1_999] + '…'}"


def _bare(record: StepRecord) -> StepRecord:
    """A record of what has only begun, without what is only of use at its end."""
    return msgspec.structs.replace(record, components={})
