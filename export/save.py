"""Write models to disk: whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import onnx

from pysal.errors import InputError, ModelFormatError

from .passes.read import SIZE_LIMIT


def save_model(model: onnx.ModelProto, path: str | os.PathLike[str]) -> Path:
    """Write a model through a temporary file in the same folder.

    Raises
    ------
    ModelFormatError
        If the model exceeds 2 GB.
    InputError
        If the folder does not exist or cannot be written.
    """
    path = Path(path)
    size = model.ByteSize()
    if size > SIZE_LIMIT:
        raise ModelFormatError(f"the gradient model has {size / 2**30:.1f} GB; protobuf allows 2")
    if not path.parent.is_dir():
        raise InputError(f"folder {path.parent} does not exist; create it or write elsewhere")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    except OSError as error:
        raise InputError(f"cannot write to {path.parent}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(model.SerializeToString())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return path


def _umask() -> int:
    """Permission bits that new files of this process do not get."""
    current = os.umask(0)
    os.umask(current)
    return current
