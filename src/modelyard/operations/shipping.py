"""Operations that bring the prediction log to other machines."""

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput
from modelyard.history import GROUP, Ingested, Shipped
from modelyard.streams import ConsumerOptions, StreamAddress, is_stream_address, open_stream, without_password

from .contract import Call, Option, operation
from .following import followed, signals

_ROWS = 20_000


@dataclass(frozen=True)
class ShipTo:
    """Where the log goes."""

    to: Annotated[str | None, Option("A stream's address, or a folder's URL for its files; stores.log by default.")] = (
        None
    )
    follow: Annotated[bool, Option("Go on with what is written later, until SIGTERM or Ctrl-C.")] = False
    beat: Annotated[Path | None, Option("File to touch after each try: a liveness probe looks how old it is.")] = None


@dataclass(frozen=True)
class IngestFrom:
    """Where records come from."""

    source: Annotated[str, Option("The stream's address: kafka://…, nats://…, redis://… or local:….", flag="--from")]
    follow: Annotated[bool, Option("Go on with what comes later, until Ctrl-C.")] = False


@operation("log", "ship", Permission.OPERATE, local=True)
def ship_log(call: Call[ShipTo]) -> Any:
    """Bring the prediction log to a stream, or its files to object storage, from where the last time ended.

    One that follows ships once more when it is told to stop, what servers wrote as they drained.
    """
    project, declared = call.project, call.project.settings.stores.log
    to = call.input.to or (declared.get_secret_value() if declared else None)
    if to is None:
        raise InvalidInput("It is not said where the log goes.", remedy="Give --to URL, or set stores.log.")
    with closing(project.shipper(to)) as shipper:

        def ship() -> Shipped:
            try:
                if not is_stream_address(to):
                    project.log.seal()
                    project.log.compact()
                return shipper.ship()
            finally:
                if call.input.beat is not None:
                    call.input.beat.touch()

        if call.input.follow:
            with signals() as stop:
                shipped = followed(ship, stop=stop)
        else:
            shipped = ship()
    return {"records": shipped.records, "lost": shipped.lost, "to": _shown(to, project.settings.stores.topic)}


@operation("log", "ingest", Permission.OPERATE, local=True)
def ingest_log(call: Call[IngestFrom]) -> Any:
    """Take records that another machine ships into this prediction log, each exactly once."""
    project, source = call.project, call.input.source
    address = StreamAddress.parse(source, project.settings.stores.topic)
    group = str(address.options.get("group", GROUP))
    options = address.consumer
    roomy = ConsumerOptions(options.deliveries, max(options.in_flight, _ROWS), options.redeliver_s)
    with open_stream(source, project.settings.stores.topic) as stream, stream.consumer(group, roomy) as consumer:

        def ingest() -> Ingested:
            return project.ingester.run(consumer, rows=_ROWS)

        total = followed(ingest) if call.input.follow else ingest()
    return asdict(total) | {"from": str(address), "group": group}


def _shown(to: str, topic: str) -> str:
    return str(StreamAddress.parse(to, topic)) if is_stream_address(to) else without_password(to)
