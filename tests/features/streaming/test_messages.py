"""Messages as rows: what fits is taken as it is, and what does not says why."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from modelyard.features import BadMessage, InvalidDefinition
from modelyard.features.streaming.messages import MessageReader

AT = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
SCHEMA = pa.schema(
    [
        ("user id", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("amount", pa.float64()),
        ("channel", pa.dictionary(pa.int32(), pa.string())),
        ("small", pa.int8()),
        ("on", pa.bool_()),
        ("day", pa.date32()),
        ("price", pa.decimal128(10, 2)),
        ("local", pa.timestamp("ms", tz="Europe/Paris")),
        ("naive", pa.timestamp("ns")),
    ]
)
WHOLE = (
    b'{"user id": 7, "at": "2026-01-05T13:30:00+01:00", "amount": 3, "channel": "web", "small": -128, "on": true, '
    b'"day": "2026-01-05", "price": "1.25", "local": "2026-01-05T12:30:00.0005Z", "naive": "2026-01-05T12:30:00", '
    b'"x": 1}'
)


def reader(id_name: str | None = None) -> MessageReader:
    """Of messages with all columns."""
    return MessageReader(SCHEMA, ["user id", "at"], id_name)


def test_values_are_read_in_the_types_of_their_columns() -> None:
    """Times as instants in UTC; what the views do not know is left alone."""
    values, known = reader().read(WHOLE)
    assert known is None
    table = reader().table([values, values])
    assert table.schema == SCHEMA
    local = AT.replace(tzinfo=None)
    assert list(table.to_pylist()[1].values()) == [
        7, AT, 3.0, "web", -128, True, date(2026, 1, 5), Decimal("1.25"), AT, local,
    ]  # fmt: skip


def test_features_may_be_null_and_keys_may_not() -> None:
    """Nothing is made up for what is not there."""
    null = WHOLE.replace(b'"amount": 3', b'"amount": null')
    assert reader().read(null)[0][2] is None
    with pytest.raises(BadMessage, match=r"Expected `int`, got `null` - at `\$.user id`"):
        reader().read(WHOLE.replace(b"7", b"null"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"user id": 7, ', b'"user_id": 7, ', r"lacks the column 'user id'.*Did you mean 'user_id'"),
        (b'"amount": 3', b'"amount": "3"', r"Expected `float \| null`, got `str` - at `\$.amount`"),
        (b'"amount": 3', b'"amount": true', r"Expected `float \| null`, got `bool`"),
        (b'"small": -128', b'"small": -129', r"Expected `int` >= -128"),
        (b'"small": -128', b'"small": 1.5', r"Expected `int \| null`, got `float`"),
        (b'"2026-01-05T13:30:00+01:00"', b"1767616200", r"Expected `datetime`, got `int` - at `\$.at`"),
        (b'"2026-01-05T13:30:00+01:00"', b'"noon"', r"Invalid RFC3339 encoded datetime - at `\$.at`"),
        (b'"user id": 7', b'"user id": 99999999999999999999', r"user id"),
        (b'"channel": "web"', b'"channel": "\xff"', r"utf-8|UTF-8"),
        (WHOLE, b"[1, 2]", r"Expected `object`, got `array`"),
        (WHOLE, b"", r"truncated"),
        (WHOLE, b"{", r"truncated"),
        (WHOLE, b"{}", r"lacks the column 'user id'"),
        (WHOLE, b"{" + b'"a": ' + b"[" * 10_000, r"."),
    ],
)
def test_what_is_no_row_says_why(old: bytes, new: bytes, said: str) -> None:
    """With the place, and a near name; however long the message is, the reason is short."""
    with pytest.raises(BadMessage, match=said) as told:
        reader().read(WHOLE.replace(old, new))
    assert len(told.value.message) < 700


def test_values_that_a_column_does_not_hold_are_told() -> None:
    """Though JSON has them."""
    values, _ = reader().read(WHOLE.replace(b'"1.25"', b'"1234567890.25"'))
    with pytest.raises(BadMessage, match=r"Column 'price' is decimal128"):
        reader().table([values])
    values, _ = reader().read(WHOLE.replace(b'"naive": "2026', b'"naive": "0001'))
    with pytest.raises(BadMessage, match=r"Column 'naive' is timestamp\[ns\]"):
        reader().table([values])


def test_a_name_of_their_own_tells_messages_apart() -> None:
    """A column, or something beside them; its type matters, and it must be there."""
    assert reader("user id").read(WHOLE)[1] == "int:7"
    assert reader("x").read(WHOLE)[1] == "int:1"
    assert reader("x").read(WHOLE.replace(b'"x": 1', b'"x": "1"'))[1] == "str:1"
    with pytest.raises(BadMessage, match="lacks the column 'event'"):
        reader("event").read(WHOLE)
    with pytest.raises(BadMessage, match=r"Expected `int \| str`, got `null`"):
        reader("x").read(WHOLE.replace(b'"x": 1', b'"x": null'))


def test_types_that_json_does_not_carry_are_refused_at_once() -> None:
    """Before anything is consumed."""
    with pytest.raises(InvalidDefinition, match=r"Column 'pair' is list<.*which no message carries"):
        MessageReader(pa.schema([("pair", pa.list_(pa.int64()))]), [], None)
