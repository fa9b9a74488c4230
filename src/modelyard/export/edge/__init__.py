"""A bundle for devices: an ONNX graph with a runner of one file, and smaller weights where answers allow it."""

from .into import stale_in_folder, stale_zip, write_folder, write_zip
from .package import QUANTIZE, EdgePackage, Quantize, edge_package

__all__ = [
    "QUANTIZE",
    "EdgePackage",
    "Quantize",
    "edge_package",
    "stale_in_folder",
    "stale_zip",
    "write_folder",
    "write_zip",
]
