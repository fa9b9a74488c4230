"""Secrets reach the step that declares them, and nothing that is kept."""

import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from ..errors import InvalidPipeline
from ..graph import Graph

_MASK = b"***"


def require_secrets(graph: Graph) -> None:
    """InvalidPipeline names every declared variable that this process does not have."""
    lacking = [(name, node.name) for node in graph.nodes for name in node.options.secrets if not os.environ.get(name)]
    if lacking:
        told = ", ".join(f"{name} (step '{step}')" for name, step in lacking)
        raise InvalidPipeline(f"Secrets are not in the environment: {told}.", remedy="Set them and run again.")


class Masked:
    """Replaces the values of secrets in text and JSON, as they are and as URLs and Python write them."""

    def __init__(self, names: Sequence[str]) -> None:
        values = [os.environ[name] for name in names if os.environ.get(name)]
        spelled = {each for value in values for each in (value, quote(value, safe=""), repr(value)[1:-1])}
        self._values = sorted((each.encode() for each in spelled), key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._values)

    def bytes(self, data: bytes) -> bytes:
        """Bytes without them."""
        for value in self._values:
            data = data.replace(value, _MASK)
        return data

    def text(self, text: str) -> str:
        """Text without them."""
        return self.bytes(text.encode(errors="surrogateescape")).decode(errors="surrogateescape") if self else text

    def json(self, value: Any) -> Any:
        """A JSON value without them."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.json(each) for key, each in value.items()}
        return [self.json(each) for each in value] if isinstance(value, list) else value

    @contextmanager
    def output(self) -> Iterator[None]:
        """Mask what this process and its children write to standard output and error, before it goes anywhere."""
        if not self:
            yield
            return
        together = os.path.sameopenfile(1, 2)  # in the order in which they were written
        filters = [_Filter(each, self) for each in ([(1, 2)] if together else [(1,), (2,)])]
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            for each in filters:
                each.close()

    @property
    def longest(self) -> int:
        """Bytes of the longest."""
        return max(map(len, self._values), default=0)


class _Filter:
    """Puts itself in the place of descriptors of one file, and hands on what comes through without secrets."""

    def __init__(self, descriptors: tuple[int, ...], masked: Masked) -> None:
        self._descriptors, self._masked = descriptors, masked
        self._onward = os.dup(descriptors[0])
        self._reader, writer = os.pipe()
        for each in descriptors:
            os.dup2(writer, each)
        os.close(writer)
        self._thread = threading.Thread(target=self._pass_on, daemon=True, name="mask-secrets")
        self._thread.start()

    def close(self) -> None:
        for each in self._descriptors:
            os.dup2(self._onward, each)
        self._thread.join(5)  # a child process that goes on may hold the pipe open
        if not self._thread.is_alive():
            os.close(self._onward)

    def _pass_on(self) -> None:
        held = b""
        keep = self._masked.longest - 1  # a secret may have come in part
        while piece := os.read(self._reader, 1 << 16):
            held = self._masked.bytes(held + piece)
            ready = max(0, len(held) - keep)
            _write(self._onward, held[:ready])
            held = held[ready:]
        _write(self._onward, held)
        os.close(self._reader)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@contextmanager
def given_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables of the environment for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def without(names: Sequence[str]) -> Iterator[None]:
    """Take variables out of the environment for a while."""
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
