"""The steps of adopting: read, match, build, write, register; all of it or nothing."""

import json
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modelyard.access import Permission, authorize
from modelyard.bundling import BuiltBundle
from modelyard.core import Conflict, check_name, counted
from modelyard.data import content_digest
from modelyard.inference import BundleInfo, sign_bundle, verify_bundle
from modelyard.tracking import undisturbed
from modelyard.wiring import FILE_NAME, Project

from ..building import Building, build_from_rows, class_names, parted, rows_of
from ..checks import infer
from ..contract import Call
from ..registering import Register, register_built
from .folder import claimed, require_free
from .given import GivenModel, GivenRows, model_given, rows_given
from .match import Matched, match_columns, task_for
from .records import Adopted, Progress, Wanted
from .write import Facts, project_file

_ENOUGH_ROWS = 50_000
"""The bundle's proof, profile and metrics are of so many rows, drawn evenly; the dataset version keeps all."""

_FEW_ROWS = 100
_SHORT = 8


def adopt(
    model: Any,
    data: Any,
    target: Any,
    *,
    name: str | None = None,
    into: Path | str = ".",
    task: str | None = None,
    columns: Sequence[str] = (),
    classes: Sequence[str] = (),
    tolerance: float = 1e-6,
    allow_python: bool = False,
) -> Adopted:
    """Turn a trained model and data into a project in the folder `into`, with version 1 registered and ready to serve.

    `model`: an estimator or booster, an ONNX model, or a path or URI (`models:/…`, `runs:/…`) of one; a pickle runs
    its author's code. `data`: a pandas, polars or Arrow table, a matrix, or a file. `target`: the column with the
    truth, or its values (n,). `columns`: those the model reads, in its order, where it does not name them. `classes`:
    their names in the order of the scores, where it only numbers them. `tolerance`: scores may differ so much from the
    model's own, relatively. `allow_python`: keep the pickle itself where nothing faster is faithful; it then runs in a
    worker process, by permission of the project file.

    Writes `modelyard.yaml` and a schema, keeps the data as a dataset version, and registers the bundle as
    `modelyard model register` does. Conflict when there is a project already; InvalidInput and NotFound say what does
    not fit. When anything fails, nothing is left. MLflow points where it did before.
    """
    named = ",".join(classes) if classes else None
    wanted = Wanted(model, data, target, name, Path(into), task, tuple(columns), named, tolerance, allow_python)
    return adopt_told(wanted, lambda _: None)


def adopt_told(wanted: Wanted, progress: Progress) -> Adopted:
    """See `adopt`; `progress` is told each step."""
    require_free(wanted.into)
    with undisturbed(), TemporaryDirectory() as folder:
        scratch = Path(folder)
        progress("reading the data")
        rows = rows_given(wanted.data, wanted.target, scratch)
        progress("reading the model")
        with model_given(wanted.model, scratch) as model:
            return _adopted(wanted, model, rows, scratch, progress)


def _adopted(wanted: Wanted, model: GivenModel, rows: GivenRows, scratch: Path, progress: Progress) -> Adopted:
    name = check_name("model", wanted.name or model.name)
    matched = match_columns(model.read, rows.table, rows.target, wanted.columns)
    used, notes = _used(rows.table, rows.target)
    labels, inputs = parted(used, rows.target, matched.columns, "data")
    assert labels is not None  # noqa: S101 - a target is always named
    task, how = task_for(model.read.model, inputs, labels, wanted.task)
    dataset = rows.name or f"{name}-rows"
    building = Building(
        name=name,
        version="1",
        into=scratch / "bundle",
        task=task,
        classes=class_names(wanted.classes),
        tolerance=wanted.tolerance,
        allow_python=wanted.allow_python,
        datasets={dataset: content_digest([rows.path])},
        progress=progress,
    )
    built = build_from_rows(model.read.model, inputs, labels, building)
    facts = Facts(
        name=name,
        dataset=dataset,
        rows=len(rows.table),
        label=rows.target,
        info=verify_bundle(built.path)[0],
        digest=built.digest,
        model_from=model.called,
        data_from=rows.called,
        how=matched.how,
    )
    registered, port = _written(wanted.into, facts, model, rows, built, progress)
    told = replace(
        _told(wanted, facts, matched, built),
        version=registered["number"],
        verdict=registered["verdict"],
        notes=(*notes, *([how] if how else [])),
        ask=_question(facts.info, inputs, port),
    )
    return _with_commands(told, wanted.into)


def _written(
    into: Path, facts: Facts, model: GivenModel, rows: GivenRows, built: BuiltBundle, progress: Progress
) -> tuple[dict[str, Any], int]:
    """Write the files and register the version; what was registered, and the port it will be served at."""
    progress(f"writing {FILE_NAME} and {facts.schema}")
    with claimed(into, project_file(facts), [facts.schema]) as file:
        infer([rows.path], into / facts.schema, called=rows.called)
        progress("registering version 1")
        return _registered(file, facts, model, rows, built)


def _used(table: pa.Table, target: str) -> tuple[pa.Table, list[str]]:
    """The rows that the bundle is made with, and what is to be said of them."""
    notes = []
    labelled = table.filter(pc.is_valid(table.column(target)))
    if missing := len(table) - len(labelled):
        notes.append(f"{counted(missing, 'row')} without {target} are in the dataset, and in no metric or profile")
    if len(labelled) > _ENOUGH_ROWS:
        chosen = np.sort(np.random.default_rng(0).choice(len(labelled), _ENOUGH_ROWS, replace=False))
        notes.append(f"proof, profile and metrics are of {_ENOUGH_ROWS} of {len(labelled)} rows")
        labelled = labelled.take(pa.array(chosen))
    if len(labelled) < _FEW_ROWS:
        notes.append(f"{counted(len(labelled), 'row')}: few to compare requests with; some hundred tell more")
    return labelled, notes


def _registered(
    file: Path, facts: Facts, model: GivenModel, rows: GivenRows, built: BuiltBundle
) -> tuple[dict[str, Any], int]:
    """Keep the data and register the bundle, signed if there is a key, as the project file says."""
    with closing(Project(file)) as project:
        authorize(project.principal, Permission.DEVELOP)
        _require_new(project, facts)
        if (key := project.keys.own()) is not None:
            sign_bundle(built.path, built.digest, key)
        project.datasets.add(facts.dataset, [rows.path], note="adopted", by=project.principal.name)
        given = Register(
            name=facts.name,
            path=str(model.path.absolute()),
            metrics=json.dumps(facts.info.metrics),
            description=f"Adopted from {model.called[:500]!r}.",
        )
        told = register_built(Call(project, given, project.principal), built.path)
        return told, project.settings.server.port


def _require_new(project: Project, facts: Facts) -> None:
    """Return when no store has the model or the data: those that the environment names may be shared."""
    models = {each.lower() for each in project.models.names()}
    datasets = {each.name.lower() for each in project.datasets.versions()}
    for kind, name, known in (("model", facts.name, models), ("dataset", facts.dataset, datasets)):
        if name.lower() in known:
            raise Conflict(
                f"The record store that MODELYARD_STORES_RECORDS names has a {kind} '{name}' already.",
                code="NAME_TAKEN",
                remedy="Choose another --name." if kind == "model" else "Give the data file another name.",
            )


def _told(wanted: Wanted, facts: Facts, matched: Matched, built: BuiltBundle) -> Adopted:
    info = facts.info
    return Adopted(
        project=str(wanted.into.resolve()),
        files=(FILE_NAME, facts.schema),
        name=facts.name,
        bundle=built.digest,
        task=info.task,
        classes=info.classes,
        columns=matched.columns,
        matched=matched.how,
        unused=matched.unused,
        dataset=f"{facts.dataset}@1",
        rows=facts.rows,
        metrics=info.metrics,
        runtime=info.runtime,
        row_us=next(
            (each.row_us for each in built.attempts if each.runtime == info.runtime and not each.why_not), None
        ),
        tried=tuple(f"{each.runtime}, {each.converter}: {each.why_not}" for each in built.attempts if each.why_not),
    )


def _with_commands(told: Adopted, into: Path) -> Adopted:
    where = [] if into.resolve() == Path.cwd() else ["--project", shlex.quote(str(into))]
    version = f"--name {told.name} --version {told.version}"
    return replace(
        told,
        serve=" ".join([f"modelyard serve --model {told.name}/{told.version}", *where]),
        promote=" ".join([f"modelyard model promote {version} --stage production", *where, "&& modelyard up", *where]),
    )


def _question(info: BundleInfo, inputs: pa.Table, port: int) -> str:
    """A request with the first of the rows: with names where there are few."""
    row = rows_of(inputs.slice(0, 1))[0]
    named = dict(zip(info.signature.names, row, strict=True))
    body: object = {"inputs": [named]} if len(row) <= _SHORT else {"features": row}
    return f"curl -s localhost:{port}/predict -d {shlex.quote(msgspec.json.encode(body).decode())}"
