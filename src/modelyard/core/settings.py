"""YAML that remembers its lines, findings collected before anything is raised, and where each setting came from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from .errors import InvalidInput, InvalidProjectFile
from .names import nearest

_ENDLESS = 10_000
_QUICK = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
_DEEPEST, _MOST = 100, 200_000
"""Nothing that anybody wrote is nested deeper, or has more values."""

Keys = tuple[str | int, ...]
"""The way to a value inside a YAML document: mapping keys and list positions."""

_PASSWORD = re.compile(r"://\S*@")
"""What a URL may hold that no message shows."""


class Section(BaseModel):
    """The base of every settings model: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong with a settings file."""

    line: int
    keys: Keys
    message: str

    @property
    def path(self) -> str:
        return ".".join(str(key) for key in self.keys)


@dataclass(frozen=True)
class LocatedYaml:
    """A YAML document as plain values, with the line (from 1) of each key and item."""

    file: Path
    data: Mapping[str, Any]
    lines: Mapping[Keys, int]

    def line_of(self, keys: Keys) -> int:
        """The line of a value, or of the nearest enclosing one that is written in the file."""
        for length in range(len(keys), -1, -1):
            if (line := self.lines.get(keys[:length])) is not None:
                return line
        return 1

    def finding(self, keys: Keys, message: str) -> Finding:
        return Finding(self.line_of(keys), keys, message)


def inline_yaml(value: Any) -> str:
    """A value as YAML spells it on one line, which is never broken."""
    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=_ENDLESS)
    return written.removesuffix("...\n").strip()


def read_yaml(file: Path) -> LocatedYaml:
    """Read one YAML mapping. Raises InvalidInput for unreadable, malformed or repeated keys, each with its line."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Cannot read {file}: {error}.", code="UNREADABLE_FILE") from error
    try:
        root = _composed(text, file)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise InvalidInput(
            f"{where}: not YAML: {getattr(error, 'problem', error)}.", code="NOT_YAML", remedy="Correct that line."
        ) from error
    if root is None:
        return LocatedYaml(file, {}, {(): 1})
    if not isinstance(root, yaml.MappingNode):
        raise InvalidInput(
            f"{file}:1: the file is a mapping of sections, not a {type(root).__name__}.", code="NOT_YAML"
        )
    values = _Values(file)
    data = values.of(root, ())
    if values.findings:
        raise report(file, values.findings)
    return LocatedYaml(file, data, values.lines)


def _composed(text: str, file: Path) -> yaml.Node | None:
    """The nodes of a document, by libyaml where it is: a tenth of the time, but nobody hears it run out of stack.

    Who is told what is wrong is told so by the parser in Python, which says more.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_QUICK):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST and event.start_mark is not None:
                raise _too_deep(file, event.start_mark.line + 1)
        return yaml.compose(text, Loader=_QUICK)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)


class _Values:
    """Plain values of nodes. What an alias stands for is read at each: too much of it is refused, and too deep."""

    def __init__(self, file: Path) -> None:
        self.lines: dict[Keys, int] = {}
        self.findings: list[Finding] = []
        self._file = file
        self._scalars = yaml.constructor.SafeConstructor()

    def of(self, node: yaml.Node, keys: Keys) -> Any:
        """The value of a node that these keys lead to."""
        line = self.lines.setdefault(keys, node.start_mark.line + 1)
        if len(keys) > _DEEPEST:
            raise _too_deep(self._file, line)
        if len(self.lines) > _MOST:
            told = f"{self._file}:{line}: more than {_MOST} values."
            raise InvalidInput(told, code="NOT_YAML", remedy="Write them once, without aliases of aliases.")
        if isinstance(node, yaml.SequenceNode):
            return [self.of(item, (*keys, index)) for index, item in enumerate(node.value)]
        return self._mapping(node, keys) if isinstance(node, yaml.MappingNode) else self._scalar(node, keys)

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                told = f"{key!r} is written twice; the first is on line {self.lines[(*keys, key)]}"
                self.findings.append(Finding(line, (*keys, key), told))
                continue
            self.lines[(*keys, key)] = line
            result[key] = self.of(value_node, (*keys, key))
        return result

    def _scalar(self, node: yaml.Node, keys: Keys) -> Any:
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            told = getattr(error, "problem", None) or str(error)
            self.findings.append(Finding(node.start_mark.line + 1, keys, f"is no value: {told}"))
            return None


def _too_deep(file: Path, line: int) -> InvalidInput:
    told = f"{file}:{line}: nested more than {_DEEPEST} deep."
    return InvalidInput(told, code="NOT_YAML", remedy="Write it flatter; an alias must not hold itself.")


def findings_of(error: ValidationError, document: LocatedYaml, model: type[BaseModel]) -> list[Finding]:
    """pydantic's errors as findings, with the nearest known key for an unknown one."""
    return [_finding_of(each["type"], each["loc"], each["msg"], each["input"], document, model)
            for each in error.errors()]  # fmt: skip


def _finding_of(
    kind: str, location: Keys, message: str, value: object, document: LocatedYaml, model: type[BaseModel]
) -> Finding:
    keys = _written(location, document)
    if kind == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        close = nearest(str(location[-1]), known)
        hint = f"did you mean {close!r}?" if close else f"known keys: {', '.join(sorted(known))}"
        return document.finding(keys, f"unknown key {location[-1]!r}; {hint}")
    if kind == "missing":
        return document.finding(keys, "is required")
    shown = _PASSWORD.sub("://…@", repr(value))
    came = "" if _may_be_secret(model, location, value) else f" (got {_short(shown)})"
    return document.finding(keys, message[:1].lower() + message[1:] + came)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:60] + "…"


def _may_be_secret(model: type[BaseModel], location: Keys, value: object) -> bool:
    """Whether a value is not to be shown: a secret, or something that may have one inside."""
    if isinstance(value, Mapping | list):
        return True
    current: type[BaseModel] | None = model
    for part in location:
        fields = current.model_fields.items() if current is not None else ()
        field = next((each for name, each in fields if part in (name, each.alias)), None)
        if field is not None:
            if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())):
                return True
            current = _model_in(field.annotation)
    return False


def _written(location: Keys, document: LocatedYaml) -> Keys:
    """The location without the union tags that pydantic adds and the file does not have."""
    keys: Keys = ()
    for part in location:
        if (*keys, part) in document.lines or part == location[-1]:
            keys = (*keys, part)
    return keys


def _known_keys(model: type[BaseModel], location: Keys) -> set[str]:
    current: type[BaseModel] | None = model
    for part in location:
        if current is None:
            return set()
        field = next((each for name, each in current.model_fields.items() if part in (name, each.alias)), None)
        annotation = field.annotation if field is not None else current
        current = _model_in(annotation)
    return {field.alias or name for name, field in current.model_fields.items()} if current is not None else set()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The settings model inside an annotation such as `dict[str, Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if (found := _model_in(argument)) is not None:
            return found
    return None


def report(file: Path, findings: Iterable[Finding], *, code: str = InvalidProjectFile.code) -> InvalidInput:
    """One error that lists every finding with file and line, in the order of the file."""
    ordered = sorted(set(findings))
    lines = [f"{file}:{each.line}: {each.path}: {each.message}" for each in ordered]
    count = "1 thing is" if len(ordered) == 1 else f"{len(ordered)} things are"
    return InvalidProjectFile(
        f"{count} wrong in {file.name}:\n  " + "\n  ".join(lines),
        code=code,
        context={"findings": [{"line": each.line, "path": each.path, "message": each.message} for each in ordered]},
        remedy="\nCorrect these lines and run the command again.",
    )


@dataclass(frozen=True)
class Origin:
    """Where the effective value of a setting came from."""

    path: str
    value: object
    source: str


def variable_of(keys: Keys, *, prefix: str = "MODELYARD") -> str:
    """The environment variable of the setting at a path."""
    return "_".join([prefix, *(str(key) for key in keys)]).upper().replace("-", "_").replace(".", "_")


def overlay_environment(
    data: dict[str, Any], environment: Mapping[str, str], paths: Iterable[Keys], *, prefix: str = "MODELYARD"
) -> dict[str, str]:
    """Put `MODELYARD_SECTION_KEY` values over those of the file, for the scalar settings listed in `paths`.

    Returns the variable used for each dotted path. Values are parsed as YAML scalars, so `8080` is a number.
    """
    used: dict[str, str] = {}
    for keys in paths:
        variable = variable_of(keys, prefix=prefix)
        if variable not in environment:
            continue
        target = data
        for key in keys[:-1]:
            target = target.setdefault(str(key), {})
        target[str(keys[-1])] = yaml.safe_load(environment[variable])
        used[".".join(str(key) for key in keys)] = variable
    return used
