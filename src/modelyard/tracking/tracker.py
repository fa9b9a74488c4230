"""MLflow owns runs, version numbers and logged models; this is all of it that Modelyard asks for.

MLflow is imported when it is first needed and never on the way of a rollback: its import alone takes seconds.
"""

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

from modelyard.core import Clock, InvalidInput
from modelyard.core.locks import alone

from .errors import TrackingUnavailable
from .flavours import FLAVOURS, logging_arguments

Result = TypeVar("Result")
Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended, as MLflow has it."""

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Variables that keep MLflow from calling home."""

_PARENT = "mlflow.parentRunId"


MOST_CHARACTERS = 6_000
"""Of a parameter, that MLflow keeps."""


@dataclass(frozen=True)
class Point:
    """A metric's value at a time, in milliseconds since 1970, and a step."""

    name: str
    value: float
    at_ms: int
    step: int


class Run:
    """An MLflow run."""

    def __init__(self, tracker: "Tracker", run_id: str) -> None:
        self._tracker = tracker
        self.id = run_id

    def log(
        self,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log all in one batch; a parameter keeps its first value, and 6000 characters of it."""
        at = self._tracker.now_ms()
        points = [Point(name, float(value), at, 0) for name, value in (metrics or {}).items()]
        self.log_points(points, params=params, tags=tags)

    def log_points(
        self,
        points: Sequence[Point],
        *,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log metrics that know their time and step, with parameters and tags, in one batch."""
        self._tracker.prepare()
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - see the module's docstring

        numbers = [Metric(each.name, each.value, each.at_ms, each.step) for each in points]
        texts = [Param(name, str(value)[:MOST_CHARACTERS]) for name, value in (params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        self._tracker.ask(lambda client: client.log_batch(self.id, metrics=numbers, params=texts, tags=labels))

    def params(self) -> dict[str, str]:
        """Its parameters, as MLflow has them."""
        found: dict[str, str] = self._tracker.ask(lambda client: client.get_run(self.id)).data.params
        return found

    def log_folder(self, folder: Path, name: str = "") -> None:
        """Keep the files of a folder as artifacts, below `name`."""
        self._tracker.ask(lambda client: client.log_artifacts(self.id, str(folder), name or None))

    def log_texts(self, texts: Mapping[str, str], below: str = "") -> None:
        """Keep texts as artifacts, by file name, below a folder of the run's."""
        with TemporaryDirectory() as folder:
            for name, text in texts.items():
                (Path(folder) / name).write_text(text, encoding="utf-8")
            self.log_folder(Path(folder), below)

    def log_dataset(self, name: str, digest: str, source: str, shape: Mapping[str, object], context: str) -> None:
        """Show a dataset among the run's inputs, by the first 32 characters of its digest: MLflow keeps no more."""
        self._tracker.prepare()
        from mlflow.entities import Dataset, DatasetInput, InputTag  # noqa: PLC0415 - see the module's docstring

        told = json.dumps({"source": source})
        dataset = Dataset(name[:500], digest[:32], "modelyard", told, profile=json.dumps(dict(shape)))
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        self._tracker.ask(lambda client: client.log_inputs(self.id, [used]))

    def log_file(self, file: Path, name: str, below: str = "") -> None:
        """Keep a file as an artifact called `name`, in a folder of the run's."""
        with TemporaryDirectory() as folder:
            named = Path(folder) / name
            named.symlink_to(file.absolute())
            self._tracker.ask(lambda client: client.log_artifact(self.id, str(named), below or None))

    def end(self, status: Status, at: datetime | None = None) -> None:
        """End it, now or when `at` says."""
        end_time = self._tracker.now_ms() if at is None else _to_ms(at)
        self._tracker.ask(lambda client: client.set_terminated(self.id, status, end_time=end_time))

    def log_model(self, model: Any, sample: Any, name: str = "model", requirements: Sequence[str] = ()) -> str:
        """Log a model with its signature and requirements; returns its URI.

        A model of scikit-learn, XGBoost, LightGBM, ONNX or PyTorch, an object with `predict`, or a function of rows.
        `sample`: a few rows as the model reads them, (n, f). `requirements` are added to those that are found.
        """
        return self._tracker.log_model(self.id, model, sample, name, requirements)


class Tracker:
    """Runs and versions in MLflow at a URI. Safe for one thread at a time."""

    def __init__(self, uri: str, artifacts: str, clock: Clock, registry: str | None = None) -> None:
        """`artifacts`: where those of new experiments go, or nothing for MLflow's own choice; `registry`: of models."""
        self._uri = uri
        self._artifacts = artifacts
        self._clock = clock
        self._registry = registry or uri

    @classmethod
    def of_mlflow(cls, clock: Clock) -> "Tracker":
        """Where MLflow points by itself: what this process told it, its variables, or the file of its own default."""
        without_telemetry()
        import mlflow  # noqa: PLC0415 - see the module's docstring

        return cls(mlflow.get_tracking_uri(), "", clock, mlflow.get_registry_uri())

    @property
    def uri(self) -> str:
        """Where MLflow is, without a password."""
        return _masked(self._uri)

    @property
    def is_empty(self) -> bool:
        """Whether it is a file, or a folder, that is not there: asking would make it."""
        place = self._uri.removeprefix("file://").removeprefix("sqlite:///").partition("?")[0]
        return "://" not in place and not Path(place).exists()

    def now_ms(self) -> int:
        """The injected clock, in MLflow's milliseconds."""
        return _to_ms(self._clock.now())

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:
        """A run that ends FINISHED, or FAILED when the block raises."""
        run = self.begin(experiment, name, tags)
        status: Status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            run.end(status)

    def begin(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        *,
        parent: Run | None = None,
        at: datetime | None = None,
    ) -> Run:
        """A run that the caller ends; MLflow shows it below its parent. It began now, or when `at` says."""
        experiment_id = self.experiment_id(experiment)
        start_time = self.now_ms() if at is None else _to_ms(at)
        shown = {**(tags or {}), **({_PARENT: parent.id} if parent is not None else {})}
        started = self.ask(
            lambda client: client.create_run(experiment_id, start_time=start_time, run_name=name, tags=shown)
        )
        return Run(self, started.info.run_id)

    def tagged(self, experiment: str, tag: str, value: str) -> Run | None:
        """The newest run of an experiment with a tag, or None."""
        experiment_id = self.experiment_id(experiment)
        wanted = f"tags.`{tag}` = '{value}'"
        found = self.ask(lambda client: client.search_runs([experiment_id], wanted, max_results=1))
        return Run(self, found[0].info.run_id) if found else None

    def environment(self, run: Run) -> dict[str, str]:
        """Variables with which plain `mlflow.log_…` calls of another process land in a run."""
        return {"MLFLOW_TRACKING_URI": self._uri, "MLFLOW_RUN_ID": run.id, **TELEMETRY_OFF}

    def log_model(
        self, run_id: str, model: Any, sample: Any, name: str = "model", requirements: Sequence[str] = ()
    ) -> str:
        """See `Run.log_model`."""
        self.prepare()
        from mlflow.models import Model  # noqa: PLC0415 - see the module's docstring

        with warnings.catch_warnings(record=True):  # of types, hints and examples that one could give besides
            arguments = logging_arguments(model, sample, requirements)
            model_id = self._new_model(run_id, name)
            with self.translated():
                try:
                    uri: str = Model.log(artifact_path=None, run_id=run_id, model_id=model_id, **arguments).model_uri
                except ImportError as error:
                    raise InvalidInput(
                        f"MLflow cannot keep this {type(model).__name__}: {error}.",
                        context={"path": "model"},
                        remedy="Bring the model's library to a version that this MLflow knows.",
                    ) from error
        return uri

    def load_model(self, uri: str) -> Any:
        """The original model behind a URI, by its own flavour, or else as MLflow's function of rows."""
        self.prepare()
        from mlflow.models import get_model_info  # noqa: PLC0415 - see the module's docstring

        with self.translated():
            kept = get_model_info(uri).flavors
            own = (each.module for each in FLAVOURS.values() if each.module.rpartition(".")[2] in kept)
            return import_module(next(own, "mlflow.pyfunc")).load_model(uri)

    def download(self, uri: str, into: Path) -> Path:
        """The folder of a logged model (`models:/…`, `runs:/…`) as MLflow keeps it, put into a folder."""
        self.prepare()
        import mlflow  # noqa: PLC0415 - see the module's docstring

        with self.translated():
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into)))

    def prepare(self) -> None:
        """Import MLflow with its telemetry off, and point it here. Must come before any other import of MLflow."""
        self._client  # noqa: B018 - made once, on first use
        import mlflow  # noqa: PLC0415 - see the module's docstring

        mlflow.set_tracking_uri(self._uri)  # again, for another project of this process may have pointed it elsewhere
        mlflow.set_registry_uri(self._registry)

    def ask(self, question: Callable[[Any], Result]) -> Result:
        """Ask MLflow's client; its errors become TrackingUnavailable."""
        client = self._client  # before any other import of MLflow: it switches telemetry off
        with self.translated():
            return question(client)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """MLflow's errors become ours, and those of the database that it keeps its tables in."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see the module's docstring
        from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 - as above

        try:
            yield
        except DBAPIError as error:
            raise TrackingUnavailable(
                f"The database of MLflow at {_masked(self._uri)} cannot be used: {_masked(str(error.orig))}.",
                context={"mlflow": "DATABASE"},
                remedy="Put it back from a backup (modelyard restore), or move it away: what serves does not need it.",
            ) from error
        except MlflowException as error:
            raise TrackingUnavailable(
                f"MLflow at {_masked(self._uri)} refused: {_masked(error.message.strip().rstrip('.'))}.",
                context={"mlflow": error.error_code},
                remedy="If it should not, check stores.tracking in modelyard.yaml, and that MLflow runs there.",
            ) from error

    @cached_property
    def _client(self) -> Any:
        without_telemetry()
        import mlflow  # noqa: PLC0415 - see the module's docstring

        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # results alone stand there
        for chatty in ("alembic", "mlflow"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        with self.translated(), _alone_at(self._uri):
            client = mlflow.MlflowClient(self._uri, self._registry)
            client.search_experiments(max_results=1)  # creates the tables, or brings them up to date
            return client

    def experiment_id(self, name: str) -> str:
        """The id of an experiment, which is made when there is none of this name."""
        found = self.ask(lambda client: client.get_experiment_by_name(name))
        if found is not None:
            return str(found.experiment_id)
        place = self._artifacts or None
        return str(self.ask(lambda client: client.create_experiment(name, artifact_location=place)))

    def _new_model(self, run_id: str, name: str) -> str:
        """A logged model of a run, before its files; MLflow itself would put it where the caller's own runs go."""
        run = self.ask(lambda client: client.get_run(run_id))
        made = self.ask(
            lambda client: client.create_logged_model(
                run.info.experiment_id, name=name, source_run_id=run_id, params=run.data.params
            )
        )
        return str(made.model_id)


def without_telemetry() -> None:
    """Switch MLflow's telemetry off. Must come before any import of it."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)


def _alone_at(uri: str) -> AbstractContextManager[None]:
    """One process at a time: two that create MLflow's tables in one SQLite file at once break it."""
    store = sqlite_file(uri)
    return nullcontext() if store is None else alone(Path(f"{store}.lock"))


def sqlite_file(uri: str) -> Path | None:
    """The file of MLflow's tables, where it keeps them in one."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def _to_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _masked(text: str) -> str:
    """Text without the passwords of the URIs in it."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)
