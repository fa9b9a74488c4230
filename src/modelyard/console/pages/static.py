"""Files that pages load: our own, and Plotly's script from the installed wheel.

Each address holds a digest of the bytes, so that browsers may keep them for ever.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_OURS = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
_PLOTLY = "plotly.js"


@dataclass(frozen=True)
class StaticFile:
    """The bytes of a file, as they are and compressed."""

    media: str
    body: bytes
    packed: bytes
    digest: str


@cache
def static_file(name: str) -> StaticFile | None:
    """A file by its name, or None."""
    if name == _PLOTLY:
        body = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
        return _made("text/javascript", body)
    if name not in _OURS:
        return None
    return _made(_OURS[name], files(__package__).joinpath("static", name).read_bytes())


def static_address(name: str) -> str:
    """Where pages load a file from."""
    found = static_file(name)
    assert found is not None, name  # noqa: S101 - templates name files that are there
    return f"/static/{found.digest[:12]}/{name}"


def _made(media: str, body: bytes) -> StaticFile:
    packed = gzip.compress(body, compresslevel=6, mtime=0)
    return StaticFile(f"{media}; charset=utf-8", body, packed, hashlib.sha256(body).hexdigest())
