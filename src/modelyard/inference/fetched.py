"""What is left beside a bundle that was fetched to be served: which version of which model it is."""

from typing import ClassVar

import msgspec

from modelyard.core import Digest


class Fetched(msgspec.Struct, frozen=True):
    """Which version a fetched bundle is of: the file `FILE` in a folder, beside the bundle in the folder `FOLDER`."""

    FILE: ClassVar[str] = "served.json"
    FOLDER: ClassVar[str] = "bundle"

    model: str
    version: str
    digest: Digest
