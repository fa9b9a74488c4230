"""The stream of an address."""

from .address import StreamAddress
from .contract import Broker
from .stream import Stream


def open_stream(url: str | StreamAddress, name: str | None = None) -> Stream:
    """The stream of an address; `name` is its name where the text has none. Connects when it is first used.

    InvalidStreamAddress for what is no address, StreamDriverMissing when the library for it is not installed.
    """
    address = StreamAddress.parse(url, name) if isinstance(url, str) else url
    return Stream(
        _broker(address),
        address.name,
        create=bool(address.options.get("create", False)),
        group=address.options.get("group"),
        options=address.consumer,
    )


def _broker(address: StreamAddress) -> Broker:
    """The driver, whose library is imported only now."""
    match address.kind:
        case "kafka":
            from .drivers.kafka import KafkaBroker  # noqa: PLC0415 - as the docstring says

            return KafkaBroker(address)
        case "nats":
            from .drivers.nats import NatsBroker  # noqa: PLC0415

            return NatsBroker(address)
        case "redis":
            from .drivers.redis import RedisBroker  # noqa: PLC0415

            return RedisBroker(address)
        case "local":
            from .drivers.local import LocalBroker  # noqa: PLC0415

            return LocalBroker(address)
