"""Guards over a text of the caller's own, which needs no project."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from modelyard.core import Digest, InvalidInput
from modelyard.core.settings import findings_of, read_yaml, report
from modelyard.guards import (
    Armed,
    Context,
    GuardSet,
    InjectionGuard,
    Outcome,
    Side,
    Suspects,
    check,
    default_set,
)
from modelyard.inference import load_text_classifier


def check_text(
    text: str,
    *,
    set_file: Path | None = None,
    side: Side | None = None,
    chunks: Sequence[Path] = (),
    bundles: tuple[Path, Path] | None = None,
) -> Any:
    """What the guards of a set, by default personal data and secrets, say of a text.

    With `side` only those that look at it. `chunks` are files with what an answer is to rest on; `bundles` the
    embedder and the classifier that a guard of injections names.
    """
    suspects = None if bundles is None else load_text_classifier(*bundles)
    guards = load_set(set_file, None if suspects is None else suspects.digests)
    sides: tuple[Side, ...] = ("input", "output") if side is None else (side,)
    armed = [Armed(each.made(), each.action) for each in guards.guards if set(sides) & set(each.on)]
    _require_named(armed, suspects)
    context = Context(chunks=tuple(_read(each) for each in chunks), suspects=suspects)
    found: Outcome = check(armed, text, context, fail_closed=guards.fail_closed)
    return {"set": guards.digest, **msgspec.to_builtins(found)}


def describe_set(set_file: Path | None = None) -> dict[str, Any]:
    """A guard set with its defaults spelled out, its digest, and how much of a stream each guard may hold back."""
    guards = load_set(set_file)
    shown = [
        {**each.model_dump(mode="json", by_alias=True), "holds_back": each.made().longest} for each in guards.guards
    ]
    return {"set": guards.digest, "fail_closed": guards.fail_closed, "guards": shown}


def load_set(file: Path | None, asked: tuple[Digest, Digest] | None = None) -> GuardSet:
    """The guard set of a YAML file, with every error and its line; without a file the default one.

    `asked`: the embedder and the classifier that a guard of injections asks which names none.
    """
    if file is None:
        return default_set()
    document = read_yaml(file)
    try:
        guards = GuardSet.model_validate(document.data)
    except ValidationError as error:
        raise report(file, findings_of(error, document, GuardSet), code="GUARD_SET_FILE") from error
    guards = guards if asked is None else guards.asking(*asked)
    guards.check()
    return guards


def _require_named(armed: Sequence[Armed], suspects: Suspects | None) -> None:
    """OtherClassifier for a guard whose bundles were not given: here that is a mistake of who asks."""
    for each in armed:
        if isinstance(each.guard, InjectionGuard):
            each.guard.open(Context(suspects=suspects))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"Cannot read {file}: {error}.", code="UNREADABLE_FILE") from error
