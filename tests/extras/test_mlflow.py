"""MLflow's own client, unmodified: our prompts, our answers and their usage as it reads, traces and evaluates them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modelyard.operations import prompts
from modelyard.operations.contract import carry_out
from modelyard.wiring import Project

from .clients import PYTHON, TEXT, gateway_with_a_key, installed_in

pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]  # the first one makes the environment

THEIRS = """
import json, sys
given = json.load(sys.stdin)
sys.path.append(given["packages"])  # where openai's client is, behind all that MLflow came with
import mlflow
import openai
from mlflow.deployments import get_deploy_client
from mlflow.genai.scorers import scorer

mlflow.set_tracking_uri(given["store"])
mlflow.set_experiment("asked")
mlflow.openai.autolog()
client, told = openai.OpenAI(max_retries=0), {}
prompt = mlflow.genai.load_prompt("prompts:/greet@production")
told["prompt"] = [prompt.version, prompt.format(name=given["text"])]


def ask(model, text, **more):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


told["whole"] = ask("answer", prompt.format(name="Eve")).choices[0].message.content
stream = ask("bytes", given["text"], stream=True, stream_options={"include_usage": True})
told["stream"] = "".join(choice.delta.content or "" for chunk in stream for choice in chunk.choices)
try:
    ask("nope", given["text"])
except openai.NotFoundError as error:
    told["error"] = error.code
client.embeddings.create(model="mini", input=["a"])
mlflow.flush_trace_async_logging()
told["traces"] = sorted(
    [trace.data.spans[0].inputs["model"], str(trace.info.state), trace.info.token_usage]
    for trace in mlflow.search_traces(return_type="list")
)
says = {"messages": [{"role": "user", "content": given["text"]}]}
answer = get_deploy_client("openai").predict(endpoint="answer", inputs=says)
told["deployments"] = [answer["choices"][0]["message"]["content"], answer["usage"]["total_tokens"]]


@scorer
def same(inputs, outputs):
    return inputs["text"] == outputs


cases = [{"inputs": {"text": each}} for each in ("one", "two words", "Mail jane@example.com")]
made = mlflow.genai.evaluate(
    data=cases, predict_fn=lambda text: ask("guarded", text).choices[0].message.content, scorers=[same]
)
told["evaluated"] = float(made.metrics["same/mean"])
mlflow.flush_trace_async_logging()
print(json.dumps(told))
"""


@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies' own
def test_mlflows_client_runs_unmodified(tmp_path: Path, mlflow_tables: Path) -> None:
    """Prompts are loaded, chats and streams traced with their usage told once, deployments asked, answers evaluated."""
    told = answers(tmp_path, mlflow_tables)
    assert told["prompt"] == [1, f"Hello, {TEXT}."]
    assert told["whole"] == "Hello, Eve."
    assert told["stream"] == TEXT
    assert told["error"] == "model_not_found"
    tokens = {model: usage and usage["total_tokens"] for model, _, usage in told["traces"]}
    assert tokens == {"answer": 8, "bytes": 16, "nope": None, "mini": None}
    assert {model: state for model, state, _ in told["traces"]} == {
        "answer": "OK",
        "bytes": "OK",
        "nope": "ERROR",
        "mini": "OK",
    }
    assert told["deployments"] == [TEXT, 16]
    assert told["evaluated"] == pytest.approx(2 / 3)  # the third was said without the address


def answers(folder: Path, tables: Path) -> dict[str, Any]:
    """What the program above says of a project's prompt and of a server."""
    (folder / "modelyard.yaml").write_text("project: p\n")
    (folder / "greet.txt").write_text("Hello, {{name}}.")
    store = folder / ".modelyard" / "mlflow.db"
    store.parent.mkdir()
    store.write_bytes(tables.read_bytes())
    project = Project(folder, environment={})
    carry_out(prompts.register_prompt, project, prompts.RegisterPrompt("greet", folder / "greet.txt"))
    carry_out(prompts.promote_prompt, project, prompts.PromotePrompt("greet", "1"))
    uri = project.tracker.uri
    project.close()
    with gateway_with_a_key(folder) as asked:
        packages = next((installed_in("openai", PYTHON) / "lib").glob("python*/site-packages"))
        given = json.dumps({**asked, "store": uri, "packages": str(packages)})
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "MLFLOW_DISABLE_TELEMETRY": "true"}
        environment |= {
            "OPENAI_API_KEY": asked["key"],
            "OPENAI_API_BASE": asked["url"],
            "OPENAI_BASE_URL": asked["url"],
        }
        nowhere = "http://127.0.0.1:1"  # what does not go to loopback goes nowhere
        environment |= {"HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "NO_PROXY": "127.0.0.1"}
        command = [sys.executable, "-c", THEIRS]
        ended = subprocess.run(
            command, cwd=folder, env=environment, input=given, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 0, ended.stderr[-4000:]
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told
