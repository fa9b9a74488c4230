"""Addresses of online stores: what is one, and that a password in one is told nobody."""

import traceback

import pytest

from modelyard.core import InvalidInput
from modelyard.online import check_online_address
from modelyard.online.resp import Address

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "host", "port", "database"),
    [
        ("redis://cache", "cache", 6379, 0),
        (f"rediss://ann:{SECRET}@cache:7000/3", "cache", 7000, 3),
        (f"valkey://:{SECRET}@[::1]:7000", "::1", 7000, 0),
    ],
)
def test_an_address_is_a_url(url: str, host: str, port: int, database: int) -> None:
    """With the password in it, which neither its text nor its representation shows."""
    address = Address.parse(url)
    assert (address.host, address.port, address.database) == (host, port, database)
    assert (address.password == SECRET) == (SECRET in url)
    assert SECRET not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("locl", "'locl'"),
        ("mysql://cache/features", "'mysql://"),
        (f"postgresql://ann:{SECRET}@cache:port/features", "'postgresql://…@…'"),
        (f"postgresql://cache/features?password={SECRET}", "'postgresql://…'"),
        (f"postgresql://ann:{SECRET}@[::1/0", "'postgresql://…@…'"),
        (f"redis://:{SECRET}@cache:port/0", "'redis://…@…'"),
        (f"redis://:{SECRET}", "'redis://…'"),
        (f"redis://{SECRET}@", "'redis://…@'"),
        (f"redis://ann:{SECRET}@cache/-1", "'redis://…@…'"),
        (f"redis://ann:/{SECRET}@cache/0", "'redis://…@cache/0'"),
        (f"redis://ann:#{SECRET}@cache/0", "'redis://…@cache/0'"),
        (f"redis://cache:6379/0?password={SECRET}", "'redis://…'"),
        (f"redis://ann:{SECRET}@[::1/0", "'redis://…@…'"),
        (f"redis://ann:{SECRET}\u2100@cache/0", "'redis://…@cache/0'"),
        (f"http://ann:{SECRET}@cache:6379/0", "'http://…@cache:6379/0'"),
        (f"ann:{SECRET}@cache:6379", "'…'"),
    ],
)
def test_what_is_no_address_is_told_without_its_password(url: str, shown: str) -> None:
    """Neither in the message nor in what a traceback would show."""
    with pytest.raises(InvalidInput, match="is no address of an online store") as caught:
        check_online_address(url)
    assert caught.value.message.startswith(shown)
    assert SECRET not in "".join(traceback.format_exception(caught.value, chain=True)).replace(repr(url), "")
