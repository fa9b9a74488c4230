"""Bodies of CreateModel, CreateEndpointConfig and CreateEndpoint, as `aws sagemaker … --cli-input-json` takes them."""

import re
from dataclasses import dataclass

from ..documents import as_json
from ..errors import unsupported
from ..naming import deployment_names, image_of
from ..records import Files, Subject

_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_MACHINES = re.compile(r"ml\.[a-z0-9-]+\.[a-z0-9]+")
"""Both as the API of SageMaker takes them (`EndpointName`, `InstanceType` of CreateEndpointConfig)."""


@dataclass(frozen=True)
class Endpoint:
    """What an endpoint is called, and the machines that it runs on. Without a name: the deployment's."""

    name: str | None = None
    instance_type: str = "ml.m5.large"


def render(subject: Subject) -> Files:
    """The requests of the only deployment, on the default machines."""
    return render_endpoint(subject, Endpoint())


def render_endpoint(subject: Subject, endpoint: Endpoint) -> Files:
    """The three requests. SageMaker lets callers in, so no API key is asked for; the model comes as model.tar.gz."""
    names = deployment_names(subject)
    if len(names) > 1:
        raise unsupported(
            "SageMaker",
            "deployments",
            ", ".join(names),
            "A container there has one model.",
            "Export a project with one deployment, or make the requests of each by hand.",
        )
    ((_, own),) = names.items()
    if subject.views:
        raise unsupported(
            "SageMaker",
            "features.module",
            "feature views",
            "Its containers reach no online store.",
            "Serve it elsewhere, or train a model whose inputs all come with the request.",
        )
    name = _fitting("--endpoint-name", endpoint.name or own, _NAME, "letters, digits and single hyphens, at most 63")
    machines = _fitting("--instance-type", endpoint.instance_type, _MACHINES, "such as ml.m5.large")
    variant = {
        "VariantName": "live",
        "ModelName": name,
        "InitialInstanceCount": subject.settings.replicas,
        "InstanceType": machines,
        "InitialVariantWeight": 1.0,
    }
    environment = {"BEHIND_GATEWAY": "true", "WORKERS": str(subject.workers), "STATE_FOLDER": "/tmp/modelyard"}  # noqa: S108 - a container's own
    return {
        "create-model.json": as_json(
            {
                "ModelName": name,
                "PrimaryContainer": {
                    "Image": image_of(subject, "server"),
                    "ModelDataUrl": f"s3://BUCKET/{name}/model.tar.gz",
                    "Environment": environment,
                },
                "ExecutionRoleArn": "arn:aws:iam::ACCOUNT:role/ROLE",
            }
        ),
        "create-endpoint-config.json": as_json({"EndpointConfigName": name, "ProductionVariants": [variant]}),
        "create-endpoint.json": as_json({"EndpointName": name, "EndpointConfigName": name}),
    }


def _fitting(setting: str, value: str, pattern: re.Pattern[str], takes: str) -> str:
    if not pattern.fullmatch(value):
        raise unsupported("SageMaker", setting, value, f"It takes {takes}.", "Choose another.")
    return value
