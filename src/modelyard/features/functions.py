"""The functions of a project's on-demand views, each run in the worker process of its file."""

from collections.abc import Sequence

from modelyard.core import Scalar
from modelyard.inference import Transformed
from modelyard.online import FunctionPlan

from .definitions import Definitions
from .errors import InvalidDefinition


class DefinedFunctions:
    """Runs functions as they are defined now. See `online.Functions`."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def run(self, transform: FunctionPlan, columns: Sequence[Sequence[Scalar]], rows: int) -> Transformed:
        """See `online.Functions`. FunctionNotRunnable when the file cannot be run; InvalidDefinition for other code."""
        view = self._definitions.on_demand.get(transform.name)
        if view is None or view.function is None or view.code.digest != transform.code:
            raise InvalidDefinition(
                f"The plan's function '{transform.function}' is not that of on-demand view '{transform.name}' now.",
                remedy="Ask the server, or load the bundle: they have the code that the plan was made with.",
            )
        return view.running.transforms().run(transform, columns, rows)
