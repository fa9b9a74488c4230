"""MLflow's registered models: numbers of versions from there, aliases and stages shown there."""

import re
import socket
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from .errors import TrackingUnavailable
from .glance import glance
from .tracker import Tracker, sqlite_file

Result = TypeVar("Result")

_ONCE = "modelyard.once"
"""The tag that tells which act a version was created by."""

_LOGGED = re.compile(r"models:/(m-[0-9a-f]+)")
_IS_PROMPT = "mlflow.prompt.is_prompt"
_MISSING = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Shown:
    """What MLflow shows of a model: aliases, and the stage of every version by number."""

    aliases: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedVersion:
    """A version as MLflow has it: where its model is, and what its run was logged with."""

    number: int
    source: str
    run: str | None
    tags: Mapping[str, str]
    description: str
    metrics: Mapping[str, float]
    params: Mapping[str, str]


class RegisteredModels:
    """MLflow's model registry. Safe for one thread at a time; imports MLflow only when it asks."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def create(
        self,
        model: str,
        source: str,
        run_id: str | None,
        tags: Mapping[str, str] | None = None,
        description: str = "",
        *,
        once: str | None = None,
    ) -> int:
        """Register a logged model; returns the version number that MLflow gives.

        `once` names the act: repeating it, after a crash, gives the number that the first time was given.
        """
        self._tracker.prepare()  # `models:/…` is looked up where this process points, not where the client does
        self._model(model)
        if once is not None and (number := self._created_by(model, once)) is not None:
            return number
        told = {**(tags or {}), **({_ONCE: once} if once is not None else {})}
        said = {"tags": told, "description": description or None, "model_id": _model_id(source)}
        created = self._tracker.ask(lambda client: client.create_model_version(model, source, run_id, **said))
        return int(created.version)

    def delete(self, model: str, number: int) -> None:
        """Delete a version; deleting what is not there does nothing."""
        self._found(lambda client: client.delete_model_version(model, str(number)))

    def version(self, model: str, number: int) -> LoggedVersion | None:
        """A version as MLflow has it, with the metrics and parameters of its run; None when there is none."""
        found = self._found(lambda client: client.get_model_version(model, str(number)))
        if found is None:
            return None
        metrics, params = self.run_facts(found.run_id) if found.run_id else ({}, {})
        tags = {name: value for name, value in found.tags.items() if name != _ONCE}
        run = found.run_id or None
        return LoggedVersion(number, found.source, run, tags, found.description or "", metrics, params)

    def run_facts(self, run_id: str) -> tuple[dict[str, float], dict[str, str]]:
        """Metrics and parameters of a run."""
        run = self._tracker.ask(lambda client: client.get_run(run_id))
        return dict(run.data.metrics), dict(run.data.params)

    def shown(self, model: str) -> Shown | None:
        """Aliases and stages as MLflow shows them now; None when it has no such model."""
        found = self._found(lambda client: client.get_registered_model(model))
        if found is None:
            return None
        versions = self._tracker.ask(lambda client: _every_version(client, model))
        stages = {int(each.version): str(each.current_stage or "None") for each in versions}
        return Shown({alias: int(version) for alias, version in found.aliases.items()}, stages)

    def glance(self, model: str | None = None) -> Mapping[str, Shown] | None:
        """The same of a model, or of all, read from MLflow's SQLite file without asking it; see `glance`.

        Models of which it shows nothing, and versions in no stage, are left out. None where it cannot be read like
        this: MLflow is elsewhere, say.
        """
        file = sqlite_file(self._tracker.uri)
        found = None if file is None else glance(file, model)
        return None if found is None else {name: Shown(*each) for name, each in found.items()}

    def show(self, model: str, aliases: Mapping[str, int | None], stages: Mapping[int, str]) -> None:
        """Make MLflow show these aliases of a model (None: no such alias) and these stages; the others stay.

        Versions that MLflow does not have (any more) are left out.
        """
        now = self.shown(model)
        if now is None:
            return
        for alias, version in aliases.items():
            if now.aliases.get(alias) == version:
                continue
            if version is None:
                self._ask(partial(_delete_alias, model, alias))
            elif version in now.stages:
                self._ask(partial(_set_alias, model, alias, version))
        for number, stage in stages.items():
            if now.stages.get(number, stage) != stage:
                self._ask(partial(_set_stage, model, number, stage))

    def tell(self, model: str, number: int, tags: Mapping[str, str | None], description: str | None) -> None:
        """Make MLflow show these tags of a version (None: no such tag), and this description unless it is None.

        Its other tags stay; a version that MLflow does not have (any more) is left out.
        """
        now = self._found(lambda client: client.get_model_version(model, str(number)))
        if now is None:
            return
        for tag, value in tags.items():
            if now.tags.get(tag) == value:
                continue
            self._ask(partial(_tag, model, number, tag, value))
        if description is not None and (now.description or "") != description:
            self._ask(lambda client: client.update_model_version(model, str(number), description))

    def tell_prompt(self, model: str, number: int, tags: Mapping[str, str]) -> None:
        """Make MLflow take a model for a prompt, and show these tags of a version. May be repeated."""
        self._ask(lambda client: client.set_registered_model_tag(model, _IS_PROMPT, "true"))
        self.tell(model, number, tags, None)

    def mark(self) -> str | None:
        """Something that changes whenever MLflow's SQLite file does; None where MLflow is elsewhere.

        Read without MLflow: the file's change counter (bytes 24 to 27 of its header, see
        https://www.sqlite.org/fileformat.html), its size, and when it was changed.
        """
        if (file := sqlite_file(self._tracker.uri)) is None:
            return None
        try:
            with file.open("rb") as stream:
                header = stream.read(28)
            facts = file.stat()
        except OSError:
            return "none"
        return f"{int.from_bytes(header[24:28])}:{facts.st_size}:{facts.st_mtime_ns}"

    def answers(self, seconds: float = 1.0) -> bool:
        """Whether something listens where MLflow should be; never imports it. A file always answers."""
        where = urlsplit(self._tracker.uri)
        if where.scheme not in ("http", "https") or where.hostname is None:
            return True
        port = where.port or (443 if where.scheme == "https" else 80)
        try:
            with socket.create_connection((where.hostname, port), seconds):
                return True
        except OSError:
            return False

    def _found(self, question: Any) -> Any:
        """What MLflow answers; None when there is no such thing."""
        try:
            return self._ask(question)
        except TrackingUnavailable as error:
            if error.context.get("mlflow") == _MISSING:
                return None
            raise

    def _ask(self, question: Any) -> Any:
        """What the registry answers, asked below MLflow's public client: that denies that there are prompts."""
        return self._tracker.ask(lambda client: question(client._get_registry_client()))

    def _created_by(self, model: str, once: str) -> int | None:
        found = self._tracker.ask(lambda client: _every_version(client, model))
        return next((int(each.version) for each in found if each.tags.get(_ONCE) == once), None)

    def _model(self, name: str) -> None:
        try:
            self._tracker.ask(lambda client: client.create_registered_model(name))
        except TrackingUnavailable as error:
            if error.context.get("mlflow") != "RESOURCE_ALREADY_EXISTS":
                raise


def _model_id(source: str) -> str | None:
    """Which logged model a source is; an MLflow server asks for it beside the source itself."""
    found = _LOGGED.fullmatch(source)
    return found[1] if found is not None else None


def _every_version(client: Any, model: str) -> list[Any]:
    """The versions of a model; MLflow's search leaves those of prompts out unless they are asked for."""
    named = f"name = '{model}'"
    return _versions(client, named) or _versions(client, f"{named} AND tag.`{_IS_PROMPT}` = 'true'")


def _versions(client: Any, wanted: str) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(wanted, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _set_alias(model: str, alias: str, version: int, client: Any) -> None:
    client.set_registered_model_alias(model, alias, str(version))


def _delete_alias(model: str, alias: str, client: Any) -> None:
    client.delete_registered_model_alias(model, alias)


def _tag(model: str, number: int, tag: str, value: str | None, client: Any) -> None:
    if value is None:
        client.delete_model_version_tag(model, str(number), tag)
    else:
        client.set_model_version_tag(model, str(number), tag, value)


def _set_stage(model: str, number: int, stage: str, client: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MLflow prefers aliases; plain clients read stages as well
        client.transition_model_version_stage(model, str(number), stage, archive_existing_versions=False)
