"""Ray Serve: two replicas, with and without `serve.batch`."""

from collections.abc import Mapping, Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class RayServe(Peer):
    """A local cluster of its own, with the HTTP proxy on the port of the start."""

    name = "ray"
    requirements = ("ray[serve]", *MODEL_LIBRARIES)
    configurations = ("two workers", "two workers, batching")
    ready = "/-/healthz"
    app = """
import os
import signal
import joblib
import numpy as np
import ray
from ray import serve
from starlette.requests import Request

WORKERS, BATCHING = int(os.environ["WORKERS"]), bool(os.environ["BATCHING"])


@serve.deployment(num_replicas=WORKERS, max_ongoing_requests=128, ray_actor_options={"num_cpus": 0.1})
class Bench:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.005)
    async def many(self, inputs):
        scores = self.model.predict_proba(np.concatenate(inputs))[:, 1]
        return [each.tolist() for each in np.split(scores, np.cumsum([len(each) for each in inputs])[:-1])]

    async def __call__(self, request: Request):
        rows = np.asarray((await request.json())["features"])
        return {"predictions": await self.many(rows) if BATCHING else self.model.predict_proba(rows)[:, 1].tolist()}


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=200_000_000, log_to_driver=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Bench.bind(), route_prefix="/predict")
    stopping = []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    while not stopping:
        signal.pause()
    ray.shutdown()
"""

    def environment(self, start: Start) -> Mapping[str, str]:  # noqa: ARG002 - the contract's signature
        return {"RAY_USAGE_STATS_ENABLED": "0", "RAY_SERVE_RUN_SYNC_IN_THREADPOOL": "0", "RAY_TMPDIR": "/tmp"}  # noqa: S108 - Ray's sockets need a short path

    def command(self, start: Start) -> Sequence[str]:
        return [self.python, str(start.folder / "app.py")]

    def path(self) -> str:
        return "/predict"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"features": rows}
