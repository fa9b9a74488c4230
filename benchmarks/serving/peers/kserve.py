"""KServe's Python server: a `kserve.Model` of one's own around the model, over its V1 protocol."""

from collections.abc import Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class KServe(Peer):
    """What its sklearnserver and xgbserver do, which are not on the package index."""

    name = "kserve"
    requirements = ("kserve", *MODEL_LIBRARIES)
    configurations = ("one worker", "two workers")
    ready = "/v2/health/ready"
    app = """
import os
import joblib
import kserve
import numpy as np


class Bench(kserve.Model):
    def __init__(self):
        super().__init__("bench")
        self.load()

    def load(self):
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return True

    def predict(self, payload, headers=None):
        return {"predictions": self.model.predict_proba(np.asarray(payload["instances"]))[:, 1].tolist()}


if __name__ == "__main__":
    server = kserve.ModelServer(
        http_port=int(os.environ["PORT"]), workers=int(os.environ["WORKERS"]), enable_grpc=False
    )
    server.start([Bench()])
"""

    def command(self, start: Start) -> Sequence[str]:
        return [self.python, str(start.folder / "app.py")]

    def path(self) -> str:
        return "/v1/models/bench:predict"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"instances": rows}
