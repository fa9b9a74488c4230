"""Text without secrets: what is kept with a run is read by everybody who may see the run."""

import os
import re
from collections.abc import Iterable, Mapping

MASK = "***"

_SHORTEST = 6
"""Values of variables with fewer characters are words rather than secrets."""

_TELLING = re.compile(r"(?i)(secret|token|passw|_pwd|credential|api_?key|access_?key|private_?key|auth(?!or))")
"""Names of environment variables whose values are secrets."""

_WRITTEN = re.compile(
    r"""(?ix)
    (?P<name> [\w.-]*(?:secret|token|passw(?:or)?d|pwd|credential|api[_-]?key|access[_-]?key|private[_-]?key)[\w.-]*
      ["']? \s* [=:] \s* )
    (?: "(?P<double>[^"\n]{4,})" | '(?P<single>[^'\n]{4,})' | (?P<bare>[A-Za-z0-9+/_.~-]{8,}={0,2})(?=\s|$|,) )
    """
)
_IN_URI = re.compile(r"(://[^:/@\s]*):[^@/\s]+@")
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_KNOWN = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|xox[abpr]-[\w-]{10,}|sk-[\w-]{20,}|"
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"
)
"""Keys that show by their form whose they are: of AWS, GitHub, Slack, OpenAI, and JSON Web Tokens."""


def concealed(text: str, names: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> str:
    """Text with `***` in place of what looks like a secret, and of the values of secret variables.

    Those are `names`, and every variable of the environment whose own name tells. Passwords in URIs, values behind a
    telling name, private keys and tokens of a known form are found by how they are written; a secret that looks like
    nothing, under a name that says nothing, is not.
    """
    known = os.environ if environment is None else environment
    telling = {name for name, value in known.items() if _TELLING.search(name) and len(value) >= _SHORTEST}
    values = {known[name] for name in {*names, *telling} if known.get(name)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, MASK)
    text = _KNOWN.sub(MASK, _IN_URI.sub(rf"\1:{MASK}@", _KEY.sub(MASK, text)))
    return _WRITTEN.sub(_masked, text)


def _masked(found: "re.Match[str]") -> str:
    if found["bare"] is not None and not any(each.isdigit() for each in found["bare"]):
        return found[0]  # `token = next_token`: code, not a value
    quote = '"' if found["double"] is not None else "'" if found["single"] is not None else ""
    return f"{found['name']}{quote}{MASK}{quote}"
