"""What can be wrong with a row, or with a bundle."""

from modelyard.core import Damaged, Failed, Forbidden, InvalidInput, Unavailable


class InvalidRow(InvalidInput):
    """A row is not what the model's signature asks for."""

    code = "INVALID_ROW"


class BundleDamaged(Damaged):
    """The folder is not the bundle that was built: a file changed, is missing, was added, or is a link."""

    code = "BUNDLE_DAMAGED"


class BundleMissing(BundleDamaged):
    """There is no folder where a bundle should be."""

    code = "BUNDLE_MISSING"


class SignaturesDamaged(BundleDamaged):
    """The file of a bundle's signatures is not what was written, or one of them is not its key's."""

    code = "SIGNATURES_DAMAGED"


class BundleTooNew(InvalidInput):
    """The bundle's format is newer than this code."""

    code = "BUNDLE_TOO_NEW"


class UnknownRuntime(InvalidInput):
    """The bundle asks for a runtime that is not in the closed list."""

    code = "UNKNOWN_RUNTIME"


class GoldenMismatch(Damaged):
    """Loaded here, the model does not answer its golden rows as the original did."""

    code = "GOLDEN_MISMATCH"


class BundleRefused(Damaged):
    """Tried in a process of its own, the bundle crashed, hung, asked for too much memory, or could not be loaded."""

    code = "BUNDLE_REFUSED"


class BundleNotTrusted(Forbidden):
    """Nobody whose word is taken here has signed the bundle."""

    code = "BUNDLE_NOT_TRUSTED"


class PythonNotPermitted(Forbidden):
    """The bundle runs Python of its author's (a pickle, or code), and nobody has permitted it."""

    code = "PYTHON_NOT_PERMITTED"


class IsolatedModelFailed(Failed):
    """A model in a worker process of its own raised, crashed, hung, or asked for too much memory.

    `context["why"]` is `raised`, `ended`, `deadline`, `memory`, `garbled`, `waiting` or `closed`.
    """

    code = "ISOLATED_MODEL_FAILED"


class TransformFailed(Failed):
    """The function of an on-demand view gave nothing for a row: it raised, hung, ended its worker, or gave otherwise
    than was declared.

    `context["why"]` is as of `IsolatedModelFailed`.
    """

    code = "TRANSFORM_FAILED"


class NotExplained(InvalidInput):
    """The bundle does not hold what explaining its predictions takes."""

    code = "NO_CONTRIBUTIONS"


class NoPredictor(InvalidInput):
    """The bundle embeds texts, and was asked for predictions."""

    code = "NO_PREDICTOR"


class NoEmbedder(InvalidInput):
    """The bundle predicts, and was asked for vectors."""

    code = "NO_EMBEDDER"


class NotOfVectors(InvalidInput):
    """A classifier does not judge the vectors of the embedder that it is used with."""

    code = "NOT_OF_VECTORS"


class EmbedderNeedsLibrary(Unavailable):
    """The library that cuts texts into tokens is not installed."""

    code = "EMBEDDER_NEEDS_LIBRARY"
