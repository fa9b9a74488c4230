"""The settings of the project file, by their dotted path; `NAME` stands for a name of the user's choice."""

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from modelyard.wiring import ProjectFile


def settings() -> dict[str, FieldInfo]:
    """Every field of every section, recursively."""
    return dict(_fields(ProjectFile, ""))


def sections(annotation: Any, *, named: bool = False) -> Iterator[tuple[bool, type[BaseModel]]]:
    """The settings models inside an annotation, and whether they stand under names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield named, annotation
    for argument in get_args(annotation):
        yield from sections(argument, named=named or get_origin(annotation) is dict)


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for field_name, field in model.model_fields.items():
        name = field.alias or field_name
        yield f"{prefix}{name}", field
        for named, inner in sections(field.annotation):
            if inner is model:  # of itself nothing new is to be told
                continue
            yield from _fields(inner, f"{prefix}{name}.NAME." if named else f"{prefix}{name}.")
