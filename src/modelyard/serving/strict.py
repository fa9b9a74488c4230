"""What a JSON decoder lets pass and a server must not: names written twice, of which one would be dropped silently."""

import json
import re
from collections import Counter
from typing import Any

from .errors import BadRequest

DEEPEST = 32
"""How many lists and objects may stand inside each other. What any endpoint takes has five."""

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))


def refuse_deep_nesting(body: bytes) -> None:
    """BadRequest when JSON nests deeper than `DEEPEST`; asked before a decoder descends into it.

    Time is linear in the body. A body that is no JSON may pass, for the decoder to refuse.
    """
    if body.count(b"[") + body.count(b"{") <= DEEPEST:
        return
    brackets, depth = _STRING.sub(b"", body).translate(None, _NO_BRACKET), 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise BadRequest(
                f"The body nests lists and objects deeper than {DEEPEST}.",
                remedy="Send flatter lists and objects.",
            )


def refuse_repeated_names(body: bytes, names: int) -> None:
    """BadRequest when an object of `body` has a name twice; `names` is how many were decoded.

    Each name is followed by a colon. As many colons as names: nothing was dropped, and that is all it takes to know.
    More of them may also be in strings, and then the body is read a second time, with all its names.
    """
    if body.count(b":") > names:
        _TWICE.decode(body.decode("utf-8", "surrogatepass"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise BadRequest(
            f"The name {twice!r:.60} is written twice in one object.",
            context={"path": twice[:60]},
            remedy="Write each name once: nobody can tell which value is meant.",
        )
    return found


_TWICE = json.JSONDecoder(object_pairs_hook=_unique)
