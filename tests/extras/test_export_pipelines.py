"""Rendered pipelines, run as Kubeflow and Airflow run them, give the model that the local engine gives."""

import hashlib
import json
import os
import re
import runpy
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from tests.export.subjects import changed, flights
from tests.extras.test_ray import fenced

from modelyard.export import TARGETS, Subject, write

REPOSITORY = Path(__file__).parents[2]
MODELYARD = REPOSITORY / ".venv" / "bin" / "modelyard"
INSTANT = "2026-01-05T12:00:00+00:00"
pytestmark = [pytest.mark.extras, pytest.mark.timeout(1800)]  # the first one makes the environments


def environment_of(name: str, requirement: str) -> Path:
    """The Python of an environment with one requirement; made once."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install(name, [requirement])) / "bin" / "python"


@pytest.fixture(scope="module")
def kfp() -> Path:
    """Kubeflow Pipelines' SDK."""
    return environment_of("kfp", "kfp[kubernetes]==2.16.1")


@pytest.fixture(scope="module")
def airflow() -> Path:
    """Airflow, with the operators that come along."""
    return environment_of("airflow", "apache-airflow==3.3.2")


@pytest.fixture
def shop(tmp_path: Path) -> Subject:
    """The minimal project."""
    (tmp_path / "shop").mkdir()
    return changed(tmp_path / "shop", {})


_PARSE = """
import json, sys
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2
spec = json_format.ParseDict(json.load(sys.stdin), pipeline_spec_pb2.PipelineSpec())
print(json.dumps(sorted(spec.root.dag.tasks)))
"""


def specification(subject: Subject) -> dict[str, Any]:
    """The PipelineSpec of the rendered file, the first of its two documents."""
    files = TARGETS["kubeflow"].render(subject)
    (text,) = (text for name, text in files.items() if name.endswith(".yaml"))
    spec: dict[str, Any] = next(iter(yaml.safe_load_all(text)))
    return spec


def test_kubeflow_takes_the_pipeline(kfp: Path) -> None:
    """Every key is one that its message has, and of its type."""
    spec = specification(flights())
    ended = subprocess.run([kfp, "-c", _PARSE], input=json.dumps(spec), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert json.loads(ended.stdout.splitlines()[-1]) == sorted(spec["root"]["dag"]["tasks"])
    misspelt = {**spec, "rooot": {}}
    ended = subprocess.run([kfp, "-c", _PARSE], input=json.dumps(misspelt), capture_output=True, text=True, check=False)
    assert ended.returncode != 0


def launched(spec: dict[str, Any], folder: Path, parameters: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What each task gave: containers run as the launcher runs them, as processes here.

    It fills placeholders, and skips what a trigger does not let run, or what needs a task that was skipped.
    """
    given: dict[str, dict[str, str]] = {}
    defaults = {k: v.get("defaultValue") for k, v in spec["root"]["inputDefinitions"]["parameters"].items()}
    for name, task in spec["root"]["dag"]["tasks"].items():
        if not set(task.get("dependentTasks", ())) <= set(given):
            continue
        inputs = {
            key: {**defaults, **parameters}[source["componentInputParameter"]]
            if "componentInputParameter" in source
            else given[source["taskOutputParameter"]["producerTask"]][
                source["taskOutputParameter"]["outputParameterKey"]
            ]
            for key, source in task.get("inputs", {}).get("parameters", {}).items()
        }
        if not triggered(task.get("triggerPolicy", {}).get("condition"), inputs):
            continue
        given[name] = run_container(
            spec["deploymentSpec"]["executors"][f"exec-{name}"]["container"], inputs, folder, name
        )
    return given


def triggered(condition: str | None, inputs: dict[str, Any]) -> bool:
    """Whether a condition of equalities holds."""
    for each in (condition or "").split(" && "):
        if each:
            key, _, wanted = each.partition(" == ")
            if inputs[key.removeprefix("inputs.parameter_values['").removesuffix("']")] != wanted.strip("'"):
                return False
    return True


def run_container(container: dict[str, Any], inputs: dict[str, Any], folder: Path, name: str) -> dict[str, str]:
    """The outputs of one container."""
    files = {key: folder / f"{name}.{key}" for key in ("artifact", "verdict")}
    values = {
        f"{{{{$.inputs.parameters['{key}']}}}}": value if isinstance(value, str) else json.dumps(value)
        for key, value in inputs.items()
    }
    values |= {f"{{{{$.outputs.parameters['{key}'].output_file}}}}": str(file) for key, file in files.items()}
    values["{{$.pipeline_job_uuid}}"] = "job-1"
    filled = [replaced(word, values) for word in container["args"]]
    assert "{{" not in "".join(filled)
    ended = subprocess.run([MODELYARD, *filled], cwd=folder / "shop", capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {key: file.read_text() for key, file in files.items()}


def replaced(word: str, values: dict[str, str]) -> str:
    """A word with every placeholder filled."""
    for placeholder, text in values.items():
        word = word.replace(placeholder, text)
    return word


def model_digest(folder: Path) -> str:
    """The digest of the model in the bundle of the newest version."""
    out = folder.parent / f"fetched-{folder.name}"
    subprocess.run(
        [MODELYARD, "bundle", "fetch", "purchase/1", "-o", out, "--project", folder], check=True, capture_output=True
    )
    (model,) = (each for each in (out / "bundle").iterdir() if each.name.startswith("model."))
    return hashlib.sha256(model.read_bytes()).hexdigest()


def by_our_own_engine(folder: Path) -> None:
    """`modelyard pipeline run`."""
    command = [str(MODELYARD), "pipeline", "run", "training", "-p", f"as_of={INSTANT}", "--project", str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def by_ray(folder: Path) -> None:
    """The same on a cluster of its own, where nothing but loopback can be reached: Ray opens every interface."""
    arguments = ["-m", "modelyard", "pipeline", "run", "training", "--engine", "ray", "-p", f"as_of={INSTANT}"]
    fenced(*arguments, "--project", str(folder))


def by_containers(folder: Path, subject: Subject) -> None:
    """Kubeflow's containers, each with the arguments of the IR."""
    spec = specification(subject)
    given = launched(spec, folder.parent, {"as_of": INSTANT})
    assert set(given) == set(spec["root"]["dag"]["tasks"])


def by_components(kfp: Path, folder: Path, subject: Subject, *arguments: str) -> str:
    """Kubeflow's lightweight components, by `kfp.local` in kfp's environment; what it says."""
    write(TARGETS["kubeflow"].render(subject), folder.parent / "kubeflow")
    (program,) = (folder.parent / "kubeflow" / "components").glob("*.py")
    environment = {
        **os.environ,
        "KFP_ROOT": str(folder.parent / "kfp"),
        "MODELYARD_HOME": str(folder),
        "MODELYARD_BIN": str(MODELYARD),
    }
    ended = subprocess.run(
        [kfp, program, "local", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    said = ended.stdout + ended.stderr
    assert ended.returncode == 0, said[-4000:]
    return said


def by_airflow(airflow: Path, folder: Path, subject: Subject) -> None:
    """`airflow dags test` of the file with local operators."""
    write(TARGETS["airflow"].render(subject), folder.parent / "dags")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder.parent / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder.parent / "dags" / "local"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "false",
        "MODELYARD_HOME": str(folder),
        "MODELYARD_BIN": str(MODELYARD),
    }
    program = airflow.parent / "airflow"
    subprocess.run([program, "db", "migrate"], env=environment, check=True, capture_output=True)
    ended = subprocess.run(
        [program, "dags", "test", "minimal-training", INSTANT, "--conf", json.dumps({"as_of": INSTANT})],
        env=environment, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert ended.returncode == 0, (ended.stdout + ended.stderr)[-4000:]


def test_every_engine_trains_the_same_model(kfp: Path, airflow: Path, tmp_path: Path) -> None:
    """Our own, Ray, Kubeflow's containers and components, Airflow: one digest, each from a project of its own."""
    engines: dict[str, Callable[[Path, Subject], object]] = {
        "local": lambda folder, _: by_our_own_engine(folder),
        "ray": lambda folder, _: by_ray(folder),
        "containers": by_containers,
        "components": lambda folder, subject: by_components(kfp, folder, subject, f"as_of={INSTANT}"),
        "airflow": lambda folder, subject: by_airflow(airflow, folder, subject),
    }
    digests = {}
    for name, run in engines.items():
        folder = tmp_path / name / "shop"
        folder.mkdir(parents=True)
        run(folder, changed(folder, {}))
        digests[name] = model_digest(folder)
    assert set(digests.values()) == {digests["local"]}, digests


_GATED = """
from pathlib import Path

import modelyard as my


@my.step(retries=2, backoff="3s", timeout="90s", resources={"cpus": 2, "memory": 3e9, "gpus": 1})
def measure(score: float) -> dict[str, float]:
    return {"auc": score}


@my.step(cache=False, secrets=("WORD",))
def deploy(metrics: dict[str, float]) -> None:
    Path(__file__).with_name("deployed").touch()


@my.pipeline
def training(score: float = 0.7, notes: dict[str, str] | None = None) -> None:
    metrics = measure(score)
    my.gate(metrics, {"auc": 0.5})
    deploy(metrics)
"""


@pytest.fixture
def gated(tmp_path: Path) -> Subject:
    """A pipeline that deploys, that is writes a file, when a gate says yes."""
    folder = tmp_path / "shop"
    folder.mkdir()
    sections: dict[str, object] = {key: {} for key in ("models", "datasets", "deployments", "monitoring")}
    sections["pipelines"] = {"training": {"module": "gated.py"}}
    (folder / "gated.py").write_text(_GATED)
    return changed(folder, sections)


@pytest.mark.parametrize("form", ["containers", "components"])
def test_nothing_is_deployed_when_the_gate_says_no(kfp: Path, gated: Subject, tmp_path: Path, form: str) -> None:
    """In both forms for Kubeflow; and when it says yes, it is."""
    folder = tmp_path / "shop"
    for score in (0.3, 0.7):
        if form == "containers":
            given = launched(specification(gated), tmp_path, {"score": score})
            assert ("deploy" in given) == (score > 0.5)
        else:
            said = by_components(kfp, folder, gated, f"score={score}")
            assert ("verdict: 'skipped'" in said) == (score < 0.5)
        assert (folder / "deployed").exists() == (score > 0.5)


def test_components_compile_to_the_graph_of_the_containers(kfp: Path, gated: Subject, tmp_path: Path) -> None:
    """By Kubeflow's own compiler: the same steps with the same conditions, caching, retries, resources and secrets."""
    for name, subject in {"gated": gated, "flights": flights()}.items():
        write(TARGETS["kubeflow"].render(subject), tmp_path / name)
        (program,) = (tmp_path / name / "components").glob("*.py")
        compiled = tmp_path / f"{name}.yaml"
        ended = subprocess.run(
            [kfp, program, "compile", compiled], capture_output=True, text=True, check=False, timeout=300
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        spec, platform = yaml.safe_load_all(compiled.read_text())
        containers, places = yaml.safe_load_all((tmp_path / name / "training.yaml").read_text())
        assert dict(conditioned(spec)) == dict(conditioned(containers))
        assert placed(spec, platform) == placed(containers, places)


def conditioned(spec: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each step with the judgements that let it run, those that other judgements imply aside, and its options."""
    judged: dict[str, frozenset[str]] = {}
    found: dict[str, Any] = {}

    def visit(tasks: dict[str, Any], outer: frozenset[str]) -> None:
        for name, task in tasks.items():
            told = task.get("triggerPolicy", {}).get("condition", "")
            waits = outer | frozenset(re.findall(r"([a-z0-9-]+)-verdict'\]", told.replace("pipelinechannel--", "")))
            component = spec["components"][task["componentRef"]["name"]]
            if "dag" in component:
                visit(component["dag"]["tasks"], waits)
                continue
            judged[name] = waits
            caches = task["cachingOptions"].get("enableCache", False)
            found[name] = (caches, task.get("retryPolicy"), inputs_of(component))

    visit(spec["root"]["dag"]["tasks"], frozenset())
    for name, (caches, retries, inputs) in found.items():
        implied = frozenset().union(*(judged[each] for each in judged[name]))
        yield name, (judged[name] | implied, caches, retries and retries["maxRetryCount"], inputs)


def inputs_of(component: dict[str, Any]) -> set[str]:
    """The parameters of the pipeline, and the artifacts, that a step takes."""
    names = component.get("inputDefinitions", {}).get("parameters", {})
    return {each.replace("_", "-") for each in names if each != "run" and not each.endswith("verdict")}


def placed(spec: dict[str, Any], platform: dict[str, Any]) -> dict[str, Any]:
    """What each step asks of a cluster, and the keys that it gets; deadlines are the components' own."""
    executors = spec["deploymentSpec"]["executors"]
    secrets = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    found = {}
    for name, each in executors.items():
        asked = each["container"]["resources"]
        keys = [key["envVar"] for key in secrets[name]["secretAsEnv"][0]["keyToEnv"]]
        found[name] = (
            *(asked[f"resource{what}{kind}"] for what in ("Cpu", "Memory") for kind in ("Request", "Limit")),
            asked.get("accelerator", {}).get("resourceCount"),
            sorted(keys),
        )
    return found


class Kubeflow(BaseHTTPRequestHandler):
    """The part of Kubeflow's API (v2beta1) that creating a run asks."""

    runs: ClassVar[list[dict[str, Any]]] = []
    refuses: ClassVar[bool] = False

    def do_GET(self) -> None:
        """No experiment yet; one user."""
        self._answer(200, {"multi_user": False} if self.path.endswith("healthz") else {"experiments": []})

    def do_POST(self) -> None:
        """An experiment, or a run of a specification."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/experiments"):
            self._answer(200, {"experiment_id": "experiment-1", "display_name": body["display_name"]})
        elif self.refuses:
            self._answer(400, {"error": "the pipeline's spec is invalid"})
        else:
            self.runs.append(body)
            self._answer(200, {"run_id": "run-1", "experiment_id": body["experiment_id"], "state": "PENDING"})

    def _answer(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Nothing."""


@pytest.fixture
def kubeflow() -> Iterator[str]:
    """The address of such an API."""
    Kubeflow.runs.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Kubeflow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def submitted(kfp: Path, host: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`modelyard pipeline submit --engine kubeflow`."""
    words = ["pipeline", "submit", "--engine", "kubeflow", "--host", host, "--python", str(kfp), "--json", *more]
    return subprocess.run(
        [MODELYARD, *words, "--project", folder], capture_output=True, text=True, check=False, timeout=300
    )


def test_a_run_is_submitted_by_kubeflows_own_client(
    kfp: Path, kubeflow: str, shop: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrives is the specification that is rendered, with the parameters by their types; a refusal is told."""
    ended = submitted(kfp, kubeflow, tmp_path / "shop", "-p", f"as_of={INSTANT}", "-p", "min_auc=0.7")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["run"] == "run-1"
    assert json.loads(ended.stdout)["url"] == f"{kubeflow}/#/runs/details/run-1"
    (body,) = Kubeflow.runs
    assert body["runtime_config"]["parameters"] == {"as_of": INSTANT, "min_auc": 0.7}
    assert body["experiment_id"] == "experiment-1"
    arrived, sent = body["pipeline_spec"]["pipeline_spec"], specification(shop)
    assert arrived["deploymentSpec"] == sent["deploymentSpec"]
    assert set(arrived["root"]["dag"]["tasks"]) == set(sent["root"]["dag"]["tasks"])
    assert "platforms" in body["pipeline_spec"]["platform_spec"]
    monkeypatch.setattr(Kubeflow, "refuses", True)
    ended = submitted(kfp, kubeflow, tmp_path / "shop")
    assert ended.returncode == 1
    assert "SUBMISSION_REFUSED" in ended.stderr
    assert "the pipeline's spec is invalid" in ended.stderr


def test_the_file_with_pods_is_python() -> None:
    """Its provider is not installed here, so that it is parsed alone; the steps are those of the local file."""
    files = TARGETS["airflow"].render(flights())
    names = []
    for file, text in files.items():
        compile(text, "dag.py", "exec")
        if file.endswith("_loop.py"):
            continue
        names.append([line.strip() for line in text.splitlines() if line.startswith("    step_") and "= step(" in line])
    assert names[0] == names[1]
    assert len(names[0]) == 11
