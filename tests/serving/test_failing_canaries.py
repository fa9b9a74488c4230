"""Canaries that fail, over HTTP and gRPC: live answers in their place, and the log says which arm failed, and how."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from modelyard.control import free_ports
from modelyard.inference import verify_bundle
from modelyard.routing import Arm, Feed, Route
from modelyard.serving.protocols.messages import OPEN_INFERENCE

from ..inference.bad_bundles import python_bundle
from .harness import Server
from .test_isolated_models import Moody

TRIAL = """
import os, time

class Model:
    def predict(self, rows):
        for row in rows:
            if row["f0"] == 1: os._exit(7)
            if row["f0"] == 2: time.sleep(60)
            if row["f0"] == 4: raise ValueError("no")
        return [float("nan") if row["f0"] == 5 else row["f1"] for row in rows]

def load(folder):
    return Model()
"""
FINE, ENDS, HANGS, RAISES, NO_NUMBER = 0.0, 1.0, 2.0, 4.0, 5.0
STEADY = """
class Model:
    def predict(self, rows):
        return [row["f1"] for row in rows]

def load(folder):
    return Model()
"""
"""The same model without its moods."""


class Trial(Moody):
    """A server whose canary, of moods, is asked first, and whose live model never fails."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, python_bundle(folder / "steady", STEADY))
        (self.grpc_port,) = free_ports(1)
        limits = ("--probe-seconds=20", "--probe-memory-mb=2000", "--call-seconds=0.7")
        self.server = Server(folder / "server", options=(*limits, f"--grpc-port={self.grpc_port}"))
        bundle = python_bundle(folder / "trial", TRIAL)
        _, trial = verify_bundle(bundle)
        self.server.feed.put_bundle(bundle, trial)
        arms = (Arm("live", "live", "1", self.digest, 0.0), Arm("canary", "canary", "2", trial, 1.0))
        route = Route("moody", "moody", 1, arms, "salt", clock="request")
        self.server.feed.publish(Feed(1, (route,), python_bundles=(self.digest, trial)))
        self.server.start()

    def ids(self) -> set[str]:
        """The predictions that are on record."""
        return set(self.server.log.predictions("moody").column("prediction_id").to_pylist())

    def records(self, before: set[str]) -> list[dict[str, Any]]:
        """The records of predictions that were not there before."""
        rows: list[dict[str, Any]] = self.server.log.predictions("moody").to_pylist()
        return [row for row in rows if row["prediction_id"] not in before]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """The server, running."""
    made = Trial(tmp_path_factory.mktemp("trial"))
    yield made
    made.server.stop(signal.SIGTERM)


@pytest.fixture
def trial(running: Trial) -> Trial:
    """The same, with a canary that answers again whatever it was done to."""
    running.server.until(lambda: running.server.predict(f0=FINE, f1=0.5, f2=0.0)[1]["model_version"] == "2")
    return running


def infer(channel: grpc.Channel, *moods: float) -> list[float]:
    """Ask rows over gRPC; the predictions."""
    request = OPEN_INFERENCE["ModelInferRequest"](model_name="moody")
    for name, values in (("f0", moods), ("f1", [0.5] * len(moods)), ("f2", [0.0] * len(moods))):
        given = request.inputs.add(name=name, datatype="FP64", shape=[len(moods)])
        given.contents.fp64_contents.extend(values)
    unary = channel.unary_unary(
        "/inference.GRPCInferenceService/ModelInfer",
        lambda each: each,
        OPEN_INFERENCE["ModelInferResponse"].FromString,
    )
    answer = unary(request.SerializeToString(), metadata=(("x-modelyard-at", "2026-01-05T12:00:00Z"),), timeout=10)
    return list(answer.outputs[0].contents.fp64_contents)


def test_live_answers_whatever_a_canary_does(trial: Trial) -> None:
    """It ends, hangs, raises and answers no number: over HTTP, over gRPC, and among others in a batch."""
    moods, before = [FINE, ENDS, HANGS, RAISES, NO_NUMBER], trial.ids()
    for mood in moods:
        code, answer = trial.server.predict(f0=mood, f1=0.5, f2=0.0)
        assert (code, answer["prediction"]) == (200, 0.5)
        assert answer["model_version"] == ("2" if mood == FINE else "1")
        trial.server.until(lambda: trial.ask(FINE) == 200)
    with grpc.insecure_channel(f"127.0.0.1:{trial.grpc_port}") as channel:
        for mood in moods[1:]:
            assert infer(channel, mood) == [0.5]
    batch = [{"inputs": [{"f0": mood, "f1": float(at), "f2": 0.0}]} for at, mood in enumerate([0.0, 4.0, 0.0, 5.0])]
    code, answer = trial.server.post("/batch_predict", batch)
    assert (code, answer["predictions"]) == (200, [0.0, 1.0, 2.0, 3.0])
    charged = Counter(
        (row["error"], row["answered"]) for row in trial.records(before) if row["arm"] == "canary" and row["error"]
    )
    assert charged["timeout", False] == 2
    assert charged["invalid_output", False] == 3
    assert charged["model", False] >= 5
    assert sum(charged.values()) == sum(charged[kind, False] for kind in ("timeout", "invalid_output", "model"))


def test_every_failure_of_a_canary_stands_beside_the_answer_of_live(trial: Trial) -> None:
    """One in twenty fails, and the model is killed in the middle: no caller sees it, and the log has it all."""
    before = trial.ids()
    for number in range(60):
        if number == 30:
            os.kill(max(trial.workers()), signal.SIGKILL)
        assert trial.ask(RAISES if number % 20 == 7 else FINE) == 200
    rows = trial.records(before)
    failed = {row["prediction_id"] for row in rows if row["arm"] == "canary" and row["error"] == "model"}
    fallen = {row["prediction_id"] for row in rows if row["arm"] == "live" and row["answered"]}
    assert failed == fallen
    assert len(failed) == 3 + 1
    answered = [row["prediction_id"] for row in rows if row["answered"]]
    assert len(answered) == len(set(answered)) == 60
    assert not any(row["forced"] or row["error"] for row in rows if row["answered"])


def test_a_batch_that_hangs_does_not_wait_for_each_of_its_rows(trial: Trial) -> None:
    """Of forty rows of 0.7 s few are waited for; then the model is not asked for a while, and live answers at once."""
    before, began = trial.ids(), time.monotonic()
    rows = [{"f0": HANGS, "f1": float(at), "f2": 0.0} for at in range(40)]
    code, answer = trial.server.post("/predict", {"inputs": rows})
    assert (code, answer["predictions"]) == (200, [float(at) for at in range(40)])
    assert time.monotonic() - began < 40 * 0.7 / 2
    charged = Counter(row["error"] for row in trial.records(before) if row["arm"] == "canary")
    assert charged["timeout"] + charged["model"] == 40
    assert charged["timeout"] >= 1
