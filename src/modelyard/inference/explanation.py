"""Whether a bundle explains its predictions, and the structure for that, read when it is first asked for."""

from pathlib import Path
from threading import Lock

import msgspec

from modelyard.core import digest_of

from .errors import BundleDamaged, NotExplained
from .explain import EXPLAIN_ARRAYS, EXPLAIN_FILE, Explainer, ExplainInfo, load_explainer, read_info
from .records import BundleInfo

_REMEDY = "Fetch the bundle again from the artifact store; never edit a bundle."


class Explanation:
    """A bundle's explainer, read when it is first asked for. Safe for any thread."""

    def __init__(self, folder: Path, bundle: BundleInfo, info: ExplainInfo) -> None:
        self.info = info
        self._folder = folder
        self._bundle = bundle
        self._lock = Lock()
        self._read: Explainer | None = None

    @property
    def explainer(self) -> Explainer:
        """Raises NotExplained or BundleDamaged."""
        if self.info.kind is None:
            raise NotExplained(
                f"Model '{self._bundle.model}' version {self._bundle.version} has no contributions: "
                f"{self.info.why_not}.",
                context={"model": self._bundle.model, "version": self._bundle.version},
                remedy="Ask without an explanation. Trees and linear models, also behind imputers, scalers and one-hot "
                "encoders, can be explained once their bundle is built again.",
            )
        with self._lock:
            self._read = self._read or self._load(self._folder / EXPLAIN_ARRAYS)
        return self._read

    def _load(self, path: Path) -> Explainer:
        try:
            data = path.read_bytes()
            if digest_of(data) != self._bundle.files.get(EXPLAIN_ARRAYS):
                raise ValueError("it has changed")
            return load_explainer(self.info, data, self._bundle.signature)
        except (OSError, ValueError) as error:
            raise BundleDamaged(
                f"{path} cannot explain predictions: {error}.",
                context={"folder": str(self._folder)},
                remedy=_REMEDY,
            ) from error


def explain_info(folder: Path, info: BundleInfo) -> ExplainInfo:
    """What a verified bundle says about explaining its predictions; BundleDamaged when that cannot be read."""
    if EXPLAIN_FILE not in info.files:
        return ExplainInfo(0, why_not="its bundle was built before there were any")
    try:
        return read_info((folder / EXPLAIN_FILE).read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise BundleDamaged(
            f"{folder / EXPLAIN_FILE} cannot be read: {error}.",
            context={"folder": str(folder)},
            remedy=_REMEDY,
        ) from error
