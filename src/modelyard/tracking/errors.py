"""What can go wrong with MLflow."""

from modelyard.core import NotFound, Unavailable


class TrackingUnavailable(Unavailable):
    """MLflow does not answer, or refuses."""

    code = "TRACKING_UNAVAILABLE"


class TrackedRunNotFound(NotFound):
    """No such run, or experiment, in MLflow."""

    code = "TRACKED_RUN_NOT_FOUND"
