"""Write maps, overlays and manifests of an attribution, one set of files per image."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib.metadata
import io
import json
import math
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pysal.errors import InputError, ShapeError
from pysal.heatmap import is_constant, overlay
from pysal.types import Attribution, ModelInfo

MAX_LISTED = 64
"""Arrays of options with more elements are described in the manifest, not listed."""


def save_attribution(attribution: Attribution, folder: str | Path) -> list[str]:
    """Write `NAME.overlay.png`, `NAME.npy` and `NAME.json` for every image.

    Parameters
    ----------
    attribution : Attribution
    folder : str or Path
        Created where it does not exist. Files of the same names are replaced, each at once: at no
        time is there a half-written one.

    Returns
    -------
    list of str
        Paths, three per image: the overlay at the size of the map (the map alone where the
        attribution has no images), the native map (h, w) as float32, and the manifest, strict JSON
        (infinite numbers and NaN as text).

    Raises
    ------
    InputError
        If the folder is a file or cannot be written to.
    ShapeError
        If a map has NaN or infinite values; nothing is written then.

    Warns
    -----
    ConstantMapWarning
        If a map has the same value everywhere; its manifest says so too.
    """
    if not (np.isfinite(attribution.map).all() and np.isfinite(attribution.native).all()):
        raise ShapeError(f"maps of {attribution.method} have NaN or infinite values; nothing saved")
    folder = Path(folder)
    images = attribution.images
    plain = np.zeros((*attribution.map.shape, 3), np.float32)
    pictures = overlay(
        plain if images is None else images, attribution.map, alpha=1.0 if images is None else 0.5
    )
    constant = is_constant(attribution.native)
    paths: list[str] = []
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for row, name in enumerate(_file_names(attribution)):
            manifest = {"name": name, **_manifest(attribution, row, bool(constant[row]))}
            contents = {
                ".overlay.png": _png(pictures[row]),
                ".npy": _npy(attribution.native[row]),
                ".json": json.dumps(manifest, indent=1, allow_nan=False).encode() + b"\n",
            }
            for suffix, content in contents.items():
                paths.append(str(folder / f"{name}{suffix}"))
                write_file(Path(paths[-1]), content)
    return paths


def check_folder(folder: Path) -> None:
    """See that a folder can be made and written to, so that this fails before the work.

    Raises
    ------
    InputError
        If it is a file, lies below one, or is read-only.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    with _writing(folder):
        if not there.is_dir():
            raise NotADirectoryError
        if not os.access(there, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def write_file(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def json_value(value: Any) -> Any:
    """Return the nearest strict JSON value: records as objects, odd floats and objects as text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, np.generic):
        return json_value(value.item())
    if isinstance(value, np.ndarray):
        if value.size > MAX_LISTED:
            return {"shape": list(value.shape), "dtype": str(value.dtype)}
        return json_value(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(item) for item in value]
    if hasattr(value, "to_dict"):
        return json_value(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: json_value(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return str(getattr(value, "__name__", value))


def _manifest(attribution: Attribution, row: int, constant: bool) -> dict[str, Any]:
    """Everything needed to know what a map is and to make it again."""
    model, index = attribution.model, int(attribution.target.index[row])
    passes, count = attribution.passes, max(len(attribution), 1)
    record = {
        "method": attribution.method,
        "options": attribution.options,
        "target": {
            "index": index,
            "label": model.label(index) if model is not None else f"class {index}",
            "kind": attribution.target.kind,
        },
        "score": attribution.score[row],
        "passes": {
            "per_image": {
                "forward": passes.forward / count,
                "backward": passes.backward / count,
            },
            "total": {"forward": passes.forward, "backward": passes.backward, "images": count},
        },
        "seconds": attribution.seconds,
        "map": {
            "native_shape": attribution.native.shape[1:],
            "shape": attribution.map.shape[1:],
            "min": attribution.native[row].min(),
            "max": attribution.native[row].max(),
            "constant": constant,
        },
        "model": None if model is None else _model(model),
        "versions": {
            "pysal": _version(),
            "numpy": np.__version__,
            **(model.versions if model is not None else {}),
        },
    }
    out: dict[str, Any] = json_value(record)
    return out


def _model(model: ModelInfo) -> dict[str, Any]:
    """Which model it was, and what ran it; how its precision compared, where that was not fp32."""
    record: dict[str, Any] = {"name": model.name, "sha256": model.sha256, "engine": model.engine}
    if model.precision_check:
        record["precision_check"] = model.precision_check
    return record


def _version() -> str:
    """Version of the installed package."""
    try:
        return importlib.metadata.version("pysal-saliency")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _file_names(attribution: Attribution) -> list[str]:
    """One file name per image: safe on every system, and no two alike."""
    names: list[str] = []
    taken: set[str] = set()
    for row in range(len(attribution)):
        given = attribution.names[row] if row < len(attribution.names) else f"image_{row}"
        safe = re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", given).strip(". ")[:200] or f"image_{row}"
        name, number = safe, 0
        while name.casefold() in taken:
            number += 1
            name = f"{safe}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


def _png(picture: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    """PNG file of an RGB image."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def _npy(native: np.ndarray[Any, np.dtype[np.float32]]) -> bytes:
    """NPY file of a map."""
    buffer = io.BytesIO()
    np.save(buffer, native.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn failures of the file system into one line."""
    try:
        yield
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{folder}: is a file or lies below one; give a folder") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{folder}: cannot be written to ({reason}); give another folder"
        ) from None
