"""Names that MLflow takes for metrics, parameters and tags."""

import re
from collections.abc import Iterable

from modelyard.core import InvalidInput

_TAKEN = re.compile(r"[/\w.\- :]{1,250}")
_OTHER = re.compile(r"[^\w.\- ]")


def require_names(names: Iterable[str]) -> None:
    """InvalidInput names every one that MLflow does not take."""
    wrong = [name for name in names if not _is_name(name)]
    if wrong:
        shown = ", ".join(repr(each if len(each) <= 60 else each[:60] + "…") for each in wrong[:5])
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise InvalidInput(
            f"MLflow does not take the names {shown}{more}." if len(wrong) > 1 else f"MLflow does not take {shown}.",
            context={"path": "names"},
            remedy="Use 1 to 250 letters, digits, spaces and _ - . : /, and neither '..' nor a slash at an end.",
        )


def within(text: str) -> str:
    """A text as one part of a name: what MLflow does not take, and slashes, become underscores."""
    found = _OTHER.sub("_", text).strip() or "_"
    return re.sub(r"^\.+$", "_", found)[:80].strip()


def _is_name(name: str) -> bool:
    """As MLflow has it: a name is also a path, which must stay as it is when it is normalized."""
    parts = name.split("/")
    return _TAKEN.fullmatch(name) is not None and not any(each in ("", ".", "..") for each in parts)
