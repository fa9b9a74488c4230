"""MLflow owns runs, version numbers and logged models; this is all of it that Modelyard asks for.

MLflow is imported when it is first needed and never on the way of a rollback: its import alone takes seconds.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

from modelyard.core import Clock

from .errors import TrackingUnavailable

Result = TypeVar("Result")

_ONCE = "modelyard.once"
"""The tag that tells which act a version was created by."""


class Run:
    """An MLflow run that is open."""

    def __init__(self, tracker: "Tracker", run_id: str) -> None:
        self._tracker = tracker
        self.id = run_id

    def log(self, *, params: Mapping[str, object] | None = None, metrics: Mapping[str, float] | None = None) -> None:
        """Log parameters and metrics in one batch; a parameter keeps its first value, and 6000 characters of it."""
        self._tracker.prepare()
        from mlflow.entities import Metric, Param  # noqa: PLC0415 - see the module's docstring

        at = self._tracker.now_ms()
        numbers = [Metric(name, float(value), at, 0) for name, value in (metrics or {}).items()]
        texts = [Param(name, str(value)[:6000]) for name, value in (params or {}).items()]
        self._tracker.ask(lambda client: client.log_batch(self.id, metrics=numbers, params=texts))

    def log_model(self, model: Any, sample: Any) -> str:
        """Log a scikit-learn model with its signature and requirements; returns its URI."""
        return self._tracker.log_sklearn(self.id, model, sample)


class Tracker:
    """Runs and versions in MLflow at a URI. Safe for one thread at a time."""

    def __init__(self, uri: str, artifacts: str, clock: Clock) -> None:
        self._uri = uri
        self._artifacts = artifacts
        self._clock = clock

    def now_ms(self) -> int:
        """The injected clock, in MLflow's milliseconds."""
        return int(self._clock.now().timestamp() * 1000)

    @contextmanager
    def run(self, experiment: str, name: str, tags: Mapping[str, str] | None = None) -> Iterator[Run]:
        """A run that ends FINISHED, or FAILED when the block raises."""
        experiment_id = self._experiment(experiment)
        started = self.ask(
            lambda client: client.create_run(
                experiment_id, start_time=self.now_ms(), run_name=name, tags=dict(tags or {})
            )
        )
        run = Run(self, started.info.run_id)
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            self.ask(lambda client: client.set_terminated(run.id, status, end_time=self.now_ms()))

    def log_sklearn(self, run_id: str, model: Any, sample: Any) -> str:
        """See `Run.log_model`. `sample`: a few rows as the model reads them, (n, f)."""
        self.prepare()
        import mlflow  # noqa: PLC0415 - see the module's docstring
        import sklearn  # noqa: PLC0415

        with self._translated(), mlflow.start_run(run_id=run_id):
            logged = mlflow.sklearn.log_model(
                model,
                name="model",
                signature=mlflow.models.infer_signature(sample, model.predict(sample)),
                pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
                serialization_format="cloudpickle",
            )
        uri: str = logged.model_uri
        return uri

    def create_version(
        self,
        model: str,
        source: str,
        run_id: str,
        tags: Mapping[str, str] | None = None,
        *,
        once: str | None = None,
    ) -> int:
        """Register a logged model; returns the version number that MLflow gives.

        `once` names the act: repeating it, after a crash, gives the number that the first time was given.
        """
        self.prepare()  # `models:/…` is looked up where this process points, not where the client does
        self._registered_model(model)
        if once is not None and (number := self._created_by(model, once)) is not None:
            return number
        told = {**(tags or {}), **({_ONCE: once} if once is not None else {})}
        created = self.ask(lambda client: client.create_model_version(model, source, run_id, tags=told))
        return int(created.version)

    def _created_by(self, model: str, once: str) -> int | None:
        found = self.ask(lambda client: client.search_model_versions(f"name = '{model}'"))
        return next((int(each.version) for each in found if each.tags.get(_ONCE) == once), None)

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

    def project_aliases(self, model: str, aliases: Mapping[str, int]) -> None:
        """Make MLflow show these aliases of a model, and no others."""
        shown = self.aliases(model)
        for alias, version in aliases.items():
            if shown.get(alias) != version:
                self.ask(partial(_set_alias, model, alias, version))
        for alias in shown.keys() - aliases.keys():
            self.ask(partial(_delete_alias, model, alias))

    def aliases(self, model: str) -> dict[str, int]:
        """The aliases MLflow shows now."""
        found = self.ask(lambda client: client.get_registered_model(model))
        return {alias: int(version) for alias, version in found.aliases.items()}

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
        with self._translated():
            return mlflow.MlflowClient(self._uri, self._uri)

    def _experiment(self, name: str) -> str:
        found = self.ask(lambda client: client.get_experiment_by_name(name))
        if found is not None:
            return str(found.experiment_id)
        return str(self.ask(lambda client: client.create_experiment(name, artifact_location=self._artifacts)))

    def _registered_model(self, name: str) -> None:
        try:
            self.ask(lambda client: client.create_registered_model(name))
        except TrackingUnavailable as error:
            if error.context["mlflow"] != "RESOURCE_ALREADY_EXISTS":
                raise


def without_telemetry() -> None:
    """Switch MLflow's telemetry off. Must come before any import of it."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")


def _masked(text: str) -> str:
    """Text without the passwords of the URIs in it."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", text)


def _set_alias(model: str, alias: str, version: int, client: Any) -> None:
    client.set_registered_model_alias(model, alias, str(version))


def _delete_alias(model: str, alias: str, client: Any) -> None:
    client.delete_registered_model_alias(model, alias)
