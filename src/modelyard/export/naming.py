"""Names outside: what clusters and registries call the parts of a project."""

import re

from .errors import UnsupportedSetting
from .records import Subject

_LONGEST = 50
"""Of 63 characters that a label of DNS has, the rest is for what controllers append."""


def dns_name(*parts: str) -> str:
    """A label of DNS (RFC 1123) from names of ours: lower case, dots and underlines as hyphens."""
    joined = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    if not joined or len(joined) > _LONGEST:
        raise UnsupportedSetting(
            f"{' and '.join(parts)} make the name '{joined}', which a cluster does not take.",
            context={"name": joined},
            remedy=f"Choose names for `project` and the deployment of at most {_LONGEST} characters together.",
        )
    return joined


def namespace_of(subject: Subject) -> str:
    """The namespace of a project."""
    return subject.settings.namespace or dns_name(subject.project)


def deployment_names(subject: Subject) -> dict[str, str]:
    """What each deployment is called in a cluster; two that would share a name are an error, and so is none at all."""
    if not subject.deployments:
        raise UnsupportedSetting(
            "The project declares no deployment, so there is nothing to serve.",
            context={"setting": "deployments"},
            remedy="Declare one under `deployments` in modelyard.yaml.",
        )
    names = {each: dns_name(subject.project, each) for each in subject.deployments}
    for name in names.values():
        twins = [each for each, other in names.items() if other == name]
        if len(twins) > 1:
            raise UnsupportedSetting(
                f"Deployments {' and '.join(twins)} are both '{name}' in a cluster.",
                context={"setting": "deployments"},
                remedy="Rename one: letters are lower case there, and . and _ are hyphens.",
            )
    return names


def image_of(subject: Subject, kind: str) -> str:
    """The image of servers (`server`) or of steps and commands (`training`)."""
    settings = subject.settings
    return f"{settings.registry}/{dns_name(subject.project)}-{kind}:{settings.tag}"
