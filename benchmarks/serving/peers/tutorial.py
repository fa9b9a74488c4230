"""What tutorials show: FastAPI around `mlflow.pyfunc.load_model`."""

from collections.abc import Mapping, Sequence

from .contract import MODEL_LIBRARIES, Peer, Start


class Tutorial(Peer):
    """A sync endpoint, as tutorials write it, with one process and with two."""

    name = "tutorial"
    requirements = ("fastapi", "uvicorn[standard]", "mlflow==3.17.2", *MODEL_LIBRARIES)
    configurations = ("one worker", "two workers")
    app = """
import os
import mlflow.pyfunc
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = mlflow.pyfunc.load_model(os.environ["MLFLOW_MODEL"])


class Body(BaseModel):
    features: list[list[float]]


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/predict")
def predict(body: Body):
    return {"predictions": model.predict(np.asarray(body.features)).tolist()}
"""

    def environment(self, start: Start) -> Mapping[str, str]:
        return {"MLFLOW_MODEL": str(start.model.mlflow)}

    def command(self, start: Start) -> Sequence[str]:
        workers = ["--workers", str(start.workers)] if start.workers > 1 else []
        server = [self.python, "-m", "uvicorn", "app:app", "--port", str(start.port), "--no-access-log", *workers]
        return [*server, "--log-level", "warning"]

    def path(self) -> str:
        return "/predict"

    def body(self, rows: Sequence[Sequence[float]]) -> object:
        return {"features": rows}
