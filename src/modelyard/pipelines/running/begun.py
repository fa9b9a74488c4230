"""The order in which runs began, so that the newest are found without reading the others."""

import msgspec

from modelyard.storage import Document, RecordStore, Snapshot, Transaction

from .records import KIND, PipelineRun

_BEGUN = "pipeline-runs"


def note_begun(tx: Transaction, run: PipelineRun) -> None:
    """A run begins; called before its record is first written. Runs of releases that noted nothing come before it."""
    if not tx.entries(_BEGUN, limit=1):
        for each in sorted(tx.scan(KIND), key=_started):
            _note(tx, each.key, str(each.body["pipeline"]))
    _note(tx, run.id, run.pipeline)


def newest_runs(
    records: RecordStore, *, pipeline: str | None = None, skip: int = 0, limit: int = 20
) -> tuple[list[PipelineRun], int]:
    """Runs without their steps, those that began last first, and how many there are. Costs what is returned."""
    with records.snapshot() as view:
        newest = view.entries(_stream(pipeline), limit=1, descending=True)
        if not newest:
            return _read_all(view, pipeline, skip, limit)
        top = newest[0].seq - skip
        page = view.entries(_stream(pipeline), after=max(0, top - limit), limit=max(0, min(limit, top)))
        documents = (view.get(KIND, str(each.body["run"])) for each in reversed(page))
        return [msgspec.convert(each.body, PipelineRun) for each in documents if each is not None], newest[0].seq


def _read_all(view: Snapshot, pipeline: str | None, skip: int, limit: int) -> tuple[list[PipelineRun], int]:
    """The same where nothing noted the order: releases before did not."""
    found = view.scan(KIND) if pipeline is None else view.find(KIND, "pipeline", pipeline)
    newest = sorted(found, key=_started, reverse=True)[skip : skip + limit]
    return [msgspec.convert(each.body, PipelineRun) for each in newest], len(found)


def _note(tx: Transaction, run_id: str, pipeline: str) -> None:
    for stream in (_BEGUN, _stream(pipeline)):
        tx.append(stream, {"run": run_id})


def _stream(pipeline: str | None) -> str:
    return _BEGUN if pipeline is None else f"{_BEGUN}/{pipeline}"


def _started(document: Document) -> str:
    return str(document.body["started_at"])
