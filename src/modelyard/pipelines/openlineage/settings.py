"""Where events go: the project file's section `lineage`, and the variables of OpenLineage's own clients."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from modelyard.core.settings import Section

from .sender import FileReceiver, HttpReceiver, Receiver

ENDPOINT = "api/v1/lineage"
"""The path of receivers, as OpenLineage's clients have it."""


class LineageSettings(Section):
    """OpenLineage events of runs and their steps."""

    openlineage: str | None = Field(
        None,
        description="Where they go: the URL of a receiver (api/v1/lineage is added to one without a path), or a file "
        "that gets one a line; null: OPENLINEAGE_URL with OPENLINEAGE_ENDPOINT and OPENLINEAGE_API_KEY, when set.",
    )
    api_key: SecretStr | None = Field(None, description="Sent to the receiver as a bearer token.")
    namespace: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="Namespace of jobs and datasets; null: OPENLINEAGE_NAMESPACE, else the project's name.",
    )

    @field_validator("openlineage")
    @classmethod
    def _is_url(cls, where: str | None) -> str | None:
        """InvalidInput's finding for a URL without a host."""
        if where is not None and "://" in where and not where.startswith("file://") and not _hosted(where):
            raise ValueError("is no URL of http or https with a host, and no file")
        return where


def _hosted(url: str) -> bool:
    parts = urlsplit(url)  # its ValueError is a finding as well
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname)


def receiver_of(settings: LineageSettings, folder: Path, environment: Mapping[str, str]) -> Receiver | None:
    """Who gets events; None when nobody is named, or OPENLINEAGE_DISABLED is true. Paths are below `folder`."""
    if environment.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return None
    key = settings.api_key.get_secret_value() if settings.api_key else environment.get("OPENLINEAGE_API_KEY", "")
    where = settings.openlineage
    if where is not None and not where.lower().startswith(("http://", "https://")):
        return FileReceiver(folder / where.removeprefix("file://"))
    if where is not None:
        return HttpReceiver(where if urlsplit(where).path.strip("/") else _joined(where, ENDPOINT), key)
    if url := environment.get("OPENLINEAGE_URL", ""):
        return HttpReceiver(_joined(url, environment.get("OPENLINEAGE_ENDPOINT", ENDPOINT)), key)
    return None


def _joined(url: str, path: str) -> str:
    return f"{url.rstrip('/')}/{path.lstrip('/')}"
