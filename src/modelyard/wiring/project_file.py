"""`modelyard.yaml`: every room's section in one file, judged whole before anything starts."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, Field, SecretStr, ValidationError

from modelyard.core import ModelyardError, NotFound, nearest
from modelyard.core.settings import (
    Finding,
    Keys,
    LocatedYaml,
    Origin,
    Section,
    findings_of,
    overlay_environment,
    read_yaml,
    report,
    variable_of,
)
from modelyard.data import DatasetSettings, read_schema
from modelyard.execution import ExecutionSettings
from modelyard.export import ExportSettings
from modelyard.features import FeatureService, FeaturesSettings, load_definitions
from modelyard.governance import GovernanceSettings
from modelyard.history import LabelSettings, LogSettings
from modelyard.llm import UpstreamSettings
from modelyard.monitoring import AlertSettings, MonitorSettings, rules_of
from modelyard.pipelines import REINDEX, LineageSettings, PipelineSettings
from modelyard.retraining import RetrainingSettings
from modelyard.rollout import DeploymentSettings

from .keys import KEYS_FOLDER, trusted_key_findings
from .settings import (
    ControlSettings,
    ModelSettings,
    PrivacySettings,
    SecuritySettings,
    ServerSettings,
    StoresSettings,
)

FILE_NAME = "modelyard.yaml"
"""What a project file is called."""


class ProjectFile(Section):
    """The whole project file."""

    project: str = Field(description="Name of the project.", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    stores: StoresSettings = StoresSettings()
    server: ServerSettings = ServerSettings()
    control: ControlSettings = ControlSettings()
    security: SecuritySettings = SecuritySettings()
    features: FeaturesSettings | None = None
    datasets: dict[str, DatasetSettings] = Field(default_factory=dict)
    models: dict[str, ModelSettings] = Field(default_factory=dict)
    pipelines: dict[str, PipelineSettings] = Field(default_factory=dict)
    execution: ExecutionSettings = ExecutionSettings()
    deployments: dict[str, DeploymentSettings] = Field(default_factory=dict)
    upstreams: dict[str, UpstreamSettings] = Field(default_factory=dict)
    log: LogSettings = LogSettings()
    privacy: PrivacySettings = PrivacySettings()
    labels: dict[str, LabelSettings] = Field(default_factory=dict)
    monitoring: dict[str, MonitorSettings] = Field(default_factory=dict)
    alerts: AlertSettings = AlertSettings()
    retraining: dict[str, RetrainingSettings] = Field(default_factory=dict)
    governance: GovernanceSettings = GovernanceSettings()
    lineage: LineageSettings = LineageSettings()
    export: ExportSettings = ExportSettings()


@dataclass(frozen=True)
class LoadedFile:
    """A project file that was found right."""

    folder: Path
    settings: ProjectFile
    _written: ProjectFile = field(repr=False)
    _document: LocatedYaml = field(repr=False)
    _used: Mapping[str, str] = field(repr=False)

    @cached_property
    def origins(self) -> tuple[Origin, ...]:
        """Where each of its settings came from; of a thousand models only who asks pays for it."""
        return tuple(_origins(self._written, self._document, self._used))


def load_project_file(path: Path, environment: Mapping[str, str] | None = None) -> LoadedFile:
    """Read the project file in a folder (or the file itself). Flag > environment > file > default.

    Everything wrong is reported at once, each with its line: unknown keys and misspelt features with the nearest name,
    wrong types, names that point at nothing.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise NotFound(
            f"There is no {FILE_NAME} in {path.resolve()}.",
            code="NO_PROJECT",
            remedy="Start one: modelyard init, or say where it is: --project FOLDER.",
        )
    document = read_yaml(file)
    data = dict(document.data)
    used = overlay_environment(data, os.environ if environment is None else environment, _scalar_paths())
    findings = list(_cross_findings(document, file.parent))
    try:
        settings = ProjectFile.model_validate(data)
    except ValidationError as error:
        raise report(file, [*findings, *findings_of(error, document, ProjectFile)]) from error
    findings += _key_findings(document, settings)
    if findings:
        raise report(file, findings)
    return LoadedFile(file.parent.resolve(), with_privacy(settings), settings, document, used)


def with_privacy(settings: ProjectFile) -> ProjectFile:
    """The settings, with what is declared of personal columns said to every deployment."""
    if not settings.privacy.columns:
        return settings
    found = {}
    for name, each in settings.deployments.items():
        added = {
            field: tuple(dict.fromkeys((*getattr(each.serving, field), *settings.privacy.declared(how))))
            for field, how in (("redact", "drop"), ("hash", "hash"), ("truncate", "truncate"))
        }
        found[name] = each.model_copy(update={"serving": each.serving.model_copy(update=added)})
    return settings.model_copy(update={"deployments": found})


def _cross_findings(document: LocatedYaml, folder: Path) -> Iterator[Finding]:
    """Names that point at nothing: features, models, pipelines and deployments."""
    data = document.data
    yield from _feature_findings(document, folder)
    yield from _schema_findings(document, folder)
    models = [each for each, _ in _items(data, "models")]
    trained = bool(models) and not data.get("upstreams")
    for name, each in _items(data, "deployments"):
        model = str(each.get("model", "")).partition("@")[0]
        # Applications and embedders are registered, and declared nowhere; what is nearly a model is misspelt.
        if trained or nearest(model, models):
            yield from _pointer(document, ("deployments", name, "model"), model, data, "models")
    yield from _loop_findings(document, folder)
    yield from _alert_findings(document)
    yield from _trigger_findings(document)
    for name, _ in _items(data, "monitoring"):
        yield from _pointer(document, ("monitoring", name), name, data, "deployments")
    for name, each in _items(data, "labels"):
        yield from _pointer(document, ("labels", name), name, data, "deployments")
        yield from _pointer(document, ("labels", name, "dataset"), each.get("dataset"), data, "datasets")


def _loop_findings(document: LocatedYaml, folder: Path) -> Iterator[Finding]:
    """Policies that point at nothing, and a pipeline that has the name of the one that is shipped."""
    data = document.data
    if REINDEX in dict(_items(data, "pipelines")):
        yield document.finding(("pipelines", REINDEX), f"{REINDEX!r} is the name of the pipeline that is shipped")
    for name, each in _items(data, "retraining"):
        if "reindex" in each:
            yield from _application_findings(document, folder, name, each)
        else:
            yield from _pointer(document, ("retraining", name), name, data, "models")
        for key, section in (("pipeline", "pipelines"), ("deployment", "deployments")):
            yield from _pointer(document, ("retraining", name, key), each.get(key), data, section)


def _application_findings(
    document: LocatedYaml, folder: Path, name: str, policy: Mapping[str, Any]
) -> Iterator[Finding]:
    """A policy of an application, which is declared nowhere: its deployment is another's, or its suite not there."""
    if name in dict(_items(document.data, "models")):
        yield document.finding(("retraining", name, "reindex"), f"{name!r} is a model that a pipeline trains")
    deployments = dict(_items(document.data, "deployments"))
    follows = str(deployments.get(str(policy.get("deployment")), {}).get("model", name)).partition("@")[0]
    if follows != name:
        told = f"{policy.get('deployment')!r} serves {follows!r}, and not {name!r}"
        yield document.finding(("retraining", name, "deployment"), told)
    section = policy["reindex"]
    suite = section.get("suite") if isinstance(section, Mapping) else None
    if isinstance(suite, str) and not (folder / suite).is_file():
        yield document.finding(("retraining", name, "reindex", "suite"), f"there is no file {suite!r}")


def _alert_findings(document: LocatedYaml) -> Iterator[Finding]:
    """Deployments that rules and receivers name, and that are none."""
    section = document.data.get("alerts")
    for kind in ("rules", "notify"):
        for name, each in _items(section, kind) if isinstance(section, Mapping) else ():
            listed = each.get("deployments")
            for index, deployment in enumerate(listed if isinstance(listed, list) else ()):
                keys: Keys = ("alerts", kind, name, "deployments", index)
                yield from _pointer(document, keys, deployment, document.data, "deployments")


def _trigger_findings(document: LocatedYaml) -> Iterator[Finding]:
    """Alerts that policies wait for, and that no rule raises for their deployment."""
    try:
        rules = {each.name: each for each in rules_of(AlertSettings.model_validate(document.data.get("alerts") or {}))}
    except ValidationError:
        return  # which is told, and what the rules would be called is not known
    for name, policy in _items(document.data, "retraining"):
        for keys, alert in _awaited(policy.get("when"), ("retraining", name, "when")):
            deployment = str(policy.get("deployment"))
            if (rule := rules.get(alert)) is None:
                close = nearest(alert, rules)
                hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(rules)}"
                yield document.finding(keys, f"alerts have no rule {alert!r}; {hint}")
            elif not rule.applies_to(deployment):
                told = f"the rule {alert!r} is for {', '.join(rule.deployments)} only, and not for {deployment!r}"
                yield document.finding(keys, told)


def _awaited(condition: object, keys: Keys) -> Iterator[tuple[Keys, str]]:
    """The alerts that a trigger names, wherever any and all combine it."""
    if not isinstance(condition, Mapping):
        return
    if isinstance(alert := condition.get("alert"), str):
        yield (*keys, "alert"), alert
    for both in ("any", "all"):
        listed = condition.get(both)
        for index, each in enumerate(listed if isinstance(listed, list) else ()):
            yield from _awaited(each, (*keys, both, index))


def _feature_findings(document: LocatedYaml, folder: Path) -> Iterator[Finding]:
    section = document.data.get("features")
    known: list[str] = []
    services: list[str] = []
    if section is not None:
        file = section.get("module", "features.py") if isinstance(section, Mapping) else "features.py"
        try:
            definitions = load_definitions(folder / str(file))
            known, services = definitions.names(), list(definitions.of(FeatureService))
        except ModelyardError as error:
            yield document.finding(("features",), str(error))
            return
    for name, model in _items(document.data, "models"):
        request = model.get("request")
        fields = list(request) if isinstance(request, Mapping) else []
        listed, service = model.get("features"), model.get("feature_service")
        if service is not None and service not in services:
            close = nearest(str(service), services)
            hint = f"did you mean {close!r}?" if close else "the feature definitions have no service of this name"
            yield document.finding(("models", name, "feature_service"), f"unknown service {service!r}; {hint}")
        for index, feature in enumerate(listed if isinstance(listed, list) else []):
            if feature not in fields and feature not in known:
                close = nearest(str(feature), [*fields, *known])
                hint = f"did you mean {close!r}?" if close else "no request field or view:feature has this name"
                yield document.finding(("models", name, "features", index), f"unknown feature {feature!r}; {hint}")


def _key_findings(document: LocatedYaml, settings: ProjectFile) -> list[Finding]:
    """Trusted keys that are none."""
    folder = document.file.parent
    wrong = trusted_key_findings(settings.security, folder, folder / settings.stores.workspace / KEYS_FOLDER)
    return [document.finding(("security", "trusted_keys", index), message) for index, message in wrong]


def _schema_findings(document: LocatedYaml, folder: Path) -> Iterator[Finding]:
    """Schema files that are not there, or not right."""
    for name, each in _items(document.data, "datasets"):
        if isinstance(file := each.get("schema"), str):
            try:
                read_schema(folder / file)
            except ModelyardError as error:
                yield document.finding(("datasets", name, "schema"), error.message)


def _pointer(
    document: LocatedYaml, keys: Keys, name: object, data: Mapping[str, Any], section: str
) -> Iterator[Finding]:
    there = data.get(section)
    if not isinstance(name, str) or (isinstance(there, Mapping) and isinstance(there.get(name), Mapping)):
        return
    known = [each for each, _ in _items(data, section)]
    close = nearest(name, known)
    hint = f"did you mean {close!r}?" if close else f"there are: {', '.join(known) or 'none'}"
    yield document.finding(keys, f"{section} has no {name!r}; {hint}")


def _items(data: Mapping[str, Any], section: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = data.get(section)
    if not isinstance(found, Mapping):
        return []
    return [(str(name), each) for name, each in found.items() if isinstance(each, Mapping)]


def environment_variables() -> dict[str, str]:
    """The variable of every setting that the environment can set, by the setting's dotted path."""
    return {".".join(map(str, keys)): variable_of(keys) for keys in _scalar_paths()}


def _scalar_paths() -> list[Keys]:
    """Settings that the environment can set: the single-valued ones of the unnamed sections."""
    sections = [
        path
        for name, field in ProjectFile.model_fields.items()
        if _is_section(field.annotation)
        for path in _paths_below(field.annotation, (name,))
    ]
    return [("project",), *sections]


def _paths_below(kind: Any, keys: Keys) -> Iterator[Keys]:
    section = next((each for each in (kind, *get_args(kind)) if _is_section(each)), None)
    if section is None or get_origin(kind) not in (None, Union, UnionType):
        yield keys
        return
    for name, each in section.model_fields.items():
        yield from _paths_below(each.annotation, (*keys, name))


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _origins(settings: ProjectFile, document: LocatedYaml, used: Mapping[str, str]) -> Iterator[Origin]:
    for keys, value in _leaves(settings, ()):
        path = ".".join(str(key) for key in keys)
        shown = "********" if isinstance(value, SecretStr) else value
        if path in used:
            yield Origin(path, shown, f"environment {used[path]}")
        elif keys in document.lines:
            yield Origin(path, shown, f"{document.file.name}:{document.lines[keys]}")
        else:
            yield Origin(path, shown, "default")


def _leaves(value: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _leaves(getattr(value, name), (*keys, name))
    elif isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(each, (*keys, name))
    else:
        yield keys, value
