"""The error tree: one root, and a branch for each kind of answer a caller can give.

Rooms define their own errors as children of these branches. The edges (CLI, HTTP) map branches, never leaves, to exit
codes and statuses.
"""

import re
from collections.abc import Mapping

LONGEST = 8_000
"""Characters of a message, a remedy, or a value of the context."""

_MOVING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but the end of a line and the tabulator, and what sets the direction of writing."""


class ModelyardError(Exception):
    """What went wrong, with its values; what exists; and what to do about it.

    `code` is stable and machine-readable, `context` holds JSON-able values, `remedy` is a sentence or a command. Of a
    text that is longer than LONGEST, as when somebody was given a name of a megabyte, the middle is left out.
    """

    code = "ERROR"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        context: Mapping[str, object] | None = None,
        remedy: str = "",
    ) -> None:
        self.message = printable(_bounded(message))
        super().__init__(self.message)
        self.code = code or type(self).code
        given = dict(context or {})
        self.context = {name: _bounded(each) if isinstance(each, str) else each for name, each in given.items()}
        self.remedy = printable(_bounded(remedy))

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def __reduce__(self) -> tuple[object, ...]:
        """Errors cross process boundaries whole."""
        return _rebuild, (type(self), self.message, self.code, self.context, self.remedy)


def _bounded(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    kept = LONGEST // 4
    return f"{text[: 3 * kept]}... ({len(text) - 4 * kept} characters left out) ...{text[-kept:]}"


def printable(text: str) -> str:
    """Text of which nothing moves a terminal's cursor or turns its writing around: such characters are spelled out."""
    return _MOVING.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def _rebuild(
    kind: type[ModelyardError], message: str, code: str, context: dict[str, object], remedy: str
) -> ModelyardError:
    return kind(message, code=code, context=context, remedy=remedy)


class InvalidInput(ModelyardError):
    """The caller's words or data cannot be used as they are."""

    code = "INVALID_INPUT"


class NotFound(ModelyardError):
    """The thing named does not exist."""

    code = "NOT_FOUND"


class Conflict(ModelyardError):
    """The thing changed since it was read, or exists already."""

    code = "CONFLICT"


class Forbidden(ModelyardError):
    """A policy or a missing permission refuses it."""

    code = "FORBIDDEN"


class Unavailable(ModelyardError):
    """A part that is needed does not answer now; trying again may help."""

    code = "UNAVAILABLE"


class Damaged(ModelyardError):
    """Stored bytes are not what was written."""

    code = "DAMAGED"


class Failed(ModelyardError):
    """A check, gate or step ended with a failing verdict."""

    code = "FAILED"


class InvalidProjectFile(InvalidInput):
    """Something in the project file, or in a file that it names, is wrong."""

    code = "INVALID_PROJECT_FILE"


_STORES = frozenset({"adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google", "s3fs"})


def is_of_a_store(error: BaseException) -> bool:
    """Whether a client of an object store raised it: they have trees of errors of their own, known by their module."""
    return type(error).__module__.partition(".")[0] in _STORES
