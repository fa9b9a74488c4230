"""Operations that bring features by streams."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from modelyard.access import Permission
from modelyard.core import InvalidInput
from modelyard.features import PushSource, StreamPushed, StreamSource
from modelyard.streams import ConsumerOptions, StreamAddress, open_stream

from .contract import Call, Option, operation
from .following import followed

GROUP = "modelyard-features-"
"""What the name of the group begins with, unless it is given; the source's name follows."""

_IN_FLIGHT = 10_000
_WATCHING: ContextVar[Callable[[StreamPushed], None] | None] = ContextVar("stream_watcher", default=None)


@dataclass(frozen=True)
class PushFrom:
    """Which view's rows, and where they come from."""

    view: Annotated[str, Option("A view whose source is a StreamSource or PushSource.", positional=True)]
    source: Annotated[
        str | None,
        Option("The stream's address: kafka://…, nats://…, redis://… or local:…; the source's url by default.",
               flag="--from"),
    ] = None  # fmt: skip
    group: Annotated[
        str | None, Option("The group of consumers that share the messages; by default named after the source.")
    ] = None
    follow: Annotated[bool, Option("Go on with what comes later, until Ctrl-C.")] = False


@contextmanager
def watching(watch: Callable[[StreamPushed], None]) -> Iterator[None]:
    """Tell `watch` how far pushing is, inside the block."""
    token = _WATCHING.set(watch)
    try:
        yield
    finally:
        _WATCHING.reset(token)


@operation("features", "push", Permission.OPERATE, local=True)
def push_features(call: Call[PushFrom]) -> Any:
    """Take messages of a stream as rows of a view: online at once, and into the log that the offline join reads."""
    store, given = call.project.features, call.input
    source = store.pushed(given.view)
    address = _address(source, given)
    group = given.group or str(address.options.get("group", GROUP + source.name))
    options = address.consumer
    roomy = ConsumerOptions(options.deliveries, max(options.in_flight, _IN_FLIGHT), options.redeliver_s)
    pusher = store.stream_pusher(given.view, str(address))
    watch = _WATCHING.get() or (lambda _: None)
    with open_stream(address) as stream, stream.consumer(group, roomy) as consumer:
        if not given.follow:
            pusher.run(consumer, watch=watch)
        else:
            with suppress(KeyboardInterrupt):  # which is how following ends
                followed(lambda: pusher.run(consumer, watch=watch), rest_s=0.0)
    told = {"view": given.view, "source": source.name, "from": str(address), "group": group}
    done = pusher.done
    return told | {"rows": done.rows, "again": done.again, "refused": done.refused} | asdict(done.left)


def _address(source: PushSource, given: PushFrom) -> StreamAddress:
    """The stream's, with a folder that does not depend on where one stands."""
    if given.source is not None:
        address = StreamAddress.parse(given.source, source.name)
        whole = str(Path(address.hosts).resolve()) if address.kind == "local" else address.hosts
        return replace(address, hosts=whole)  # one stream has one name, from wherever it is asked for
    declared = source.address() if isinstance(source, StreamSource) else None
    if declared is None:
        raise InvalidInput(
            f"It is not said which stream brings rows of view '{given.view}'.",
            code="NO_STREAM",
            remedy="Give --from URL, or url= to its StreamSource.",
        )
    return declared
