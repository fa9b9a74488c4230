"""MLflow owns runs, version numbers and logged models; this is all of it that Modelyard asks for.

MLflow is imported when it is first needed and never on the way of a rollback: its import alone takes seconds.
"""

import fcntl
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

from modelyard.core import Clock

from .errors import TrackingUnavailable

Result = TypeVar("Result")
Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a run ended, as MLflow has it."""

TELEMETRY_OFF = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""Variables that keep MLflow from calling home."""

_PARENT = "mlflow.parentRunId"


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
        self._tracker.prepare()
        from mlflow.entities import Metric, Param, RunTag  # noqa: PLC0415 - see the module's docstring

        at = self._tracker.now_ms()
        numbers = [Metric(name, float(value), at, 0) for name, value in (metrics or {}).items()]
        texts = [Param(name, str(value)[:6000]) for name, value in (params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        self._tracker.ask(lambda client: client.log_batch(self.id, metrics=numbers, params=texts, tags=labels))

    def log_file(self, file: Path, name: str) -> None:
        """Keep a file as an artifact called `name`."""
        with TemporaryDirectory() as folder:
            named = Path(folder) / name
            named.symlink_to(file.absolute())
            self._tracker.ask(lambda client: client.log_artifact(self.id, str(named)))

    def log_folder(self, folder: Path, name: str) -> None:
        """Keep a folder's files as artifacts below `name`."""
        self._tracker.ask(lambda client: client.log_artifacts(self.id, str(folder), name))

    def end(self, status: Status, at: datetime | None = None) -> None:
        """End it, now or when `at` says."""
        end_time = self._tracker.now_ms() if at is None else _to_ms(at)
        self._tracker.ask(lambda client: client.set_terminated(self.id, status, end_time=end_time))

    def log_model(self, model: Any, sample: Any) -> str:
        """Log a scikit-learn model with its signature and requirements; returns its URI."""
        return self._tracker.log_sklearn(self.id, model, sample)


class Tracker:
    """Runs and versions in MLflow at a URI. Safe for one thread at a time."""

    def __init__(self, uri: str, artifacts: str, clock: Clock) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._clock = clock

    @property
    def uri(self) -> str:
        """Where MLflow is, with any password."""
        return self._uri

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
        experiment_id = self._experiment(experiment)
        start_time = self.now_ms() if at is None else _to_ms(at)
        shown = {**(tags or {}), **({_PARENT: parent.id} if parent is not None else {})}
        started = self.ask(
            lambda client: client.create_run(experiment_id, start_time=start_time, run_name=name, tags=shown)
        )
        return Run(self, started.info.run_id)

    def tagged(self, experiment: str, tag: str, value: str) -> Run | None:
        """The newest run of an experiment with a tag, or None."""
        experiment_id = self._experiment(experiment)
        wanted = f"tags.`{tag}` = '{value}'"
        found = self.ask(lambda client: client.search_runs([experiment_id], wanted, max_results=1))
        return Run(self, found[0].info.run_id) if found else None

    def environment(self, run: Run) -> dict[str, str]:
        """Variables with which plain `mlflow.log_…` calls of another process land in a run."""
        return {"MLFLOW_TRACKING_URI": self._uri, "MLFLOW_RUN_ID": run.id, **TELEMETRY_OFF}

    def log_sklearn(self, run_id: str, model: Any, sample: Any) -> str:
        """See `Run.log_model`. `sample`: a few rows as the model reads them, (n, f)."""
        self.prepare()
        import mlflow  # noqa: PLC0415 - see the module's docstring
        import sklearn  # noqa: PLC0415

        model_id = self._new_model(run_id)
        with self._translated():
            logged = mlflow.sklearn.log_model(
                model,
                run_id=run_id,
                model_id=model_id,
                signature=mlflow.models.infer_signature(sample, model.predict(sample)),
                pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
                serialization_format="cloudpickle",
            )
        uri: str = logged.model_uri
        return uri

    def load_model(self, uri: str) -> Any:
        """The original model behind a URI."""
        self.prepare()
        import mlflow  # noqa: PLC0415 - see the module's docstring

        with self._translated():
            return mlflow.sklearn.load_model(uri)

    def download(self, uri: str, into: Path) -> Path:
        """The folder of a logged model (`models:/…`, `runs:/…`) as MLflow keeps it, put into a folder."""
        self.prepare()
        import mlflow  # noqa: PLC0415 - see the module's docstring

        with self._translated():
            return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(into)))

    def prepare(self) -> None:
        """Import MLflow with its telemetry off, and point it here. Must come before any other import of MLflow."""
        self._client  # noqa: B018 - made once, on first use
        import mlflow  # noqa: PLC0415 - see the module's docstring

        mlflow.set_tracking_uri(self._uri)  # again, for another project of this process may have pointed it elsewhere
        mlflow.set_registry_uri(self._uri)

    def ask(self, question: Callable[[Any], Result]) -> Result:
        """Ask MLflow's client; its errors become TrackingUnavailable."""
        client = self._client  # before any other import of MLflow: it switches telemetry off
        with self._translated():
            return question(client)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """MLflow's errors become ours."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see the module's docstring

        try:
            yield
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

        for chatty in ("alembic", "mlflow"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        with self._translated(), _alone_at(self._uri):
            client = mlflow.MlflowClient(self._uri, self._uri)
            client.search_experiments(max_results=1)  # creates the tables, or brings them up to date
            return client

    def _experiment(self, name: str) -> str:
        found = self.ask(lambda client: client.get_experiment_by_name(name))
        if found is not None:
            return str(found.experiment_id)
        return str(self.ask(lambda client: client.create_experiment(name, artifact_location=self._artifacts)))

    def _new_model(self, run_id: str) -> str:
        """A logged model of a run, before its files; MLflow itself would put it where the caller's own runs go."""
        run = self.ask(lambda client: client.get_run(run_id))
        made = self.ask(
            lambda client: client.create_logged_model(
                run.info.experiment_id, name="model", source_run_id=run_id, params=run.data.params
            )
        )
        return str(made.model_id)


def without_telemetry() -> None:
    """Switch MLflow's telemetry off. Must come before any import of it."""
    for name, value in TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)


@contextmanager
def _alone_at(uri: str) -> Iterator[None]:
    """One process at a time: two that create MLflow's tables in one SQLite file at once break it."""
    if (store := sqlite_file(uri)) is None:
        yield
        return
    file = Path(f"{store}.lock")
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def sqlite_file(uri: str) -> Path | None:
    """The file of MLflow's tables, where it keeps them in one."""
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def _to_ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _masked(text: str) -> str:
    """Text without the passwords of the URIs in it."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)
