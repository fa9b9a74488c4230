"""Addresses of streams: what they say, what they refuse, and what they never show."""

import pytest

from modelyard.streams import InvalidStreamAddress, StreamAddress, is_stream_address, without_password


@pytest.mark.parametrize(
    ("url", "kind", "hosts", "name"),
    [
        ("kafka://a:9092,b:9092/prod.events", "kafka", "a:9092,b:9092", "prod.events"),
        ("natss://h/x", "nats", "h", "x"),
        ("rediss://u:p%40@[::1]:6380/3/x?durability=power", "redis", "[::1]:6380", "x"),
        ("valkey://h/x", "redis", "h", "x"),
        ("local:streams/x", "local", "streams", "x"),
        ("local:///var/lib/x?keep=10", "local", "/var/lib", "x"),
    ],
)
def test_an_address_is_taken_apart(url: str, kind: str, hosts: str, name: str) -> None:
    """Whatever the broker."""
    address = StreamAddress.parse(url)
    assert (address.kind, address.hosts, address.name) == (kind, hosts, name)
    assert is_stream_address(url)


def test_a_name_is_given_where_the_address_has_none() -> None:
    """And only there."""
    for url in ("kafka://h", "nats://h/", "redis://h/0", "local:streams/"):
        assert StreamAddress.parse(url, "topic").name == "topic"
    assert StreamAddress.parse("kafka://h/x", "topic").name == "x"
    assert StreamAddress.parse("redis://h/7/x").database == 7


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("kafak://h/x", "Did you mean 'kafka'"),
        ("/tmp/x", "is no address of a stream"),
        ("kafka://h", "names no stream"),
        ("kafka:///x", "names no host"),
        ("nats://h/a/b", "too many parts"),
        ("redis://h:99999/x", "is no host"),
        ("redis://a,b/x", "is no host"),
        ("local:x", "names no folder"),
        ("kafka://h/x y", "cannot name a stream"),
        ("kafka://h/x?grup=a", "Did you mean 'group'"),
        ("nats://h/x?max_bytes=5", "has no option 'max_bytes'"),
        ("nats://h/x?redeliver=5", "a duration such as 30s"),
        ("nats://h/x?deliveries=0", "a whole number from 1"),
        ("nats://h/x?create=yes", "true or false"),
        ("nats://h/x?group=a&group=b", "given twice"),
        ("kafka://h/x?mechanism=NONE", "PLAIN or SCRAM"),
    ],
)
def test_what_is_no_address_is_told(url: str, told: str) -> None:
    """With what it should be."""
    with pytest.raises(InvalidStreamAddress) as error:
        StreamAddress.parse(url)
    assert told in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("scheme", ["kafka", "nats", "redis"])
def test_what_is_secret_is_never_shown(scheme: str) -> None:
    """Neither the password nor a name that may be a token; nor when the rest of the address is wrong."""
    address = StreamAddress.parse(f"{scheme}://geheim:s3cret@h/x")
    for text in (str(address), repr(address), without_password(f"{scheme}://geheim:s3cret@h/x")):
        assert "s3cret" not in text
        assert "geheim" not in text
    with pytest.raises(InvalidStreamAddress) as error:
        StreamAddress.parse(f"{scheme}://geheim:s3cret@h/a/b/c")
    assert "s3cret" not in str(error.value)
