"""`mlflow models serve`, MLflow's own server."""

from collections.abc import Mapping, Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class MlflowServe(Peer):
    """Its command line, with its own environment manager left out: the model's libraries are installed."""

    name = "mlflow"
    requirements = ("mlflow==3.17.2", *MODEL_LIBRARIES)
    configurations = ("one worker", "two workers")
    ready = "/ping"

    def environment(self, start: Start) -> Mapping[str, str]:  # noqa: ARG002 - the contract's signature
        return {"MLFLOW_DISABLE_TELEMETRY": "true"}

    def command(self, start: Start) -> Sequence[str]:
        server = [self.python, "-m", "mlflow", "models", "serve", "--model-uri", str(start.model.mlflow)]
        return [*server, "--env-manager", "local", "--port", str(start.port), "--workers", str(start.workers)]

    def path(self) -> str:
        return "/invocations"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"inputs": rows}
