"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pysal.errors import InputError


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it; the folder is made where it is missing.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    except OSError as error:
        raise InputError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        os.unlink(temporary)
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `path` when the block ends without an error.

    Raises
    ------
    InputError
        If the folder that it goes into does not exist or cannot be written.
    """
    if not path.parent.is_dir():
        raise InputError(f"folder {path.parent} does not exist; create it or write elsewhere")
    try:
        filled = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    except OSError as error:
        raise InputError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        yield filled
        os.chmod(filled, 0o777 & ~_umask())
        _replace(filled, path)
    finally:
        shutil.rmtree(filled, ignore_errors=True)


def _replace(filled: Path, path: Path) -> None:
    """Move a folder to a place where another one may be."""
    if not path.exists():
        os.rename(filled, path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    os.rename(path, old / "old")
    try:
        os.rename(filled, path)
    except OSError:
        os.rename(old / "old", path)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    """Permission bits that new files of this process do not get."""
    current = os.umask(0)
    os.umask(current)
    return current
