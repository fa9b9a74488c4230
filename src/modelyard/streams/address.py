"""Addresses of streams, as people write them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from modelyard.core import InvalidInput, check_name, did_you_mean, is_name, shown
from modelyard.core.durations import parse_duration

from .errors import InvalidStreamAddress
from .records import ConsumerOptions

Kind = Literal["kafka", "nats", "redis", "local"]
"""Which driver."""

SCHEMES: Mapping[str, tuple[Kind, bool]] = {
    "kafka": ("kafka", False),
    "kafkas": ("kafka", True),
    "nats": ("nats", False),
    "natss": ("nats", True),
    "redis": ("redis", False),
    "rediss": ("redis", True),
    "valkey": ("redis", False),
    "valkeys": ("redis", True),
    "local": ("local", False),
}
"""What addresses begin with, whose driver it is, and whether it speaks through TLS."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?")
_FORMS = (
    "kafka://HOST:9092/NAME, nats://HOST:4222/NAME, redis://HOST:6379/0/NAME or local:FOLDER/NAME, with "
    "user:password@ before the host where it asks for one"
)


@dataclass(frozen=True)
class StreamAddress:
    """Where a stream is, taken apart.

    `hosts` are those of the broker with commas between them; for `local` it is the folder. `database` is Redis's.
    """

    kind: Kind
    hosts: str
    name: str
    secure: bool = False
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    database: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str, name: str | None = None) -> "StreamAddress":
        """The address that a text is; `name` is the stream's where the text has none. InvalidStreamAddress."""
        scheme, colon, rest = url.partition(":")
        if not colon or scheme not in SCHEMES:
            raise InvalidStreamAddress(
                f"{shown(without_password(url), 120)} is no address of a stream.",
                remedy=f"{did_you_mean(scheme, SCHEMES)} Write {_FORMS}.",
            )
        kind, secure = SCHEMES[scheme]
        path, _, query = rest.partition("?")
        options = _options(kind, query)
        if kind == "local":
            return cls(kind, *_folder(path.removeprefix("//"), name, url), options=options)
        try:
            parts = urlsplit(f"{scheme}:{path}")
        except ValueError as error:
            raise _wrong(url, str(error)) from error
        user, _, hosts = parts.netloc.rpartition("@")
        username, _, password = user.partition(":")
        database, named = _path(kind, parts.path, name, url)
        if not all(map(_is_host, hosts.split(","))) or (kind == "redis" and "," in hosts):
            raise _wrong(url, f"{shown(hosts)} is no host" if hosts else "it names no host")
        return cls(kind, hosts, named, secure, unquote(username) or None, unquote(password) or None, database, options)

    @property
    def consumer(self) -> ConsumerOptions:
        """The options of consumers."""
        given = {
            each: self.options[each] for each in ("deliveries", "in_flight", "redeliver_s") if each in self.options
        }
        return ConsumerOptions(**given)

    def __str__(self) -> str:
        """Without what is secret."""
        database = f"{self.database}/" if self.database else ""
        return f"{self.kind}:{'' if self.kind == 'local' else '//'}{self.hosts}/{database}{self.name}"


def is_stream_address(url: str) -> bool:
    """Whether a text begins as an address of a stream does."""
    return url.partition(":")[0] in SCHEMES


def without_password(url: str) -> str:
    """A text that may be an address, for a message."""
    head, at, tail = url.partition("?")[0].rpartition("@")
    return f"{head.partition('://')[0]}://…@{tail}" if at else tail


def _is_host(text: str) -> bool:
    """Whether a text is a host, with a port or without."""
    found = _HOST.fullmatch(text)
    return found is not None and int((found[1] or found[2] or ":0")[1:]) <= 65535


def _folder(path: str, name: str | None, url: str) -> tuple[str, str]:
    folder, _, last = path.rpartition("/")
    if name is not None and (path.endswith("/") or not folder):
        folder, last = path.rstrip("/"), name
    if not last or not (folder or path.startswith("/")):
        raise _wrong(url, "it names no folder and stream")
    return folder or "/", _named(last, url)


def _path(kind: Kind, path: str, name: str | None, url: str) -> tuple[int, str]:
    """The database and the name of the stream."""
    parts = [unquote(each) for each in path.split("/") if each]
    database = int(parts.pop(0)) if kind == "redis" and parts and re.fullmatch(r"\d{1,5}", parts[0]) else 0
    if len(parts) > 1 or not (parts or name):
        raise _wrong(url, "it names no stream" if not parts else "it has too many parts")
    return database, _named(parts[0] if parts else str(name), url)


def _named(name: str, url: str) -> str:
    if not _NAME.fullmatch(name):
        raise _wrong(url, f"{shown(name)} cannot name a stream: use 1 to 100 letters, digits, '.', '_' and '-'")
    return name


def _wrong(url: str, why: str) -> InvalidStreamAddress:
    return InvalidStreamAddress(
        f"{shown(without_password(url), 120)} is no address of a stream: {why}.", remedy=f"Write {_FORMS}."
    )


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _whole(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,11}", text):
        raise ValueError("a whole number from 1")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return parse_duration(text).total_seconds()
    except InvalidInput as error:
        raise ValueError("a duration such as 30s") from error


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(" or ".join(words))
        return text

    return read


def _group(text: str) -> str:
    if not is_name(text):
        raise ValueError("1 to 128 letters, digits, '.', '_' or '-'")
    return check_name("group", text)


_ALL: tuple[Kind, ...] = ("kafka", "nats", "redis", "local")
_OPTIONS: dict[str, tuple[str, tuple[Kind, ...], Callable[[str], object]]] = {
    "group": ("group", _ALL, _group),
    "create": ("create", _ALL, _flag),
    "deliveries": ("deliveries", _ALL, _whole),
    "in_flight": ("in_flight", _ALL, _whole),
    "redeliver": ("redeliver_s", _ALL, _seconds),
    "max_bytes": ("max_bytes", ("kafka", "redis", "local"), _whole),
    "partitions": ("partitions", ("kafka",), _whole),
    "session": ("session_s", ("kafka",), _seconds),
    "mechanism": ("mechanism", ("kafka",), _one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")),
    "durability": ("durability", ("redis",), _one_of("process", "power")),
    "keep": ("keep", ("redis", "local"), _whole),
}
"""Each option of an address: what it is called inside, which drivers know it, and how it is read."""


def _options(kind: Kind, query: str) -> dict[str, object]:
    found: dict[str, object] = {}
    known = [each for each, (_, kinds, _) in _OPTIONS.items() if kind in kinds]
    for option, text in parse_qsl(query, keep_blank_values=True):
        if option not in known:
            raise InvalidStreamAddress(
                f"An address of {kind} has no option {shown(option)}.", remedy=did_you_mean(option, known)
            )
        name, _, read = _OPTIONS[option]
        if name in found:
            raise InvalidStreamAddress(f"The option '{option}' is given twice.", remedy="Give it once.")
        try:
            found[name] = read(text)
        except ValueError as error:
            raise InvalidStreamAddress(
                f"The option '{option}' of an address is {shown(text)}, which is not {error}.", remedy="Correct it."
            ) from error
    return found
