"""One run at a time in a folder."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from pysal.errors import InputError


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, which says who holds it.

    The system releases the lock when its process ends, in whatever way: a file that is left behind
    by a killed process holds nobody up.

    Raises
    ------
    InputError
        If another run holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor):
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another run"
            raise InputError(
                f"{path.parent}: is in use by {holder}; wait for it, stop it, or give another "
                "folder"
            )
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    """Whether the lock was free and is ours now."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # Past the text, which other processes shall be able to read.
            os.lseek(descriptor, 4096, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if sys.platform == "win32":
            os.lseek(descriptor, 0, os.SEEK_SET)
        return False
    return True
