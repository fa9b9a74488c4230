"""Secrets: keys and tokens by the prefixes that their issuers gave them, and what is assigned to a name such as
`password` when it looks as if it had been drawn at random."""

import re

from .checkdigits import information
from .grammar import Chars, Grammar, maybe, one_of, seq, text, times
from .patterns import NOT_INSIDE_A_WORD, Confirm, Pattern, PatternGuard

_BASE62 = Chars("A-Za-z0-9")
_TOKEN = Chars(r"A-Za-z0-9_\-")
_UPPER = Chars("A-Z0-9")
_GAP = times(Chars(r"\s"), 0, 4)
_VALUE = r"^\s\"'`<>(){}\[\],;\\"
"""What a value that somebody assigns is made of; no quotes, brackets or spaces."""

_WORD_TAIL = r"[\w]"
_TOKEN_TAIL = r"[\w\-]"  # noqa: S105 - a class of characters
_LEAST_BITS = 30.0

_NAMES = (
    "password", "passwd", "passphrase", "pwd", "secret", "token", "api_key", "api-key", "apikey", "access_key",
    "accesskey", "secret_key", "private_key", "encryption_key", "credentials", "credential",
)  # fmt: skip


def _token(kind: str, shape: Grammar, *needs: str, tail: str | None = _WORD_TAIL) -> Pattern:
    """A token whose prefix says what it is; what continues it belongs to it."""
    return Pattern(kind, shape, never_behind=None, tail=tail, needs=needs)


def _private_key() -> list[Pattern]:
    """PEM (RFC 7468) and PGP's armor (RFC 9580): from the header on all up to the next two hyphens, then the footer.

    A header followed by no body is only spoken of. What was cut off is hidden to the end of the text.
    """
    label = seq(times(Chars("A-Z0-9 "), 0, 30), "PRIVATE KEY", maybe(" BLOCK"), "-----")
    body = seq(times(Chars(r"\s\\nr"), 1, 8), times(Chars(r"\w+/=:\-"), 8))
    return [
        Pattern(
            "private_key",
            seq("-----BEGIN ", label, body),
            never_before=(),
            never_behind=None,
            tail=r"[^\-]|-(?!-|\Z)",
            tail_waits="-",
            needs=("-----BEGIN ",),
        ),
        Pattern("private_key", seq("-----END ", label), never_before=(), never_behind=None, needs=("-----END ",)),
    ]


def _mixed(candidate: str) -> tuple[int, int] | None:
    """Upper case, lower case and digits, as in what was drawn at random and unlike names of packages."""
    first = candidate[:40]
    drawn = any(map(str.isdigit, first)) and any(map(str.isupper, first)) and any(map(str.islower, first))
    return (0, len(candidate)) if drawn else None


def _drawn(value: str) -> bool:
    """A digit, a letter and 30 bits: all of them things that more characters do not undo."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return mixed and information(value) >= _LEAST_BITS


def _behind(beginning: Grammar) -> Confirm:
    """What stands behind a beginning, when it looks as if it had been drawn at random."""
    expression = re.compile(beginning.source)

    def confirm(candidate: str) -> tuple[int, int] | None:
        found = expression.match(candidate)
        start = found.end() if found is not None else 0
        return (start, len(candidate)) if _drawn(candidate[start:]) else None

    return confirm


def _assignments() -> list[Pattern]:
    """`password = "…"` and its likes, in YAML, JSON, shells and prose; and what follows `Bearer` or `Basic`."""
    quote = maybe(Chars("\"'`"))
    sign = one_of(":=", "=>", "==", "=", ":")
    scheme = seq(Chars("bB"), one_of(text("earer", any_case=True), text("asic", any_case=True)))
    part = Chars("A-Za-z0-9_")
    assigned = [(seq(name, times(part, 0, 20), quote, _GAP, sign, _GAP, quote), (), (":", "=")) for name in _names()]
    authorized = (seq(scheme, times(Chars(r"\s"), 1, 4)), NOT_INSIDE_A_WORD, ())
    value = seq(Chars(_VALUE + "=:>"), times(Chars(_VALUE), 9, 63))
    return [
        Pattern("secret", seq(each, value), _behind(each), before, never_behind=None, tail=f"[{_VALUE}]", needs=needs)
        for each, before, needs in (*assigned, authorized)
    ]


def _names() -> list[Grammar]:
    """The names by their first letters, each of which is quickly looked for."""
    firsts = dict.fromkeys(each[0] for each in _NAMES)
    others = {first: [each[1:] for each in _NAMES if each[0] == first] for first in firsts}
    return [
        seq(text(first, any_case=True), one_of(*(text(each, any_case=True) for each in others[first])))
        for first in firsts
    ]


def _in_url() -> Pattern:
    """The password of `scheme://user:password@host` (RFC 3986, 3.2.1)."""
    user = times(Chars(r"^\s/:@\"'`<>(){}\[\]\\"), 0, 64)
    password = times(Chars(r"^\s/@\"'`<>(){}\[\]\\"), 1, 128)

    def confirm(candidate: str) -> tuple[int, int] | None:
        return candidate.index(":", 3) + 1, len(candidate) - 1

    return Pattern(
        "url_password",
        seq("://", user, ":", password, "@"),
        confirm,
        never_before=(),
        never_behind=None,
        needs=("://",),
    )


def _jwt() -> Pattern:
    """A JSON web token (RFC 7519): header and claims begin with `{"` in base64url; a header of
    more than 500 characters is not looked through."""
    shape = seq("eyJ", times(_TOKEN, 8, 500), ".eyJ", times(_TOKEN, 8))
    return Pattern("jwt", shape, never_behind=None, tail=r"[\w\-]|\.(?=[\w\-])", tail_waits=r"\.", needs=("eyJ",))


def secrets() -> PatternGuard:
    """Finds keys and tokens: private keys (`private_key`), `aws_key`, `github_token`, `gitlab_token`, `slack_token`,
    `google_key`, `stripe_key`, `model_provider_key`, `npm_token`, `huggingface_token`, `jwt`, keys of Modelyard's own
    (`modelyard_key`), passwords in URLs (`url_password`), and what looks drawn at random and is assigned to a name
    such as `password` (`secret`).

    Prefixes are those that the issuers publish for scanners of secrets. A password of words is not found.
    """
    stripe = seq(Chars("srp"), "k_", one_of("live", "test"), "_", times(_BASE62, 16))
    webhook = seq(
        "hooks.slack.com/services/T", times(_UPPER, 8, 12), "/B", times(_UPPER, 8, 12), "/", times(_BASE62, 20)
    )
    return PatternGuard(
        "secrets",
        (
            *_private_key(),
            _token("aws_key", seq(one_of("AKIA", "ASIA"), times(_UPPER, 16)), "AKIA", "ASIA"),
            _token(
                "github_token", seq("gh", Chars("pousr"), "_", times(_BASE62, 36)), *(f"gh{each}_" for each in "pousr")
            ),
            _token("github_token", seq("github_pat_", times(Chars("A-Za-z0-9_"), 40)), "github_pat_"),
            _token("gitlab_token", seq("glpat-", times(_TOKEN, 20)), "glpat-", tail=_TOKEN_TAIL),
            _token("slack_token", seq("xox", Chars("abeprs"), "-", times(_TOKEN, 10)), "xox", tail=_TOKEN_TAIL),
            _token("slack_token", webhook, "hooks.slack"),
            _token("google_key", seq("AIza", times(_TOKEN, 35)), "AIza", tail=_TOKEN_TAIL),
            _token("stripe_key", stripe, "k_live_", "k_test_"),
            Pattern(
                "model_provider_key",
                seq("sk-", times(_TOKEN, 40)),
                _mixed,
                never_behind=None,
                tail=_TOKEN_TAIL,
                needs=("sk-",),
            ),
            _token("npm_token", seq("npm_", times(_BASE62, 36)), "npm_"),
            _token("huggingface_token", seq("hf_", times(_BASE62, 34)), "hf_"),
            _jwt(),
            _token("modelyard_key", seq("my_", times(Chars("0-9a-f"), 12), "_", times(Chars("0-9a-f"), 64)), "my_"),
            _in_url(),
            *_assignments(),
        ),
    )
