"""Opening rows for data-parallel work: cut them, and have processes ready."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from modelyard.core import InvalidInput
from modelyard.execution import own_share
from modelyard.storage import open_artifact_store

from ..code import ProjectNames
from ..context import RunContext, in_run
from ..options import checked_resources
from ..parts import check_gpus
from .callers import Beside, Caller, Here
from .cut import Rows, cut
from .kept import Kept
from .shards import Bench, Shards, remove

_open: set[Path] = set()
"""Folders of shards in use by this process."""


def data_parallel(
    rows: Rows,
    *,
    shards: int | None = None,
    shard_rows: int | None = None,
    parallel: int | None = None,
    resources: Mapping[str, float] | None = None,
    retries: int = 2,
    seed: int | None = None,
    folder: Path | None = None,
) -> Shards:
    """Cut rows into shards and get processes ready that train on them, side by side; close it when done (`with`).

    `shards`: how many, 16 by default, never more than rows; or `shard_rows`, how many rows each, which a stream of
    Arrow batches needs. Results hang on that, not on `parallel`: how many shards are worked on at a time. That is by
    default as many as the step's `resources` have room for; on Ray, as many as the cluster has room for. With 1 all is
    done in this process, also functions that stand in a notebook.

    `resources` of one shard's call, as of a step: `{"gpu": 1, "cpus": 2}`; by default one processor. A shard whose
    process or node is lost is called again, up to `retries` times. `seed`: of the random generators, by default the
    run's. What was done is kept in `folder`, by default the step's, until the run is removed; the shards
    themselves only until `close`.

    InvalidInput for rows or numbers that cannot be used; DoesNotFit for resources that there are not.
    """
    wanted = {"cpus": 1.0, **_resources(resources)}
    for name, value, least in (("parallel", parallel, 1), ("retries", retries, 0)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise InvalidInput(f"{name}={value!r:.40} is no whole number from {least}.", remedy="Correct it.")
    run = in_run()
    stack = ExitStack()
    with ExitStack() as failing:
        failing.push(stack)
        base = folder or _kept_folder(run) or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kept = Kept(base / "passes")
        own = _reserved(base)
        stack.callback(_release, own)
        project = run.project if run is not None and run.project is not None else Path.cwd()
        pieces = cut(rows, shards, shard_rows, open_artifact_store(own / "store"), ProjectNames(project))
        threads = 1 if run is not None and run.deterministic else max(1, int(wanted["cpus"]))
        caller = _caller(parallel, len(pieces), wanted, threads, retries, own / "parts.log")
        stack.callback(caller.close)
        chosen = seed if seed is not None else run.seed if run is not None else 0
        failing.pop_all()
        return Shards(Bench(own, project, caller, kept, chosen, stack, [0]), pieces)


def _resources(given: Mapping[str, float] | None) -> dict[str, float]:
    try:
        return checked_resources(given)
    except InvalidInput as error:
        raise InvalidInput(f"resources: {error.message}", remedy=error.remedy) from error


def _caller(
    parallel: int | None, shards: int, resources: Mapping[str, float], threads: int, retries: int, log: Path
) -> Caller:
    share = own_share()
    if share.cluster is None:
        check_gpus(share, resources)
        parallel = max(1, share.fits(resources)) if parallel is None else parallel
    if parallel == 1:
        return Here(threads)
    return Beside(parallel, most=shards, resources=resources, threads=threads, retries=retries, log=log)


def _kept_folder(run: RunContext | None) -> Path | None:
    return None if run is None or run.kept is None else run.folder


def _reserved(base: Path) -> Path:
    """A folder of one's own: the same one, after a kill, for a step that does the same."""
    at = 1
    while (path := base / f"shards-{at}") in _open:
        at += 1
    _open.add(path)
    (path / "store").mkdir(parents=True, exist_ok=True)
    return path


def _release(path: Path) -> None:
    _open.discard(path)
    remove(path)
