"""What tests of hostile bodies share: odd values, bodies that are mangled, and a client that sends them."""

import http.client
import json
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from modelyard.core import Scalar


def parsed(text: bytes) -> Any:
    """JSON as it stands: AssertionError when a name is there twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text.decode(), object_pairs_hook=unique)


ODD_NUMBERS = (
    "-0", "-0.0", "0.1", "1E5", "5e-324", "1e-400", "1e308", "1e309", "9007199254740991", "9007199254740992",
    "9007199254740993", "-9007199254740993", "9007199254740994", "18446744073709551615", "18446744073709551616",
    "18446744073709551617", "100000000000000000000", "123456789012345678901234567890", "1" * 400, "9" * 5000,
    "01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "-Infinity", "true", "null", '"1"', '"NaN"', "nul", "[1]", "[]",
    "{}", "[[1]]", '{"b64": "ZGU="}', "2.2250738585072011e-308", "0.30000000000000004", "1e23", "8.41e21",
)  # fmt: skip
ODD_STRINGS = (
    '""', '"a:b"', '"\\u0064e"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\udc00\\ud800"', "1", "true", "null",
    "NaN", '"de', "de", "'de'", '"\t"', '"\\x"', '["de"]', '{"b64": "ZGU="}', '{"b64": "/w=="}', '{"b64": "Z"}',
    '{"b64": 1}', '"' + "x" * 20_000 + '"',
)  # fmt: skip

NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False).map(repr), st.integers(-(2**53), 2**53).map(str))
STRINGS = st.tuples(st.text(max_size=8), st.booleans()).map(lambda both: json.dumps(both[0], ensure_ascii=both[1]))
ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def mangled(draw: st.DrawFn, text: bytes) -> bytes:
    """A body with something cut off, put in, written twice, misspelt, or nested too deep."""
    at = draw(st.integers(0, len(text)))
    deep = draw(st.sampled_from((33, 1000, 200_000)))
    return draw(
        st.sampled_from(
            (
                text[:at],
                text[:at] + draw(st.binary(min_size=1, max_size=4)) + text[at:],
                b"\xef\xbb\xbf" + text,
                text.decode().encode("utf-16"),
                text + draw(st.sampled_from((b"x", b"{}", b"\x00", b" \n"))),
                text.replace(b'"amount"', b'"amount": 1, "amount"'),
                text.replace(b'"country"', b'"\\u0061mount": 1, "country"'),
                text.replace(b'"country"', b'"contry": 1, "country"'),
                text.replace(b"[", b"[" * deep, 1),
                b"[" * deep + b"]" * deep,
                b'{"inputs":' * deep + b"1" + b"}" * deep,
                b'{"x": ' + b"[" * deep + b"]" * deep + b"}",
                b'"' + b"\\" * deep,
                b"",
            )
        )
    )


class Client:
    """One keep-alive connection, opened again when the server closes it."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.opened = 0

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Status and answer."""
        self.opened += self._connection.sock is None
        self._connection.request("POST", path, body, headers or {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        return response.status, json.loads(response.read())


def bits(values: Sequence[Scalar]) -> list[object]:
    """Values so that only the same ones are equal: 1 is not 1.0, and 0.0 not -0.0."""
    return [struct.pack("<d", each) if type(each) is float else (type(each), each) for each in values]
