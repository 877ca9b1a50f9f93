"""What `pysal explain` reads, writes and prints for each image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pysal.cli.console import emit, emit_json, note
from pysal.cli.interrupt import interruptible
from pysal.errors import InputError, ShapeError
from pysal.photos import count_photos, load_photos
from pysal.progress import bar, scaled

if TYPE_CHECKING:
    from pysal.classifier import Classifier
    from pysal.explainer import Explainer
    from pysal.types import Attribution


def read_image(path: Path) -> Any:
    """The array of a .npy file, in the forms that `pysal.explain` takes; other paths as they are.

    Raises
    ------
    InputError
        If the file is not there or holds no array.
    """
    if path.suffix != ".npy":
        return path
    try:
        return np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}; give an existing file") from None
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: holds no array ({error}); write it with numpy.save") from None


def check_image(classifier: Classifier, path: Path) -> None:
    """Read an image and forget it; an error starts with the path."""
    image = read_image(path)
    if (count := count_photos(image)) != 1:
        raise InputError(f"{path}: holds {count} images; give one image per file")
    try:
        load_photos(image, classifier.preprocess, classifier.info.input_shape)
    except (InputError, ShapeError) as error:
        # Arrays have no name of their own.
        text = str(error).removeprefix("image_0").removeprefix(": ")
        raise type(error)(text if str(path) in text else f"{path}: {text}") from error


def usable(classifier: Classifier, paths: Sequence[Path]) -> list[Path]:
    """The images that can be read; the others are reported, one line each."""
    good = []
    for path in paths:
        try:
            check_image(classifier, path)
        except (InputError, ShapeError) as error:
            note(f"error: {error}")
        else:
            good.append(path)
    return good


def write(
    explainer: Explainer,
    paths: Sequence[Path],
    target: int | None,
    out: Path,
    batch_size: int,
    as_json: bool,
) -> None:
    """Explain images chunk by chunk, write their files and print a result for each."""
    names = unique_names(paths)
    for start in range(0, len(paths), batch_size):
        part = paths[start : start + batch_size]
        text = f"explaining {start + 1} to {start + len(part)} of {len(paths)}"
        # The bar is gone before the results of its chunk are printed, so lines never mix.
        with interruptible(), bar(text) as progress:
            attribution = explainer(
                [read_image(path) for path in part],
                target,
                progress=scaled(progress, start, len(part), len(paths)),
            )
        named = dataclasses.replace(attribution, names=names[start : start + len(part)])
        for record in records(named, part, named.save(str(out))):
            emit_json(record) if as_json else emit(human(record))


def unique_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """File names for results: the stems, numbered where two images share one."""
    taken: set[str] = set()
    names = []
    for path in paths:
        name, number = path.stem, 0
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}_{number}"
        taken.add(name.casefold())
        names.append(name)
    return tuple(names)


def records(
    attribution: Attribution, paths: Sequence[Path], files: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One JSON-ready record per image; passes and seconds are means over its batch."""
    count = len(paths)
    per_image = len(files) // count
    passes, model = attribution.passes, attribution.model
    for row, path in enumerate(paths):
        index = int(attribution.target.index[row])
        yield {
            "image": str(path),
            "method": attribution.method,
            "target": index,
            "label": model.label(index) if model is not None else f"class {index}",
            "kind": attribution.target.kind,
            "score": float(attribution.score[row]),
            "passes": {"forward": passes.forward / count, "backward": passes.backward / count},
            "seconds": attribution.seconds / count,
            "engine": model.engine if model is not None else "",
            "files": list(files[row * per_image : (row + 1) * per_image]),
        }


def human(record: dict[str, Any]) -> str:
    """A record as one line to read."""
    passes = record["passes"]
    return (
        f"{record['image']}: {record['target']} {record['label']}, {record['kind']} "
        f"{record['score']:.4g}, {passes['forward']:.0f} forward + {passes['backward']:.0f} "
        f"backward in {record['seconds']:.2f} s on {record['engine']}, "
        f"wrote {' '.join(record['files'])}"
    )
