"""BentoML: a service class, with and without its adaptive batching."""

from collections.abc import Mapping, Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class BentoMl(Peer):
    """As its scikit-learn example has it."""

    name = "bentoml"
    requirements = ("bentoml", *MODEL_LIBRARIES)
    configurations = ("one worker", "two workers", "two workers, batching")
    ready = "/readyz"
    app = """
import os
import bentoml
import joblib
import numpy as np


@bentoml.service(workers=int(os.environ["WORKERS"]), metrics={"enabled": False})
class Bench:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api(batchable=bool(os.environ["BATCHING"]), max_batch_size=64, max_latency_ms=1000)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(rows)[:, 1]
"""

    def environment(self, start: Start) -> Mapping[str, str]:
        return {"BENTOML_DO_NOT_TRACK": "true", "BENTOML_HOME": str(start.folder / "bentoml")}

    def command(self, start: Start) -> Sequence[str]:
        return [str(self.folder / "bin" / "bentoml"), "serve", "app:Bench", "--port", str(start.port)]

    def path(self) -> str:
        return "/predict"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"rows": rows}
