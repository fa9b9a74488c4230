"""The online store of an address."""

from pathlib import Path

from .contract import OnlineStore
from .local import LocalOnlineStore
from .redis import RedisOnlineStore
from .resp import Address

LOCAL = "local"
"""The address of the embedded store."""


def open_online_store(address: str, folder: Path, *, readonly: bool = False) -> OnlineStore:
    """The store of `local`, which is kept in `folder`, or of `redis://HOST:6379/0`. InvalidInput for others."""
    if address == LOCAL:
        return LocalOnlineStore(folder, readonly=readonly)
    return RedisOnlineStore(address)


def check_online_address(address: str) -> None:
    """InvalidInput for what is no address of an online store."""
    if address != LOCAL:
        Address.parse(address)
