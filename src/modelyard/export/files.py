"""Rendered files on disk: written, or compared with what is there."""

from dataclasses import dataclass
from pathlib import Path

from modelyard.core import atomic_write

from .records import Files

LIST = ".modelyard-export"
"""A file beside the others that lists them, so that what is not rendered any more is noticed and removed."""


@dataclass(frozen=True)
class Difference:
    """What on disk is not as rendered."""

    missing: tuple[str, ...]
    changed: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether everything is as rendered."""
        return not (self.missing or self.changed or self.stale)

    def __str__(self) -> str:
        told = {"missing": self.missing, "changed": self.changed, "not rendered any more": self.stale}
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in told.items() if names)


def difference(files: Files, folder: Path) -> Difference:
    """How a folder differs from the files: files of others in it do not count."""
    on_disk = {name: (folder / name).read_text(encoding="utf-8") for name in files if (folder / name).is_file()}
    return Difference(
        tuple(name for name in files if name not in on_disk),
        tuple(name for name, text in on_disk.items() if text != files[name]),
        tuple(name for name in _listed(folder) if name not in files and (folder / name).exists()),
    )


def write(files: Files, folder: Path) -> Difference:
    """Bring a folder to the files; what an earlier export left and is not rendered any more is removed."""
    before = difference(files, folder)
    for name in (*before.missing, *before.changed):
        atomic_write(folder / name, files[name].encode(), durable=False)
    for name in before.stale:
        (folder / name).unlink()
    atomic_write(folder / LIST, "".join(f"{name}\n" for name in sorted(files)).encode(), durable=False)
    return before


def _listed(folder: Path) -> list[str]:
    """What an earlier export wrote here; names that lead out of the folder are none of ours."""
    file = folder / LIST
    names = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [name for name in names if name and not name.startswith("/") and ".." not in Path(name).parts]
