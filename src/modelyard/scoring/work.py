"""Where parts lie until the output is whole: a folder here, or one of a store behind a URL."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import fsspec

from modelyard.core import atomic_stream, atomic_write, sync_folder
from modelyard.core.locks import alone_at_once

from .errors import NotScorable, OutputTaken


class Work(Protocol):
    """The parts of one output. Safe for several threads, and for several machines where they reach it."""

    @property
    def place(self) -> str:
        """Where they are, for a message."""

    def names(self) -> set[str]:
        """What is there."""

    def read(self, name: str) -> bytes:
        """What was written under a name."""

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Put something there: whole, or not at all; when this returns it survives the end of this process.

        Only with `power` a power cut too: what it left of a part is told by its digest (`batch._found`).
        """

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """The same for bytes that come one after the other: they are there when the block ends well."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove all parts, and what is known of them."""

    @contextmanager
    def whole(self) -> Iterator[BinaryIO]:
        """A file that takes the output's place when the block ends well."""
        raise NotImplementedError

    def keep(self, names: list[str]) -> None:
        """Make these files the output, which is a folder, and remove the rest of the job's."""


class LocalWork:
    """`.NAME.scoring` beside the output."""

    def __init__(self, output: Path, *, power: bool = False) -> None:
        self.output = output
        self._power = power
        self.folder = output.with_name(f".{output.name}.scoring")

    @property
    def place(self) -> str:
        return str(self.folder)

    def names(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()} if self.folder.is_dir() else set()

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def write(self, name: str, data: bytes | memoryview) -> None:
        atomic_write(self.folder / name, data, durable=self._power)

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        with atomic_stream(self.folder / name, durable=self._power) as stream:
            yield stream

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def whole(self) -> Iterator[BinaryIO]:
        path = self.folder / "whole.tmp"
        with path.open("wb") as stream:
            yield stream
            if self._power:
                stream.flush()
                os.fsync(stream.fileno())
        path.replace(self.output)
        self._settle()
        self.remove()

    def keep(self, names: list[str]) -> None:
        for name in self.names() - set(names):
            (self.folder / name).unlink()
        self.folder.rename(self.output)
        self._settle()

    def _settle(self) -> None:
        if self._power:
            sync_folder(self.output.parent)


class RemoteWork:
    """`NAME.scoring/` beside the output, or the output itself where it is a folder; objects appear whole."""

    def __init__(self, output: str, *, single: bool) -> None:
        self._output = output.rstrip("/")
        folder = f"{self._output}.scoring" if single else self._output
        self.place = folder
        self._system, self._path = _reach(folder)

    def names(self) -> set[str]:
        self._system.invalidate_cache()
        if not self._system.isdir(self._path):
            return set()
        return {each.rstrip("/").rpartition("/")[2] for each in self._system.ls(self._path, detail=False)}

    def read(self, name: str) -> bytes:
        found: bytes = self._system.cat_file(f"{self._path}/{name}")
        return found

    def write(self, name: str, data: bytes | memoryview) -> None:
        self._system.makedirs(self._path, exist_ok=True)
        self._system.pipe_file(f"{self._path}/{name}", bytes(data))

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        held = BytesIO()
        yield held
        self.write(name, held.getbuffer())

    def remove(self) -> None:
        for name in filter(is_own, self.names()):
            self._system.rm_file(f"{self._path}/{name}")

    @contextmanager
    def whole(self) -> Iterator[BinaryIO]:
        with fsspec.open(self._output, "wb") as stream:
            yield stream
        self.remove()

    def keep(self, names: list[str]) -> None:
        for name in filter(is_own, self.names() - set(names)):
            self._system.rm_file(f"{self._path}/{name}")


PLAN, MANIFEST = "_plan.json", "_manifest.json"
"""What a job is about, while it is not done; and what is in a folder that is whole."""


def is_own(name: str) -> bool:
    """Whether a file is a job's."""
    return name.startswith("part-") or name in (PLAN, MANIFEST)


def is_remote(name: str) -> bool:
    """Whether a name is a URL of fsspec."""
    return "://" in name


def open_work(output: str, *, single: bool, power: bool = False) -> LocalWork | RemoteWork:
    """Where the parts of an output are; with `power` what is written here survives a power cut."""
    return RemoteWork(output, single=single) if is_remote(output) else LocalWork(Path(output), power=power)


def _reach(url: str) -> tuple[Any, str]:
    """The filesystem behind a URL, and the path in it."""
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise NotScorable(
            f"{url} cannot be written: {error}.", remedy="Install its driver; for s3://: pip install 'modelyard[s3]'."
        ) from error
    return system, path


def write_whole(target: str, data: bytes) -> None:
    """Write a small file, here or behind a URL."""
    if is_remote(target):
        system, path = _reach(target)
        system.pipe_file(path, data)
    else:
        atomic_write(Path(target), data)


def exists(output: str) -> bool:
    """Whether there is something at a path or URL."""
    if is_remote(output):
        system, path = _reach(output)
        return bool(system.exists(path))
    return Path(output).exists()


@contextmanager
def alone(work: Work, output: str) -> Iterator[None]:
    """Hold a local output, one process at a time; the lock goes with the process, however it ends."""
    if not isinstance(work, LocalWork):
        yield
        return
    with alone_at_once(work.folder.with_name(f"{work.folder.name}.lock"), remove=True) as taken:
        if not taken:
            raise OutputTaken(
                f"{output} is being written by another process.", code="JOB_UNDER_WAY", remedy="Wait for it to end."
            )
        yield
