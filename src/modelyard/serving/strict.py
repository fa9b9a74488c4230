"""What a JSON decoder lets pass and a server must not: names written twice, of which one would be dropped silently."""

import json
from typing import Any

from .errors import BadRequest


def refuse_repeated_names(body: bytes, names: int) -> None:
    """BadRequest when an object of `body` has a name twice; `names` is how many were decoded.

    Each name is followed by a colon. As many colons as names: nothing was dropped, and that is all it takes to know.
    More of them may also be in strings, and then the body is read a second time, with all its names.
    """
    if body.count(b":") > names:
        json.loads(body, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(
            f"The name {twice!r:.60} is written twice in one object.",
            context={"path": twice[:60]},
            remedy="Write each name once: nobody can tell which value is meant.",
        )
    return found
