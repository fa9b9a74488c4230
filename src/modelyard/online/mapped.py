"""Letting go of the pages of a mapped file, which stay in the system's cache."""

import ctypes
import mmap
import sys
from pathlib import Path

_MAPS = Path("/proc/self/maps")


def release_pages(file: Path) -> None:
    """Take the pages of a file that this process has mapped out of its resident memory.

    They come back from the system's cache, or the disk, when they are touched. For mappings that are shared and only
    read, as LMDB's is, whose writes go to the file: nothing is lost, and readers in other threads wait for no more than
    a page fault (madvise(2), MADV_DONTNEED). Does nothing where the system does not say what is mapped, as outside
    Linux, where a large write then looks as large as its file.
    """
    if sys.platform != "linux":
        return
    name, advise = str(file.resolve()), ctypes.CDLL(None, use_errno=True).madvise
    for line in _MAPS.read_text(errors="surrogateescape").splitlines():
        place, flags, _, _, _, *path = line.split(maxsplit=5)
        if path == [name] and flags.endswith("s"):
            start, end = (int(each, 16) for each in place.split("-"))
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
