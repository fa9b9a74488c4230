"""What cannot be exported."""

from modelyard.core import Failed, InvalidInput, Unavailable


class UnsupportedSetting(InvalidInput):
    """A target has nothing that a setting of the project could become; the message names both."""

    code = "UNSUPPORTED_SETTING"


class NotForEdge(InvalidInput):
    """A bundle's runtime is none that a device with ONNX Runtime alone can run; the message names it."""

    code = "NOT_FOR_EDGE"


class ExportOutdated(Failed):
    """What is on disk is not what the project file renders to now."""

    code = "EXPORT_OUTDATED"


class ClientMissing(Unavailable):
    """The client of an engine is not installed in the Python that was named."""

    code = "CLIENT_MISSING"


class EngineUnreachable(Unavailable):
    """Nobody answers at the address of an engine."""

    code = "ENGINE_UNREACHABLE"


class SubmissionRefused(Failed):
    """An engine did not take a run; the message has what it said."""

    code = "SUBMISSION_REFUSED"


def unsupported(target: str, setting: str, value: object, why: str, remedy: str) -> UnsupportedSetting:
    """The error for a setting that a target cannot carry."""
    return UnsupportedSetting(
        f"{target} cannot carry {setting}: {value}. {why}",
        context={"target": target, "setting": setting},
        remedy=remedy,
    )
