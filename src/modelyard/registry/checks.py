"""What may be called what: labels, tags, descriptions, and names that are taken."""

from collections.abc import Mapping

from modelyard.core import InvalidInput, check_name, check_text, shown
from modelyard.storage import Snapshot

from .aliases import pointed_at
from .errors import AlreadyRegistered
from .records import ModelVersion
from .versions import VERSIONS, as_now, read_version

MODELS = "model"
"""The kind of the documents that keep the spelling of a model's name, under the name in lower case."""

_DESCRIPTION = 5000
_TAGS = 100


def check_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """The tags themselves; InvalidInput for names that are none, long or unprintable values, and too many."""
    if len(tags) > _TAGS:
        raise InvalidInput(f"{len(tags)} tags are too many.", code="INVALID_TAGS", remedy=f"Use at most {_TAGS}.")
    for name, value in tags.items():
        check_name("tag", name)
        check_text(f"value of tag '{name}'", value)
    return tags


def check_description(text: str) -> str:
    """The description itself; InvalidInput when it is too long or cannot be printed."""
    return check_text("description", text, longest=_DESCRIPTION, lines=True)


def check_label(label: str) -> None:
    """Labels are names that mean nothing else: no number, no stage."""
    check_name("version", label)
    if label.isdecimal() or label.lower() in ("production", "staging", "archived", "none", "latest"):
        raise InvalidInput(
            f"{shown(label)} cannot name a version: it means something already.",
            code="INVALID_NAME",
            context={"kind": "version", "name": label},
            remedy=f"Use another label, such as v{label}." if label.isdecimal() else "Use another label, such as v2.3.",
        )


def labelled(view: Snapshot, name: str, label: str) -> ModelVersion | None:
    found = view.find(VERSIONS, "label", f"{name}/{label.lower()}", limit=1)
    return as_now(view, found[0]) if found else None


def refuse_twin(view: Snapshot, name: str) -> None:
    document = view.get(MODELS, name.lower())
    if document is not None and document.body["name"] != name:
        raise AlreadyRegistered(
            f"There is a model '{document.body['name']}' already, which differs from '{name}' by case only.",
            context={"model": name, "existing": document.body["name"]},
            remedy=f"Register a version of '{document.body['name']}', or choose another name.",
        )


def refuse_taken(view: Snapshot, name: str, label: str | None, number: int | None) -> None:
    taken = labelled(view, name, label) if label is not None else None
    if taken is None and number is not None:
        taken = read_version(view, name, number)
    if taken is not None:
        raise AlreadyRegistered(
            f"{name} {taken.label} is already registered (as number {taken.number}).",
            context={"model": name, "label": taken.label, "number": taken.number},
            remedy="Choose another --version; versions are never overwritten.",
        )
    if label is not None and pointed_at(view, name, label.lower()) is not None:
        raise AlreadyRegistered(
            f"'{label}' is an alias of {name} already.",
            context={"model": name, "label": label},
            remedy="Choose another --version.",
        )
