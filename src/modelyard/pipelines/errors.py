"""What can go wrong with a pipeline."""

from modelyard.core import Conflict, Failed, InvalidInput, NotFound, Unavailable


class InvalidPipeline(InvalidInput):
    """The pipeline, or a parameter given to it, cannot be used."""

    code = "INVALID_PIPELINE"


class PipelineNotFound(NotFound):
    """No pipeline of this name."""

    code = "PIPELINE_NOT_FOUND"


class StepFailed(Failed):
    """A step raised."""

    code = "STEP_FAILED"


class NotDeterministic(Failed):
    """The same training gave two results."""

    code = "NOT_DETERMINISTIC"


class ShardFailed(Failed):
    """A function that was called on every shard raised, or its process was lost again and again."""

    code = "SHARD_FAILED"


class UnstorableResult(Failed):
    """What a step returned cannot be kept for the next."""

    code = "UNSTORABLE_RESULT"


class NoSuchPart(Failed):
    """A step gave no such element as another takes."""

    code = "NO_SUCH_PART"


class CodeChanged(Failed):
    """The code of a step changed while its run was under way."""

    code = "CODE_CHANGED"


class NotShared(Unavailable):
    """The machine of a step does not see the project's files or artifacts."""

    code = "NOT_SHARED"


class BeingCleaned(Conflict):
    """What old runs handed on is being removed."""

    code = "BEING_CLEANED"


class RunNotFound(NotFound):
    """No run of this id, or no such step in it."""

    code = "RUN_NOT_FOUND"


class RunActive(Conflict):
    """Another process works on this run."""

    code = "RUN_ACTIVE"


class RunEnded(Conflict):
    """The run is over; there is nothing to resume."""

    code = "RUN_ENDED"
