"""Rows that come through a stream of a broker, beside a batch source."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
from pydantic import SecretStr

from modelyard.core import InvalidInput
from modelyard.data import parse_type
from modelyard.streams import StreamAddress

from .definition import check_definition
from .pushes import PushSource

_REMEDY = 'StreamSource("clicks", url="nats://HOST:4222/clicks", batch=SOURCE) or schema={"user": "int64", …} for batch'


@dataclass(frozen=True, eq=False)
class StreamSource(PushSource):
    """Rows that come as messages through a stream, and those of `batch` from before, if there is one.

    `modelyard features push VIEW` takes them from the stream at `url` (see the room `streams`; relative folders of
    `local:` begin beside the definitions; without it the command says where), puts them into the online store at once,
    and into the log that the offline join reads, as `PushSource` does; rows can be pushed to it, too. A message is a
    JSON object with the columns of the source's views, in the types of `batch`, or of `schema` where there is none:
    `{"user": "int64", "at": "timestamp[us, UTC]"}`. The same message counts once. `id` names a text or whole number in
    the message that tells one event from another, so that an event that was published twice counts once, too.
    InvalidDefinition lists all that is wrong with it. It shares names with push sources.
    """

    url: str | SecretStr | None = field(default=None, kw_only=True, repr=False)
    schema: Mapping[str, str] | None = field(default=None, kw_only=True)
    id: str | None = field(default=None, kw_only=True)
    _beside: list[Path] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_definition("stream source", self.name, [*self._wrong_url(), *self._wrong_columns()], _REMEDY)

    def anchor(self, folder: Path, pushed: Path | None) -> None:
        """Learn where relative paths begin, and where the project keeps pushed rows."""
        super().anchor(folder, pushed)
        self._beside[:] = [folder]

    @property
    def columns(self) -> pa.Schema | None:
        """Those of `schema`."""
        if self.schema is None:
            return None
        return pa.schema([(name, parse_type(type_)) for name, type_ in self.schema.items()])

    def address(self) -> StreamAddress | None:
        """Where the stream is; None where that is not said."""
        text = self.text_of_url()
        if text is None:
            return None
        address = StreamAddress.parse(text, self.name)
        if address.kind != "local" or not self._beside:
            return address
        return replace(address, hosts=str((self._beside[0] / address.hosts).resolve()))

    def text_of_url(self) -> str | None:
        """The address as it was written, with what is secret in it."""
        return self.url.get_secret_value() if isinstance(self.url, SecretStr) else self.url

    def _wrong_url(self) -> list[str]:
        try:
            self.address()
        except InvalidInput as error:
            return [f"its url: {error.message} {error.remedy}"]
        except (AttributeError, TypeError):
            return [f"its url is {type(self.url).__name__}, which is no text."]
        return []

    def _wrong_columns(self) -> list[str]:
        if self.id is not None and (not isinstance(self.id, str) or not self.id):
            return ["id names what tells messages apart."]
        if (self.schema is None) == (self.batch is None):
            return ["its columns come from batch=SOURCE or from schema={COLUMN: TYPE}: give one of the two."]
        if self.schema is None:
            return []
        if not isinstance(self.schema, Mapping) or not self.schema:
            return ["schema maps columns to types."]
        return [why for name, type_ in self.schema.items() if (why := _wrong(name, type_))]


def _wrong(name: object, type_: object) -> str:
    if not isinstance(name, str) or not name or name.startswith("__"):
        return f"{str(name)[:80]!r} cannot name a column."
    try:
        parse_type(str(type_))
    except InvalidInput as error:
        return f"column '{name[:80]}': {error.message} {error.remedy}"
    return ""
