"""A server whose models take features that functions give: the code runs beside it, and fails alone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from modelyard.bundling import BuiltBundle, Facts, build_bundle, build_profile
from modelyard.core import digest_of
from modelyard.inference import (
    BundleRefused,
    Field,
    IsolatedModelFailed,
    PythonNotPermitted,
    Signature,
    load_bundle,
    probe_bundle,
)
from modelyard.online import DerivedInput, FeaturePlan, FunctionPlan, RequestField
from modelyard.routing import Arm, Feed, Route, ServingPolicy

from .harness import Server

CODE = b"""
import os
import time

def halved(row):
    amount = row["amount"]
    if amount == 1:
        raise ValueError("one is not halved")
    if amount == 2:
        time.sleep(30)
    if amount == 3:
        os.kill(os.getpid(), 9)
    return {"half": amount / 2, "pid": float(os.getpid())}
"""
SLEEPY = CODE.replace(b"    amount = row", b"    time.sleep(30)\n    amount = row")


def bundle(folder: Path, code: bytes = CODE, version: str = "1") -> BuiltBundle:
    """A model over a function of a field of the request."""
    values = np.linspace(0.0, 50.0, 200)[:, None]
    model = LogisticRegression().fit(values, (values[:, 0] > 25).astype(int))
    digest, file = digest_of(code), f"transform-{digest_of(code)[:12]}.py"
    function = FunctionPlan(
        "halves", file, digest, "halved", "row", (DerivedInput("amount", "number", "amount"),),
        (("half", "number"), ("pid", "number")), ("half",),
    )  # fmt: skip
    plan = FeaturePlan(request=(RequestField("amount", "number"),), functions=(function,))
    signature = Signature((Field("half", "number", nullable=False),))
    return build_bundle(
        model,
        [(float(each),) for each in values[:, 0]],
        signature=signature,
        task="binary",
        plan=msgspec.to_builtins(plan),
        profile=build_profile(
            signature, values, model.predict_proba(values)[:, 1], importance={"half": 1.0}, performance={}
        ),
        facts=Facts("halves", version, ("no", "yes")),
        into=folder,
        transforms={file: code},
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuiltBundle:
    """The bundle."""
    return bundle(tmp_path_factory.mktemp("built") / "bundle")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, built: BuiltBundle) -> Iterator[Server]:
    """Serves it, with leave, and gives a call one second."""
    server = Server(tmp_path_factory.mktemp("served"), options=("--call-seconds", "1"))
    server.feed.put_bundle(built.path, built.digest)
    publish(server, 1, [Arm("live", "live", "1", built.digest, 1.0)], [built])
    server.start()
    yield server
    assert server.stop() == 0


def publish(server: Server, revision: int, arms: list[Arm], permitted: list[BuiltBundle]) -> None:
    """A route of these arms, and leave for the Python of these bundles."""
    route = Route("fraud", "fraud-model", revision, tuple(arms), "salt", assign_by="customer", clock="request")
    digests = tuple(each.digest for each in permitted)
    server.feed.publish(Feed(revision, (route,), (), False, {"fraud": ServingPolicy()}, python_bundles=digests))


def test_predictions_and_lookups_are_of_what_the_function_gives(server: Server, built: BuiltBundle) -> None:
    """Alone, many at once, and as features."""
    status, told = server.post("/predict", {"inputs": [{"amount": 40.0}, {"amount": 60.0}]})
    assert status == 200, told
    with_leave = load_bundle(built.path, allow_python=[built.digest])
    assert told["probabilities"] == with_leave.scores(np.array([[20.0], [30.0]]))[:, 0].tolist()
    with_leave.close()
    assert server.predict(amount=40)[1]["probability"] == told["probabilities"][0]
    found = server.post("/features", {"entities": [{"amount": 8}, {"amount": 9.0}], "features": ["halves:half"]})
    assert found[1]["values"] == {"half": [4.0, 4.5]}
    assert found[1]["presence"] == {"half": ["present", "present"]}


def test_a_row_whose_function_fails_is_a_failure_of_features_and_harms_no_other(server: Server) -> None:
    """What raises, hangs beyond the deadline, or ends its process."""
    for amount, words in ((1, "one is not halved"), (2, "did not answer within 1 s"), (3, "SIGKILL")):
        status, told = server.predict(amount=amount)
        assert status >= 500, told
        assert words in told["error"]["message"]
        status, told = server.predict(amount=40)
        assert status == 200, told
    status, told = server.post("/features", {"entities": [{"amount": 8}, {"amount": 1}]})
    assert (status, told["error"]["path"]) == (500, "entities[1]")
    failed = [each for each in server.log.predictions("fraud").to_pylist() if each["error"]]
    assert {each["error"] for each in failed} == {"features"}


def test_killing_the_worker_leaves_no_request_unanswered(server: Server) -> None:
    """Kill -9 from outside: the row is asked once more, of a new process."""
    for _ in range(3):
        found = server.post("/features", {"entities": [{"amount": 8}]})
        assert found[0] == 200, found
        for pid in workers(server):
            os.kill(pid, signal.SIGKILL)
        assert server.predict(amount=40)[0] == 200


def test_the_live_arm_answers_for_one_whose_function_hangs(tmp_path: Path, built: BuiltBundle) -> None:
    """After the deadline; the failing arm is charged."""
    sleepy = bundle(tmp_path / "sleepy", SLEEPY, "2")
    server = Server(tmp_path, options=("--call-seconds", "0.5"))
    for each in (built, sleepy):
        server.feed.put_bundle(each.path, each.digest)
    arms = [Arm("live", "live", "1", built.digest, 0.0), Arm("canary", "canary", "2", sleepy.digest, 1.0)]
    publish(server, 1, arms, [built, sleepy])
    server.start()
    try:
        status, told = server.predict(amount=40)
        assert (status, told["model_version"]) == (200, "1")
    finally:
        assert server.stop() == 0
    by_arm = {each["arm"]: each["error"] for each in server.log.predictions("fraud").to_pylist()}
    assert by_arm == {"canary": "features", "live": None}


def test_without_leave_nobody_loads_the_bundle(tmp_path: Path, built: BuiltBundle) -> None:
    """Neither here nor in a server, whose other models go on; the remedy names the digest."""
    with pytest.raises(PythonNotPermitted, match="functions of features") as caught:
        load_bundle(built.path)
    assert built.digest in caught.value.remedy
    with pytest.raises(PythonNotPermitted):
        probe_bundle(built.path)
    server = Server(tmp_path)
    server.feed.put_bundle(built.path, built.digest)
    publish(server, 1, [Arm("live", "live", "1", built.digest, 1.0)], [])
    server.start_unready()
    try:
        server.until(lambda: "which is not permitted for it" in (tmp_path / "server.log").read_text())
        assert server.get("/ready")[0] == 503
    finally:
        server.stop()


def test_code_whose_import_is_missing_is_refused_when_the_bundle_is_built_and_tried(
    tmp_path: Path, built: BuiltBundle
) -> None:
    """With the module's name; so a server that lacks a package goes on with what it has."""
    with pytest.raises(IsolatedModelFailed, match="No module named 'not_installed_anywhere'"):
        bundle(tmp_path / "bad", b"import not_installed_anywhere\n" + CODE)
    digest = digest_of((tmp_path / "bad" / "bundle.json").read_bytes())
    with pytest.raises(BundleRefused, match="not_installed_anywhere"):
        probe_bundle(tmp_path / "bad", expect=digest, allow_python=[digest])


def workers(server: Server) -> list[int]:
    """The processes of functions that the server has started."""
    assert server.process is not None
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                told = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if parent == server.process.pid and b"modelyard.inference.isolated\0functions" in told:
                found.append(int(folder.name))
    return found
