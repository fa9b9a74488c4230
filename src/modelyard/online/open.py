"""The online store of an address."""

from pathlib import Path

from .contract import OnlineStore
from .local import LocalOnlineStore
from .postgres import PostgresOnlineStore, check_postgres_address, is_postgres_address
from .redis import RedisOnlineStore
from .resp import Address

LOCAL = "local"
"""The address of the embedded store."""


def open_online_store(address: str, folder: Path, *, readonly: bool = False) -> OnlineStore:
    """The store of `local`, which is kept in `folder`, of `redis://HOST:6379/0` or `postgresql://HOST/DATABASE`.

    InvalidInput for others.
    """
    if address == LOCAL:
        return LocalOnlineStore(folder, readonly=readonly)
    if is_postgres_address(address):
        return PostgresOnlineStore(address)
    return RedisOnlineStore(address)


def check_online_address(address: str) -> None:
    """InvalidInput for what is no address of an online store."""
    if is_postgres_address(address):
        check_postgres_address(address)
    elif address != LOCAL:
        Address.parse(address)
