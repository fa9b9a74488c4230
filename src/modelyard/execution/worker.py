"""What runs in a worker process of the local pool: initialize once, then do jobs until nobody gives any."""

import faulthandler
import os
import signal
import socket
import sys

from modelyard.core.processes import end_when_closed

from .perform import perform, write_lines_at_once
from .records import Answer
from .shipping import called, packed_error
from .wire import ANSWERED, BEGUN, READY, Frames, frame


def main(connection_descriptor: int, lifeline: int) -> None:
    """Serve one pool. Both descriptors are this process's own; its children get neither."""
    end_when_closed(lifeline, group=True)
    _keep_to_itself(connection_descriptor)
    _keep_to_itself(lifeline)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the owner may have been started with it ignored
    faulthandler.enable()
    write_lines_at_once()
    connection = socket.socket(fileno=connection_descriptor)
    frames = Frames(connection)
    broken: Answer | None = None
    ready = False
    while (messages := frames.take()) is not None:
        for message in messages:
            if not ready:
                broken = _initialize(message)
                ready = True
                connection.sendall(frame((READY, None)))
                continue
            connection.sendall(frame((BEGUN, None)))
            connection.sendall(frame((ANSWERED, broken or perform(message))))
            if broken is not None:
                return


def _keep_to_itself(descriptor: int) -> None:
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - its only name


def _initialize(call: bytes | None) -> Answer | None:
    """None when all is well; else the answer to the first job."""
    if call is None:
        return None
    try:
        function, arguments = called(call)
        function(*arguments)
    except BaseException as error:  # the edge of the user's code; the first job is told
        return Answer(None, packed_error(error), 0.0)
    return None


if __name__ == "__main__":
    sys.exit("Worker processes are started by modelyard.execution.LocalPool.")
