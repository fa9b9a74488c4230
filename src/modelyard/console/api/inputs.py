"""The input of an operation as HTTP takes it: the same fields, the same defaults, judged whole."""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model

from modelyard.core import InvalidInput, did_you_mean
from modelyard.operations import Operation, options_of


def input_model(operation: Operation[Any]) -> type[BaseModel]:
    """A model with the fields of an operation's input, except those of this machine alone; it knows no others."""
    kinds, options = get_type_hints(operation.input_type), options_of(operation.input_type)
    taken: dict[str, Any] = {}
    for each in fields(operation.input_type):
        option = options[each.name]
        required = each.default is MISSING and each.default_factory is MISSING
        if option.local:
            if required:
                raise TypeError(f"'{each.name}' of '{operation.name}' is local: it needs a default")
            continue
        default = ... if required else each.default if each.default_factory is MISSING else each.default_factory()
        taken[each.name] = (kinds[each.name], Field(default, description=option.help or None))
    name = "".join(word.capitalize() for word in operation.name.replace("-", " ").split())
    config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())
    return create_model(name, __config__=config, __doc__=operation.summary, **taken)


def typed(operation: Operation[Any], given: BaseModel) -> Any:
    """The operation's own input from what was sent."""
    return operation.input_type(**{name: getattr(given, name) for name in type(given).model_fields})


def complaint(errors: Sequence[Any], known: Sequence[str]) -> InvalidInput:
    """All that is wrong with an input, as one error about the first of it."""
    told = [(".".join(map(str, each["loc"][1:])), each["type"], each["msg"]) for each in errors]
    path, kind, _ = told[0]
    said = "; ".join(f"{where or 'the body'}: {what[:1].lower()}{what[1:]}" for where, _, what in told[:10])
    remedy = f"There is no '{path}'. {did_you_mean(path, known)}" if kind == "extra_forbidden" else "Correct it."
    return InvalidInput(f"The input cannot be used: {said[:800]}.", context={"path": path}, remedy=remedy)
