"""What a version needs beside its own bundle: the parts of an application of a language model."""

import msgspec

from modelyard.generation import APPLICATION_FILE, Application
from modelyard.registry import ModelVersion, NotServable, Registry


def with_parts(registry: Registry, version: ModelVersion) -> list[ModelVersion]:
    """The versions whose bundles a server needs for this one, itself last: whoever has that has them all.

    NotServable when a part is not what the application was made of.
    """
    document = registry.bundle_file(version, APPLICATION_FILE) if version.bundle is not None else None
    if document is None:
        return [version]
    found = []
    for part in msgspec.json.decode(document, type=Application).parts:
        each = registry.get(part.name, part.version)
        if each.bundle != part.digest:
            raise NotServable(
                f"{version.name} {version.number} rests on {part.name} {part.version} as {part.digest[:12]}…, "
                f"and that is {str(each.bundle)[:12]}….",
                remedy="Register the application again.",
            )
        found.append(each)
    return [*found, version]
