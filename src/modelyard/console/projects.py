"""Projects for requests: each serves one request at a time, for one caller, and is kept for the next one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from modelyard.access import Principal
from modelyard.wiring import FILE_NAME, Project

_KEPT = 8
"""Projects that wait for the next request at most; opening one costs some hundredths of a second."""


class Projects:
    """Hands the project out to whoever asks, safe for several threads; a project itself is for one at a time.

    Each is opened for a principal, so that everything done with it is done in his name. When the project file has
    changed, those opened before are not handed out any more; one that is wrong now is refused until it is right.
    """

    def __init__(self, project: Project) -> None:
        self.first = project
        self._file = project.file.folder / FILE_NAME
        self._lock = threading.Lock()
        self._free: list[tuple[Principal, float, Project]] = []
        self._closed = False

    @contextmanager
    def opened(self, principal: Principal) -> Iterator[Project]:
        """The project, for the block and this principal alone."""
        read = self._changed()
        project = self._taken(principal, read) or self.first.another(principal=principal)
        try:
            yield project
        except BaseException:
            project.close()  # whatever state it is in, nobody else sees it
            raise
        self._keep(principal, read, project)

    def close(self) -> None:
        """Close those that wait. Those in use are closed when their request ends."""
        with self._lock:
            free, self._free, self._closed = self._free, [], True
        for _, _, project in free:
            project.close()

    def _taken(self, principal: Principal, read: float) -> Project | None:
        with self._lock:
            for place in range(len(self._free) - 1, -1, -1):
                if self._free[place][:2] == (principal, read):
                    return self._free.pop(place)[2]
        return None

    def _keep(self, principal: Principal, read: float, project: Project) -> None:
        with self._lock:
            self._free.append((principal, read, project))
            keep = 0 if self._closed else _KEPT
            gone, self._free = self._free[: max(0, len(self._free) - keep)], self._free[-keep:] if keep else []
        for _, _, each in gone:
            each.close()

    def _changed(self) -> float:
        try:
            return self._file.stat().st_mtime
        except FileNotFoundError:
            return 0.0
