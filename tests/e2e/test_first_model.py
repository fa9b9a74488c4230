"""A first model, from an empty folder to an answer and back, by the commands a newcomer types."""

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from modelyard.control import free_ports


def modelyard(*words: str, project: Path) -> Any:
    """Run a command with --json and return its document."""
    command = [sys.executable, "-m", "modelyard", *words, "--project", str(project), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def ask(port: int, path: str, body: object) -> Any:
    """POST JSON to the server."""
    data = json.dumps(body).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=5) as response:
        return json.load(response)


@pytest.mark.long
@pytest.mark.timeout(180)
def test_from_an_empty_folder_to_an_answer(tmp_path: Path) -> None:
    """init, train, deploy, up, predict, feedback, status, log, rollback refused, audit, down."""
    shop = tmp_path / "shop"
    init = [sys.executable, "-m", "modelyard", "init", str(shop)]
    subprocess.run(init, check=True, capture_output=True)
    port, metrics = free_ports(2)
    with (shop / "modelyard.yaml").open("a") as file:
        file.write(f"\nserver: {{port: {port}, grpc_port: null, metrics_port: {metrics}}}\n")
        file.write("control: {metrics_port: null, port: null}\n")
    assert modelyard("pipeline", "run", "training", project=shop)["verdict"] == "pass"
    assert modelyard("rollout", "start", "shop", "--to", "1", project=shop)["kind"] == "deployed"
    (version,) = modelyard("model", "list", "--stage", "production", project=shop)
    assert (version["number"], version["aliases"]) == (1, ["production"])

    up = subprocess.Popen(
        [sys.executable, "-m", "modelyard", "up", "--project", str(shop)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert up.stdout is not None
        assert f"http://127.0.0.1:{port}" in up.stdout.readline()
        answer = ask(port, "/predict", {"inputs": [{"pages": 9, "minutes": 20, "channel": "mail"}]})
        assert answer["model_version"] == "1"
        assert ask(port, "/feedback", {"prediction_id": answer["prediction_id"], "label": 1}) == {"accepted": 1}
        stats = modelyard("log", "stats", "shop", project=shop)
        assert (stats["predictions"], stats["truths"], stats["joined"]) == (1, 1, 1)
        assert modelyard("status", project=shop)["deployments"]["shop"]["live"] == "1"
        assert all(each["ok"] for each in modelyard("doctor", project=shop))
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "modelyard", "down", "--project", str(shop)], check=True)
        assert up.wait(10) == 0
        assert time.monotonic() - began < 10
    finally:
        up.kill()
        up.wait()
        assert up.stdout is not None
        up.stdout.close()
    nothing_before = subprocess.run(
        [sys.executable, "-m", "modelyard", "rollout", "rollback", "shop", "--project", str(shop)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert nothing_before.returncode == 5
    assert "never had another live version" in nothing_before.stderr
    assert modelyard("audit", "verify", project=shop)["intact"] is True
