"""What can go wrong in the demonstration."""

from modelyard.core import Failed, InvalidInput


class TrafficFailed(Failed):
    """The server did not take what a client had to send."""

    code = "TRAFFIC_FAILED"


class NoFlights(InvalidInput):
    """The flights data is not installed."""

    code = "NO_FLIGHTS"


class NoGenerator(InvalidInput):
    """The model that answers, or its server, is not there."""

    code = "NO_GENERATOR"
