"""A pipeline is submitted to the job server of a Ray cluster, which runs it there to its end."""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.export.subjects import changed
from tests.extras.test_export_pipelines import INSTANT, MODELYARD, environment_of, model_digest
from tests.extras.test_ray import fenced

pytestmark = [pytest.mark.extras, pytest.mark.alone, pytest.mark.timeout(900)]  # the first one makes the environment


@pytest.fixture(scope="module")
def ray() -> Path:
    """The Python of an environment with all that Ray's job server needs; Modelyard is found where it is here."""
    python = environment_of("ray", f"ray[default]=={version('ray')}")
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    here = next(each for each in sys.path if each.endswith("site-packages"))
    (packages / "modelyard_from_here.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return python


SUBMITTED = """
import json, os, subprocess, sys, time
from pathlib import Path

ray, modelyard, folder, instant = sys.argv[1:]
program = Path(ray).parent / "ray"
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT}
host = "http://127.0.0.1:8265"


def submit(*more, **variables):
    words = ["pipeline", "submit", "--engine", "ray", "--host", host, "--python", ray, "--json", "--project", folder]
    return subprocess.run([modelyard, *words, *more], capture_output=True, text=True, env=os.environ | variables)


def asked(*words):
    command = [program, "job", *words, "--address", host]
    ended = subprocess.run(command, capture_output=True, text=True)
    return ended.stdout + ended.stderr


told = {"nobody": submit().stderr}
started = ["start", "--head", "--node-ip-address=127.0.0.1", "--num-cpus=2", "--include-dashboard=true"]
subprocess.run([program, *started, "--disable-usage-stats"], check=True, **quiet)
try:
    told["stranger"] = submit(RAY_AUTH_MODE="disabled").stderr
    first = submit("-p", f"as_of={instant}")
    told["submitted"] = json.loads(first.stdout) if first.returncode == 0 else first.stderr
    if first.returncode == 0:
        run = told["submitted"]["run"]
        subprocess.run([program, "job", "logs", "--follow", run, "--address", host], **quiet)
        told["status"] = asked("status", run)
        told["log"] = asked("logs", run)[-3000:]
finally:
    subprocess.run([program, "stop"], **quiet)
print(json.dumps(told))
"""
"""Starts a cluster with its dashboard, submits, waits until the job has ended, and says what was said."""


def test_a_run_is_submitted_to_a_clusters_job_server(
    ray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job trains and registers on that cluster; nobody at the address, and a missing token, are told."""
    folder = tmp_path / "shop"
    folder.mkdir()
    changed(folder, {})
    monkeypatch.setenv("PATH", f"{MODELYARD.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "5" * 64)
    told = json.loads(fenced("-c", SUBMITTED, str(ray), str(MODELYARD), str(folder), INSTANT).splitlines()[-1])
    assert "ENGINE_UNREACHABLE" in told["nobody"], told["nobody"]
    assert "SUBMISSION_REFUSED" in told["stranger"]
    assert "Set RAY_AUTH_MODE=token" in told["stranger"]
    assert "url" in told["submitted"], told
    assert told["submitted"]["url"].startswith("http://127.0.0.1:8265/#/jobs/")
    assert "succeeded" in told["status"], told
    assert model_digest(folder)
