"""Running and resuming pipelines."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec

from modelyard.storage import RevisionConflict, StoreUnavailable

from ..artifacts import Artifact, load, save
from ..authoring import Pipeline
from ..datasets import DatasetState
from ..errors import InvalidPipeline, RunEnded, RunNotFound
from ..graph import Graph, Node
from .cleaning import Undisturbed, undisturbed
from .journal import Journal
from .keys import check_cache_options, environment_of
from .lease import being_worked_on, lease_of, worker_of
from .loop import Loop, failure
from .place import Place
from .records import KIND, PipelineRun, StepRecord, list_runs, read_elements, read_run
from .secrets import require_secrets
from .selection import Selection
from .task import shown
from .twice import check_repeatable

_EVERYTHING = Selection()


class Engine:
    """Runs pipelines in a place. For one thread at a time; several processes may run different runs at once."""

    def __init__(self, place: Place) -> None:
        self._place = place

    @property
    def place(self) -> Place:
        """Where it runs them."""
        return self._place

    def run(
        self,
        pipeline: Pipeline,
        given: Mapping[str, Any],
        run_id: str,
        *,
        selection: Selection = _EVERYTHING,
        cache: bool = True,
        experiment: str = "",
        deterministic: bool = False,
    ) -> PipelineRun:
        """Run every selected step when what it needs is there; a run of this id that was cut off goes on instead.

        The first judgement that does not pass stops the run before anything composed later starts. Every step is
        recorded as it ends. StepFailed names a step that failed and keeps the cause. Outputs of steps that are not
        selected come from the newest run that has them.

        `deterministic`: steps have one thread, and each train step is run twice, in two processes; StepFailed when the
        results are not the same.
        """
        before, _ = self._stored(run_id)
        if before is not None:
            if before.state in ("done", "stopped"):
                return before
            return self.resume(pipeline, run_id)
        graph = pipeline.graph()
        chosen = selection.names(graph)
        self._check(graph, chosen)
        if deterministic:
            check_repeatable(_cut(graph, chosen), self._place)
        params = pipeline.bind(given)
        everything = len(chosen) == len(graph.nodes)

        def begin(so_far: Undisturbed) -> PipelineRun:
            names, store = self._place.names, self._place.artifacts
            run = PipelineRun(
                id=run_id,
                pipeline=pipeline.name,
                state="running",
                started_at=self._place.clock.now().isoformat(),
                params={name: shown(value) for name, value in params.items()},
                experiment=experiment,
                seed=self._place.seed,
                cache=cache,
                selected=() if everything else chosen,
                inputs={name: save(value, store, names) for name, value in params.items()},
                engine=self._place.engine,
                deterministic=deterministic,
            )
            return self._go_on(graph, run, so_far, expect=0)

        return undisturbed(begin, self._place.records)

    def resume(self, pipeline: Pipeline, run_id: str) -> PipelineRun:
        """Go on with a run that failed, was interrupted, or whose process was killed; steps that are done stay so.

        RunActive while another process works on it, RunEnded when there is nothing left to do.
        """
        run, revision = self._stored(run_id)
        if run is None:
            raise RunNotFound(f"There is no run {run_id}.", remedy="See: modelyard pipeline list.")
        if (worker := worker_of(self._place.records, run)) is not None:
            raise being_worked_on(run.id, worker)
        if run.state in ("done", "stopped"):
            raise RunEnded(
                f"Run {run_id} is over: {run.state}.", remedy=f"Start another: modelyard pipeline run {run.pipeline}"
            )
        graph = pipeline.graph()
        self._check(graph, run.selected or tuple(each.name for each in graph.nodes))
        run = msgspec.structs.replace(
            run, state="running", verdict="inconclusive", reasons=(), ended_at="", engine=self._place.engine
        )
        return undisturbed(lambda so_far: self._go_on(graph, run, so_far, expect=revision), self._place.records)

    def _check(self, graph: Graph, chosen: tuple[str, ...]) -> None:
        part = Graph(tuple(graph.node(name) for name in chosen))
        require_secrets(part)
        check_cache_options(part)
        for node in part.nodes:
            environment_of(node)
            if self._place.executor is None or self._place.names.reference(node.function) is None:
                _check_here(node)

    def _stored(self, run_id: str) -> tuple[PipelineRun | None, int]:
        with self._place.records.snapshot() as view:
            document = view.get(KIND, run_id)
            return read_run(view, run_id), document.revision if document is not None else 0

    def _go_on(self, graph: Graph, run: PipelineRun, so_far: Undisturbed, *, expect: int) -> PipelineRun:
        lease = lease_of(self._place.records, run.id)
        journal = Journal(self._place.records, run, lease)
        loop = self._loop(graph, journal)
        if not lease.take():
            raise being_worked_on(run.id, lease.holder())
        try:
            self._begin(journal, run, so_far, expect)
            return self._work(journal, loop)
        finally:
            with suppress(StoreUnavailable):  # it runs out by itself
                lease.release()

    def _begin(self, journal: Journal, run: PipelineRun, so_far: Undisturbed, expect: int) -> None:
        try:
            journal.begin(run, expect=expect, undisturbed=so_far)
        except RevisionConflict as error:
            raise being_worked_on(run.id, None) from error

    def _work(self, journal: Journal, loop: Loop) -> PipelineRun:
        run = journal.run
        for observer in self._place.observers:
            observer.run_started(msgspec.structs.replace(run, steps=tuple(loop.own_steps())))
        try:
            loop.run()
        except BaseException as error:
            state = "failed" if isinstance(error, Exception) else "interrupted"
            self._end(journal, loop, state, str(error) or type(error).__name__)
            raise
        if loop.failed is not None:
            self._end(journal, loop, "failed", loop.failed.detail)
            raise failure(run.pipeline, run.id, loop.failed, loop.cause)
        return self._end(journal, loop, "done" if loop.stopped is None else "stopped", "")

    def _loop(self, graph: Graph, journal: Journal) -> Loop:
        run = journal.run
        chosen = run.selected or tuple(each.name for each in graph.nodes)
        settled, elements = self._done_before(graph, run)
        settled = {name: each for name, each in settled.items() if name in chosen}
        earlier = self._from_earlier_runs(graph, chosen, run)
        index = {node.name: at for at, node in enumerate(graph.nodes)}
        return Loop(_cut(graph, chosen), index, self._place, journal, settled, elements, earlier)

    def _done_before(
        self, graph: Graph, run: PipelineRun
    ) -> tuple[dict[str, StepRecord], dict[tuple[str, int], StepRecord]]:
        """Steps and elements of this run that are done, and whose results are still there."""
        with self._place.records.snapshot() as view:
            found = read_run(view, run.id)
            elements = {
                (node.name, at): each
                for index, node in enumerate(graph.nodes)
                if node.is_mapped
                for at, each in read_elements(view, run.id, index).items()
            }
        steps = {each.name: each for each in (found.steps if found is not None else ())}
        return (
            {name: each for name, each in steps.items() if self._is_kept(each)},
            {place: each for place, each in elements.items() if self._is_kept(each)},
        )

    def _is_kept(self, record: StepRecord) -> bool:
        has = self._place.artifacts.has
        output = record.output
        return record.state == "done" and output is not None and all(has(each.digest) for each in output.leaves())

    def _from_earlier_runs(self, graph: Graph, chosen: tuple[str, ...], run: PipelineRun) -> dict[str, StepRecord]:
        """What the selected steps take from others, as the newest run gave it."""
        wanted = {need for name in chosen for need in graph.node(name).needs} - set(chosen)
        found: dict[str, StepRecord] = {}
        for earlier in list_runs(self._place.records, pipeline=run.pipeline):
            if wanted <= found.keys():
                break
            with self._place.records.snapshot() as view:
                whole = read_run(view, earlier.id)
            for step in whole.steps if whole is not None and earlier.id != run.id else ():
                if step.name in wanted - found.keys() and self._is_kept(step):
                    found[step.name] = step
        if lacking := sorted(wanted - found.keys()):
            raise InvalidPipeline(
                f"The selected steps take what {', '.join(lacking)} gave, and no run of '{run.pipeline}' has that.",
                remedy=f"Run the whole pipeline once: modelyard pipeline run {run.pipeline}",
            )
        return found

    def _end(self, journal: Journal, loop: Loop, state: Any, reason: str) -> PipelineRun:
        verdict: Any = {"done": "pass", "failed": "fail"}.get(state, "inconclusive")
        reasons: tuple[str, ...] = (reason,) if reason else ()
        if loop.stopped is not None and state == "stopped":
            verdict, reasons = loop.stopped.verdict, loop.stopped.reasons
        run = msgspec.structs.replace(
            journal.run,
            state=state,
            verdict=verdict,
            reasons=reasons,
            ended_at=self._place.clock.now().isoformat(),
            datasets=self._datasets(journal.run, loop),
        )
        journal.end(run)
        run = msgspec.structs.replace(run, steps=tuple(loop.own_steps()))
        for observer in self._place.observers:
            observer.run_ended(run)
        return run

    def _datasets(self, run: PipelineRun, loop: Loop) -> dict[str, DatasetState]:
        """What was read, and what is said to be, as it is now."""
        schemas = {name: columns for step in loop.own_steps() for name, columns in step.schemas.items()}
        read = {name for step in loop.own_steps() for name in step.reads}
        states = {name: self._place.datasets(name) for name in sorted(read | schemas.keys() | loop.declared_reads)}
        found = {
            name: msgspec.structs.replace(state, columns=schemas.get(name, {}))
            for name, state in states.items()
            if state is not None
        }
        return {**run.datasets, **found}

    def value(self, artifact: Artifact) -> Any:
        """The value of what a step gave."""
        return load(artifact, self._place.artifacts, self._place.names, self._place.scratch)


def _check_here(node: Node) -> None:
    """InvalidPipeline for options that mean nothing in this process, where the step would run."""
    options = {"timeout": node.options.timeout, "resources": node.options.resources}
    if lacking := [name for name, given in options.items() if given]:
        raise InvalidPipeline(
            f"Step '{node.name}' asks for {' and '.join(lacking)}, but would run in this very process, which can give "
            "it neither a time limit nor processors of its own.",
            context={"step": node.name, "options": lacking},
            remedy=f"Leave {' and '.join(lacking)} out, or put the step into a file of a project and run it there: "
            "modelyard pipeline run NAME",
        )


def _cut(graph: Graph, chosen: tuple[str, ...]) -> Graph:
    """The chosen steps; judgements that are not among them hold nothing back."""
    nodes = (graph.node(name) for name in chosen)
    return Graph(tuple(replace(node, after=tuple(each for each in node.after if each in chosen)) for node in nodes))
