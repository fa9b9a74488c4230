"""What can go wrong with a pipeline."""

from modelyard.core import Failed, InvalidInput, NotFound


class InvalidPipeline(InvalidInput):
    """The pipeline, or a parameter given to it, cannot be used."""

    code = "INVALID_PIPELINE"


class PipelineNotFound(NotFound):
    """No pipeline of this name."""

    code = "PIPELINE_NOT_FOUND"


class StepFailed(Failed):
    """A step raised."""

    code = "STEP_FAILED"
