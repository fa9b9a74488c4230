"""An embedder that is loaded: texts in, unit vectors out."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelyard.inference import EMBEDDING, INFO_FILE, BundleInfo, Embedder
from modelyard.routing import Arm


@dataclass(frozen=True, eq=False)
class LoadedEmbedder:
    """An embedder behind one arm of a deployment."""

    arm: Arm
    embedder: Embedder


def holds_embedder(folder: Path) -> bool:
    """Whether a bundle that was verified holds an embedder."""
    return msgspec.json.decode((folder / INFO_FILE).read_bytes(), type=BundleInfo).runtime == EMBEDDING
