"""MLServer with its own runtimes of scikit-learn and XGBoost, over the Open Inference Protocol."""

import json
from collections.abc import Mapping, Sequence

from modelyard.control import free_port

from .contract import Peer, Start


class MlServer(Peer):
    """In its own process and in two workers, each with and without adaptive batching."""

    name = "mlserver"
    requirements = (
        *("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "mlserver-xgboost==1.7.1"),
        "uvloop==0.21.0",  # its workers ask for a loop before there is one, which later ones refuse
        *("scikit-learn==1.9.1", "xgboost==3.2.0", "joblib"),  # it asks for XGBoost's larger package by name
    )
    configurations = ("one worker", "one worker, batching", "two workers", "two workers, batching")
    ready = "/v2/models/bench/ready"

    def files(self, start: Start) -> Mapping[str, str]:
        booster = start.model.name == "xgboost"
        settings = {
            "host": "127.0.0.1",
            "http_port": start.port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0 if start.workers == 1 else start.workers,
            "debug": False,
        }
        model: dict[str, object] = {
            "name": "bench",
            "implementation": "mlserver_xgboost.XGBoostModel" if booster else "mlserver_sklearn.SKLearnModel",
            "parameters": {"uri": str(start.model.xgboost if booster else start.model.joblib)},
        }
        if start.batching:
            model |= {"max_batch_size": 64, "max_batch_time": 0.005}
        return {"settings.json": json.dumps(settings), "model-settings.json": json.dumps(model)}

    def command(self, start: Start) -> Sequence[str]:
        return [str(self.folder / "bin" / "mlserver"), "start", str(start.folder)]

    def path(self) -> str:
        return "/v2/models/bench/infer"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        flat = [value for row in rows for value in row]
        shape = [len(rows), len(rows[0])]
        return {"inputs": [{"name": "rows", "shape": shape, "datatype": "FP64", "data": flat}]}
