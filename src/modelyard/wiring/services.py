"""What pipeline steps reach: the project's data, features and models behind the contract of `pipelines`."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modelyard.access import Principal
from modelyard.bundling import Facts, build_bundle, build_profile, infer_signature, permutation_importance
from modelyard.core import (
    Clock,
    InvalidInput,
    Judgement,
    NotFound,
    Scalar,
    Verdict,
    did_you_mean,
    log_event,
    shown,
    to_micros,
)
from modelyard.data import WEIGHT, DatasetSettings, Versions, check_leaks, training_window, version_of
from modelyard.features import FeatureStore
from modelyard.inference import Embedder, Encoder, Signature, load_bundle, load_embedder, sign_bundle
from modelyard.online import RequestField
from modelyard.pipelines import Candidate, Reindexing, Samples, in_run
from modelyard.registry import FeatureList, ModelVersionNotFound, Registry, judge_limits
from modelyard.stats import PAIRED, binary_metrics, paired_difference
from modelyard.tracking import Declared, Evaluations, Tracker, evaluate, evaluation_page

from .datasets import dataset_rows, dataset_settings, event_time_of, validate_dataset
from .keys import ProjectKeys
from .project_file import LoadedFile
from .settings import ModelSettings

CLASSES = ("0", "1")
_GOLDEN_SOURCE = 5_000
"""So many training rows are kept raw, for a bundle's golden rows and its proof of parity."""

_PROFILED_ROWS = 50_000
"""The distribution of scores is taken from the newest rows."""

_CHECKED_ROWS = 20_000
"""The leak check looks at the newest rows: enough to see a leak, whatever the history's length."""


class ProjectServices:
    """See `pipelines.Services`."""

    def __init__(
        self,
        file: LoadedFile,
        features: FeatureStore,
        registry: Registry,
        tracker: Tracker,
        clock: Clock,
        principal: Principal,
        scratch: Path,
        versions: Versions,
        keys: ProjectKeys,
        evaluations: Evaluations,
        reindexing: Reindexing,
    ) -> None:
        self._file = file
        self._features = features
        self._registry = registry
        self._tracker = tracker
        self._clock = clock
        self._principal = principal
        self._scratch = scratch
        self._versions = versions
        self._keys = keys
        self.evaluations = evaluations
        self.reindexing = reindexing

    def embedder(self, version: str) -> Embedder:
        found = self._registry.at(version)
        with TemporaryDirectory(dir=self._scratch) as folder:
            fetched = self._registry.fetch_bundle(found, Path(folder) / "bundle")
            return load_embedder(fetched, expect=found.bundle, trust=self._keys.trust())

    def dataset(self, name: str, as_of: datetime, window: Mapping[str, str] | None = None) -> pa.Table:
        rows = dataset_rows(self._file, name, as_of, self._versions.table)
        if window:
            rows = training_window(rows, event_time_of(self._file, name), as_of, window)
        if (run := in_run()) is not None:
            columns = {field.name: str(field.type) for field in rows.schema}
            run.read(name, version_of(name, rows).digest, columns)
        return rows

    def check(self, name: str, rows: pa.Table) -> Judgement:
        settings = dataset_settings(self._file, name)
        declared = validate_dataset(self._file, name, rows, self._clock)
        told = Judgement(Verdict.PASS, tuple(f"warning: {each}" for each in declared.warnings))
        newest = rows.slice(max(0, len(rows) - _CHECKED_ROWS))
        used = [feature for model in self._models_of(settings) for feature in _bare(self._features_of(model))]
        columns = {each: newest.column(each).to_pylist() for each in used if each in newest.column_names}
        leaks = [check_leaks(columns, newest.column(settings.label).to_pylist())] if columns else []
        return Judgement.all_of([declared.judgement, told, *leaks])

    def join(self, model: str, rows: pa.Table) -> pa.Table:
        settings = self._file.settings.models[model]
        features = self._features_of(settings)
        joined = [each for each in features if each not in rows.column_names]
        event_time = self._dataset_of(settings).event_time
        if not joined and event_time is None:
            return rows
        if event_time is None:
            raise InvalidInput(
                f"'{joined[0]}' of model '{model}' is joined by time, and its dataset names no event_time.",
                code="NO_EVENT_TIME",
                remedy="Name the column with the instant of each row: datasets.NAME.event_time.",
            )
        return self._features.training_rows(rows, features, event_time=event_time)

    def samples(
        self, model: str, rows: pa.Table, *, signature: Signature | None = None, complete: bool = False
    ) -> Samples:
        settings = self._file.settings.models[model]
        _require_binary(model, settings)
        names = _bare(self._features_of(settings))
        weighed = [WEIGHT] if WEIGHT in rows.column_names else []
        chosen = rows.select([*names, settings.label, *weighed])
        if complete:
            chosen = chosen.drop_null()
        inputs = chosen.select(names)
        if signature is None:
            required = names if complete else [name for name in names if name in settings.request]
            signature = infer_signature(inputs, required=required)
        matrix = Encoder(signature).from_columns([_column(inputs.column(name)) for name in names]).matrix
        labels = chosen.column(settings.label).cast(pa.float64()).to_numpy()
        weights = chosen.column(WEIGHT).to_numpy() if weighed else None
        return Samples(signature, chosen.select([*names, settings.label]), matrix, labels, weights)

    def champion_metrics(self, model: str, rows: pa.Table, *, complete: bool = False) -> dict[str, float]:
        found = self._champion(model, rows, complete=complete)
        return {} if found is None else binary_metrics(*found)

    def challenge(
        self, model: str, candidate: Candidate, rows: pa.Table, *, metric: str = "auc", complete: bool = False
    ) -> dict[str, float]:
        champion = self._champion(model, rows, complete=complete)
        if champion is None:
            return {}
        if metric not in PAIRED:
            raise InvalidInput(f"Candidates are not compared by {shown(metric)}.", remedy=did_you_mean(metric, PAIRED))
        samples = self.samples(model, rows, signature=candidate.samples.signature, complete=complete)
        if len(samples.labels) != len(champion[1]):
            raise InvalidInput(
                f"Candidate and champion of '{model}' are to be compared on the same rows, and of {len(rows)} the one "
                f"can judge {len(samples.labels)}, the other {len(champion[1])}.",
                code="NOT_THE_SAME_ROWS",
                remedy="Leave out the rows that one of them cannot judge.",
            )
        scores = candidate.model.predict_proba(samples.matrix)[:, 1]
        found = paired_difference(metric, scores, champion[0], samples.labels)
        return {} if found is None else {name: float(each) for name, each in asdict(found).items()}

    def _champion(
        self, model: str, rows: pa.Table, *, complete: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Scores and labels (n,) of the version in production; None when there is none."""
        try:
            version = self._registry.get(model, "production")
        except ModelVersionNotFound:
            return None
        with TemporaryDirectory(dir=self._scratch) as folder:
            fetched = self._registry.fetch_bundle(version, Path(folder) / "bundle")
            with closing(load_bundle(fetched, expect=version.bundle, trust=self._keys.trust())) as bundle:
                samples = self.samples(model, rows, signature=bundle.info.signature, complete=complete)
                return bundle.scores(samples.matrix)[:, 0], samples.labels

    def evaluate(self, model: str, candidate: Candidate, rows: pa.Table, *, complete: bool = False) -> dict[str, float]:
        settings, declared = self._file.settings.models[model], self.declared(model)
        samples = self.samples(model, rows, signature=candidate.samples.signature, complete=complete)
        names = [*_bare(self._features_of(settings)), settings.label]
        judged = rows.filter(_complete(rows.select(names))) if complete else rows
        wanted = dict.fromkeys((*declared.slices, *declared.groups))
        found = evaluate(
            candidate.model.predict_proba(samples.matrix)[:, 1],
            samples.labels,
            task=settings.task,
            classes=(0, 1),
            slices=_values(judged, declared.slices),
            groups=_values(judged, declared.groups),
            absent=[each for each in wanted if each not in rows.column_names],
        )
        self.evaluations.keep(found)
        if (run := in_run()) is not None and run.kept is not None:
            page = evaluation_page(found, f"{model}: {run.step}")
            (run.folder / "evaluation.html").write_text(page, encoding="utf-8")
        return dict(found.metrics)

    def declared(self, model: str | None) -> Declared:
        """See `declared_columns`."""
        return declared_columns(self._file.settings.models, model)

    def register(
        self, model: str, candidate: Candidate, metrics: Mapping[str, float], gates: Sequence[Judgement]
    ) -> int:
        settings, samples = self._file.settings.models[model], candidate.samples
        once = _this_step()
        if (before := self._registry.registered_by(model, once)) is not None:
            return before.number
        key = self._keys.own()  # one that cannot be read is told before anything is made
        with self._tracker.run(model, f"train {model}") as run:
            run.log(params=candidate.params, metrics=metrics)
            source = run.log_model(candidate.model, samples.matrix[:5])

            def predict(matrix: np.ndarray) -> np.ndarray:
                return np.asarray(candidate.model.predict_proba(matrix)[:, 1])

            importance = permutation_importance(
                predict, samples.matrix, samples.labels, samples.signature.names, seed=0
            )
            newest = samples.matrix[-_PROFILED_ROWS:]
            profile = build_profile(
                samples.signature,
                samples.matrix,
                predict(newest),
                importance=importance,
                performance=metrics,
            )
            with TemporaryDirectory(dir=self._scratch) as folder:
                built = build_bundle(
                    candidate.model,
                    _raw(samples.table.select(samples.signature.names).slice(0, _GOLDEN_SOURCE)),
                    signature=samples.signature,
                    task=settings.task,
                    plan=self.plan(model),
                    profile=profile,
                    facts=Facts(
                        model=model,
                        version=run.id,
                        classes=CLASSES,
                        run=run.id,
                        datasets={model: version_of(model, samples.table).digest},
                        metrics=metrics,
                        created=to_micros(self._clock.now()),
                    ),
                    into=Path(folder) / "bundle",
                    transforms=self._features.code(self._features_of(settings)),
                )
                if key is not None:
                    sign_bundle(built.path, built.digest, key)
                version = self._registry.register(
                    model,
                    principal=self._principal,
                    source=source,
                    run=run.id,
                    bundle=built.path,
                    digest=built.digest,
                    metrics=metrics,
                    params=candidate.params,
                    gates=[*gates, *_declared(settings, metrics)],
                    once=once,
                    features=self._used(settings),
                    evaluation=self.evaluations.by_metrics(metrics),
                )
        log_event("wiring", "registered", model=model, version=version.number, bundle=built.digest)
        return version.number

    def plan(self, model: str) -> dict[str, object]:
        """The feature plan of a model, as its bundles carry it."""
        settings = self._file.settings.models[model]
        request = [
            RequestField(name, each) if isinstance(each, str) else RequestField(name, each.kind, each.required)
            for name, each in settings.request.items()
        ]
        plan: dict[str, object] = msgspec.to_builtins(self._features.plan(self._features_of(settings), request))
        return plan

    def _features_of(self, model: ModelSettings) -> Sequence[str]:
        """The inputs of a model: as listed, or as its feature service lists them."""
        return self._features.listed(model.feature_service) if model.feature_service else model.features

    def _used(self, model: ModelSettings) -> FeatureList:
        """The inputs as they are kept with a version; of a service also its name and digest."""
        listed = tuple(self._features_of(model))
        if model.feature_service is None:
            return FeatureList(listed)
        return FeatureList(listed, model.feature_service, self._features.digest(model.feature_service))

    def _models_of(self, dataset: DatasetSettings) -> list[ModelSettings]:
        return [each for each in self._file.settings.models.values() if each.label == dataset.label]

    def _dataset_of(self, model: ModelSettings) -> DatasetSettings:
        return next(each for each in self._file.settings.datasets.values() if each.label == model.label)


def declared_columns(models: Mapping[str, ModelSettings], model: str | None) -> Declared:
    """By what columns a model of the project is judged: the one named, else its only one."""
    if model is None:
        only = next(iter(models.values())) if len(models) == 1 else None
    elif (only := models.get(model)) is None:
        raise NotFound(
            f"The project file has no model {shown(model)}.", code="NO_MODEL", remedy=did_you_mean(model[:128], models)
        )
    return Declared() if only is None else Declared(only.slices, only.groups)


def _values(rows: pa.Table, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Those of these columns that the rows have: numbers with NaN where one is missing, all else as objects (n,)."""
    return {each: _plain(rows.column(each)) for each in columns if each in rows.column_names}


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    numeric = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return column.to_numpy() if numeric else np.array(column.to_pylist(), dtype=object)


def _complete(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows miss no value (n,)."""
    return reduce(pc.and_, (pc.is_valid(each) for each in rows.columns))


def _require_binary(model: str, settings: ModelSettings) -> None:
    if settings.task != "binary":
        raise InvalidInput(
            f"Pipelines train binary models, and '{model}' is declared as {settings.task}.",
            code="NOT_BINARY",
            context={"model": model, "task": settings.task},
            remedy="Train it by yourself, and register each version: modelyard model register --path FILE.",
        )


def _declared(settings: ModelSettings, metrics: Mapping[str, float]) -> list[Judgement]:
    """The judgement by the limits that the project file declares, if any."""
    return [judge_limits(metrics, settings.gate)] if settings.gate else []


def _this_step() -> str | None:
    """What is the same when a step is run again after a crash."""
    run = in_run()
    return None if run is None or not run.step else f"{run.run_id}/{run.step}"


def _bare(features: Sequence[str]) -> list[str]:
    """Feature names as columns have them, without their views."""
    return [each.rpartition(":")[2] for each in features]


def _column(column: pa.ChunkedArray) -> Any:
    """A column as the encoder reads it: strings with None, or float64 with NaN."""
    return column.to_pylist() if pa.types.is_string(column.type) else column.cast(pa.float64()).to_numpy()


def _raw(rows: pa.Table) -> list[tuple[Scalar, ...]]:
    """Rows as a model is given them; NaN is no value, and flags are 1 and 0."""
    plain = (each.cast(pa.float64()) if pa.types.is_boolean(each.type) else each for each in rows.columns)
    columns = ([None if value != value else value for value in each.to_pylist()] for each in plain)  # noqa: PLR0124
    return list(zip(*columns, strict=True))
