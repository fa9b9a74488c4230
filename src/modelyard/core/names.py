"""Names, near names, and content digests."""

import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from typing import NewType

from .errors import InvalidInput

Digest = NewType("Digest", str)
"""Lower-case hexadecimal SHA-256 of some bytes, 64 characters."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def check_name(kind: str, name: str) -> str:
    """`name` itself, when it may name a `kind`; otherwise InvalidInput says which rule it breaks."""
    if is_name(name):
        return name
    article = "an" if kind[0] in "aeiou" else "a"
    raise InvalidInput(
        f"{shown(name)} cannot name {article} {kind}.",
        code="INVALID_NAME",
        context={"kind": kind, "name": name if len(name) <= 40 else name[:40] + "…"},
        remedy="Use 1 to 128 letters, digits, '.', '_' or '-', starting with a letter or a digit.",
    )


def is_name(text: str) -> bool:
    """Whether a text may name anything."""
    return _NAME.fullmatch(text) is not None


def shown(text: str, length: int = 40) -> str:
    """What a caller wrote, quoted for a message: never longer than `length`, control characters spelled out."""
    return repr(text if len(text) <= length else text[:length] + "…")


def check_text(kind: str, text: str, *, longest: int = 1000, lines: bool = False) -> str:
    """Free text itself, when it is short and printable (with `lines` also in several lines); InvalidInput otherwise."""
    plain = text.replace("\n", "").replace("\t", "") if lines else text
    if len(text) <= longest and plain.isprintable():
        return text
    wrong = f"has {len(text)} characters" if len(text) > longest else "holds characters that cannot be printed"
    raise InvalidInput(
        f"The {kind} {shown(text)} {wrong}.",
        code="INVALID_TEXT",
        context={"kind": kind, "length": len(text)},
        remedy=f"Use at most {longest} printable characters{', in as many lines as you like' if lines else ''}.",
    )


_COMPARED = 256
"""Characters of a name for which others are looked for: the search takes time by the square of them."""


def nearest(name: str, existing: Iterable[str]) -> str | None:
    """The existing name closest to a misspelt one, or None when nothing is close; nothing is to a text of pages."""
    if len(name) > _COMPARED:
        return None
    by_lower = {each.lower(): each for each in existing}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def counted(count: int, noun: str, several: str = "") -> str:
    """A number with its noun, for a message: 1 column, 2 columns, 3 classes."""
    return f"{count} {noun if count == 1 else several or noun + 's'}"


def did_you_mean(name: str, existing: Iterable[str], *, shown: int = 12) -> str:
    """The tail of an error message about an unknown name: what exists, and the nearest of it."""
    names = sorted(existing)
    if not names:
        return "There are none."
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    close = nearest(name, names)
    hint = f" Did you mean {close!r}?" if close else ""
    return f"There are: {', '.join(names[:shown])}{more}.{hint}"


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys and no spaces, UTF-8, never NaN: equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def digest_of(data: bytes | memoryview) -> Digest:
    """The SHA-256 of some bytes."""
    return Digest(hashlib.sha256(data).hexdigest())
