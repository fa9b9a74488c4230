"""What goes to clusters: Pod Security restricted holds for every pod, selectors select, defaults are as promised."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.export.subjects import changed, flights

from modelyard.export import TARGETS, Measured, Subject

CLUSTERS = ("kubernetes", "kserve", "seldon", "argo-rollouts", "ray")


@pytest.fixture(scope="module")
def subject() -> Subject:
    """The flights."""
    return flights()


def objects(subject: Subject, target: str, below: str = "") -> list[dict[str, Any]]:
    """The documents of a target's YAML files, without the chart's templates."""
    files = TARGETS[target].render(subject)
    return [
        each
        for name, text in files.items()
        if name.startswith(below) and name.endswith(".yaml") and "chart/" not in name
        for each in yaml.safe_load_all(text)
        if each["kind"] != "Kustomization"
    ]


def pods(value: Any) -> Iterator[dict[str, Any]]:
    """Every pod's specification in a value, however deep."""
    if isinstance(value, Mapping):
        if isinstance(value.get("containers"), list):
            yield dict(value)
        for each in value.values():
            yield from pods(each)
    elif isinstance(value, list):
        for each in value:
            yield from pods(each)


def violations(pod: Mapping[str, Any]) -> Iterator[str]:
    """What of the standard `restricted` a pod does not hold ("Pod Security Standards" in Kubernetes' manual)."""
    around = pod.get("securityContext", {})
    for each in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(each):
            yield each
    for volume in pod.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if not kinds <= {
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        }:
            yield f"volume {volume['name']}: {kinds}"
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        yield from violations_of(container, around)


def violations_of(container: Mapping[str, Any], around: Mapping[str, Any]) -> Iterator[str]:
    """The same of one container, in the context of its pod."""
    name, own = container["name"], container.get("securityContext", {})
    merged = {**around, **own}
    if own.get("privileged"):
        yield f"{name} is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may escalate"
    if merged.get("runAsNonRoot") is not True or merged.get("runAsUser") == 0:
        yield f"{name} may be root"
    if merged.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield f"{name} has no seccomp profile"
    capabilities = own.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or not set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"}:
        yield f"{name} keeps capabilities"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield f"{name} has a port of the host"


@pytest.mark.parametrize("target", CLUSTERS)
def test_pod_security_restricted_holds_for_every_pod(subject: Subject, target: str) -> None:
    """Servers, init containers, sidecars, cron jobs, nodes of Ray."""
    found = list(pods(objects(subject, target)))
    assert found
    assert [told for pod in found for told in violations(pod)] == []


def test_the_check_of_pods_notices_what_is_wrong() -> None:
    """A pod that declares nothing fails each of its rules."""
    bare = {
        "hostNetwork": True,
        "volumes": [{"name": "v", "hostPath": {}}],
        "containers": [{"name": "c", "ports": [{"hostPort": 1}]}],
    }
    assert (
        len(list(violations(bare))) == 7
    )  # the host's network, path and port; escalation, root, seccomp, capabilities


def test_what_selects_pods_selects_those_that_are_there(subject: Subject) -> None:
    """Service, PodDisruptionBudget, Deployment and HorizontalPodAutoscaler mean the same pods."""
    found = {(each["kind"], each["metadata"].get("name")): each for each in objects(subject, "kubernetes", "base/")}
    name = "flights-flights"
    deployment = found["Deployment", name]
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    assert found["Service", name]["spec"]["selector"].items() <= labels
    for kind in ("PodDisruptionBudget", "NetworkPolicy"):
        selector = found[kind, name]["spec"].get("selector") or found[kind, name]["spec"]["podSelector"]
        assert selector["matchLabels"].items() <= labels
    assert found["HorizontalPodAutoscaler", name]["spec"]["scaleTargetRef"]["name"] == name
    assert (
        found["ServiceAccount", name]["metadata"]["name"]
        == deployment["spec"]["template"]["spec"]["serviceAccountName"]
    )
    ports = {each["name"] for pod in pods(deployment) for each in pod["containers"][0]["ports"]}
    assert {each["targetPort"] for each in found["Service", name]["spec"]["ports"]} <= ports
    jobs = [each for (kind, _), each in found.items() if kind == "CronJob"]
    assert {each["metadata"]["name"] for each in jobs} == {"flights-loop", "flights-materialize"}
    (commands,) = (
        each for (kind, each_name), each in found.items() if (kind, each_name) == ("NetworkPolicy", "flights-commands")
    )
    for job in jobs:
        template = job["spec"]["jobTemplate"]["spec"]["template"]
        assert commands["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_the_defaults_are_those_that_are_promised(subject: Subject) -> None:
    """3 replicas; 2 to 10 at 70% of the processor; 512Mi and 500m, 2Gi and 2; /health, /ready; MODEL_URI, WORKERS."""
    found = {each["kind"]: each for each in objects(subject, "kubernetes", "base/flights-flights")}
    deployment, scaling = found["Deployment"]["spec"], found["HorizontalPodAutoscaler"]["spec"]
    assert deployment["replicas"] == 3
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert (scaling["minReplicas"], scaling["maxReplicas"]) == (2, 10)
    assert scaling["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    (server,) = deployment["template"]["spec"]["containers"]
    assert server["resources"] == {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "2", "memory": "2Gi"},
    }
    assert server["livenessProbe"]["httpGet"]["path"] == "/health"
    assert server["readinessProbe"]["httpGet"]["path"] == "/ready"
    assert {"MODEL_URI", "WORKERS"} <= {each["name"] for each in server["env"]}


def test_what_a_bundle_needs_raises_what_is_asked_for(tmp_path: Path) -> None:
    """Each worker needs it; limits hold two versions at a time; the startup probe waits for what loading took."""
    subject = changed(tmp_path, {"server": {"workers": 2}})
    measured = Subject(**{**vars(subject), "measured": {"shop": Measured(900 * (1 << 20), 45.0)}})
    (deployment,) = (each for each in objects(measured, "kubernetes", "base/") if each["kind"] == "Deployment")
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    assert server["resources"]["requests"]["memory"] == "1800Mi"
    assert server["resources"]["limits"]["memory"] == "3600Mi"
    probe = server["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 3 * 45 - 1


def test_settings_reach_the_objects(tmp_path: Path) -> None:
    """Host, certificate, requests a second, graphics cards, ports of stores, and the log's sidecar."""
    export = {
        "host": "m.example.com",
        "tls_secret": "tls",
        "requests_per_replica": 50,
        "server": {"gpus": 1},
        "egress_ports": [4222],
    }
    subject = changed(tmp_path, {"export": export, "stores": {"log": "nats://queue:4222"}})
    found = {(each["kind"], each["metadata"]["name"]): each for each in objects(subject, "kubernetes", "base/")}
    ingress = found["Ingress", "minimal-shop"]["spec"]
    assert (ingress["rules"][0]["host"], ingress["tls"][0]["secretName"]) == ("m.example.com", "tls")
    assert (
        found["HorizontalPodAutoscaler", "minimal-shop"]["spec"]["metrics"][1]["pods"]["target"]["averageValue"] == "50"
    )
    pod = found["Deployment", "minimal-shop"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert [each["name"] for each in pod["containers"]] == ["server", "ship-log"]
    assert found["NetworkPolicy", "minimal-shop"]["spec"]["egress"][1]["ports"] == [{"protocol": "TCP", "port": 4222}]
    assert [told for each in pods(pod) for told in violations(each)] == []


def test_the_shipper_goes_after_the_server(tmp_path: Path) -> None:
    """It is told to end when the server has drained, has time for a last round then, and beats for its probes."""
    subject = changed(tmp_path, {"stores": {"log": "nats://queue:4222"}, "server": {"drain_seconds": 40}})
    (deployment,) = (each for each in objects(subject, "kubernetes", "base/") if each["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    server, shipper = pod["containers"]
    waits = int(shipper["lifecycle"]["preStop"]["exec"]["command"][1])
    assert int(server["lifecycle"]["preStop"]["exec"]["command"][1]) + 40 < waits
    assert waits + 20 <= pod["terminationGracePeriodSeconds"]
    beat = shipper["command"][shipper["command"].index("--beat") + 1]
    for probe in ("startupProbe", "livenessProbe"):
        assert beat in shipper[probe]["exec"]["command"][2]
    text = TARGETS["kubernetes"].render(subject)["base/minimal-shop-deployment.yaml"]
    assert "Lost is what was not shipped" in text.replace("\n# ", " ")


def test_controllers_shift_the_steps_of_the_deployment(subject: Subject) -> None:
    """10 and 50 percent, a day each, then all."""
    (rollout,) = (each for each in objects(subject, "argo-rollouts") if each["kind"] == "Rollout")
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    assert steps == [
        {"setWeight": 10},
        {"pause": {"duration": "24h"}},
        {"setWeight": 50},
        {"pause": {"duration": "24h"}},
    ]
    (canary,) = (each for each in objects(subject, "flagger") if each["kind"] == "Canary")
    assert canary["spec"]["analysis"]["stepWeights"] == [10, 50]
    (route,) = (each for each in objects(subject, "argo-rollouts") if each["kind"] == "VirtualService")
    assert [each["weight"] for each in route["spec"]["http"][0]["route"]] == [100, 0]
    (service,) = (each for each in objects(subject, "kserve") if each["kind"] == "InferenceService")
    assert service["spec"]["predictor"]["canaryTrafficPercent"] == 10
