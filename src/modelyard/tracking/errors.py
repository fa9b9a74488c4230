"""What can go wrong with MLflow."""

from modelyard.core import Unavailable


class TrackingUnavailable(Unavailable):
    """MLflow does not answer, or refuses."""

    code = "TRACKING_UNAVAILABLE"
