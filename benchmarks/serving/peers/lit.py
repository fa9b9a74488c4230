"""LitServe: set up, decode, predict, encode; with and without its batching."""

from collections.abc import Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class LitServe(Peer):
    """A worker is an inference process; the HTTP server is one more."""

    name = "litserve"
    requirements = ("litserve", *MODEL_LIBRARIES)
    configurations = ("one worker", "two workers", "two workers, batching")
    app = """
import os
import joblib
import litserve
import numpy as np

BATCHING = bool(os.environ["BATCHING"])


class Bench(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request):
        return np.asarray(request["features"])

    def batch(self, inputs):
        self.sizes = [len(each) for each in inputs]
        return np.concatenate(inputs)

    def predict(self, rows):
        return self.model.predict_proba(rows)[:, 1]

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.sizes)[:-1])

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    api = Bench(max_batch_size=64, batch_timeout=0.005) if BATCHING else Bench()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=int(os.environ["WORKERS"]))
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), generate_client_file=False, log_level="warning")
"""

    def command(self, start: Start) -> Sequence[str]:
        return [self.python, str(start.folder / "app.py")]

    def path(self) -> str:
        return "/predict"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"features": rows}
