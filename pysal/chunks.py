"""Many images as chunks that fit in memory: photos, targets and progress; errors name the image."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pysal.errors import InputError, OptionError, ShapeError
from pysal.options import accepts
from pysal.photos import Photos, count_photos, iter_photos
from pysal.progress import Progress, scaled
from pysal.types import Array, Passes, ScoreKind, Target

if TYPE_CHECKING:
    from pysal.classifier import Classifier

BATCH_SIZE = 16
"""Images that go through a method together where the caller does not say."""


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some of the images, ready for a method or metric.

    Attributes
    ----------
    rows : slice
        Where these images are among all of them.
    photos : Photos
    target : Target of length N
    passes : Passes
        What it took to find the target.
    progress : Progress or None
        Counts in any unit; stretched over the images of this chunk.
    """

    rows: slice
    photos: Photos
    target: Target
    passes: Passes
    progress: Progress | None

    def call(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a method or metric on this chunk; input errors get the names of the images."""
        if self.progress is not None and accepts(function, "progress"):
            options["progress"] = self.progress
        with naming(self.photos.names):
            return function(*args, **options)


def iter_chunks(
    classifier: Classifier,
    images: Any,
    targets: int | ArrayLike | Target | None = None,
    *,
    kind: ScoreKind | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Progress | None = None,
) -> Iterator[Chunk]:
    """Cut images into chunks, with the target of each image or its top class.

    Raises
    ------
    OptionError
        If the batch size, a target or their number is wrong; before any image is read.
    InputError, ShapeError
        If an image cannot be used; the line starts with its name.
    """
    check_batch_size(batch_size)
    num_images = count_photos(images)
    target = as_target(targets, kind)
    if target is not None:
        target = classifier.check_target(target, num_images)
    info = classifier.info
    done = 0
    for photos in iter_photos(images, classifier.preprocess, info.input_shape, batch_size):
        rows = slice(done, done + len(photos))
        chosen = target[rows] if target else _top_class(classifier, photos.batch, kind)
        yield Chunk(
            rows=rows,
            photos=photos,
            target=chosen,
            passes=Passes() if target else Passes(len(photos), 0),
            progress=scaled(progress, done, len(photos), num_images),
        )
        done = rows.stop
        if progress is not None:
            progress(done, num_images)


@contextlib.contextmanager
def naming(names: Sequence[str]) -> Iterator[None]:
    """Put the names of the images in front of errors about their content."""
    try:
        yield
    except (InputError, ShapeError) as error:
        subject = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
        if str(error).startswith(subject):
            raise
        raise type(error)(f"{subject}: {error}") from error


def warn_assumed(classifier: Classifier) -> None:
    """Say that nobody stated how photos become inputs of this model, where that is so."""
    if classifier.preprocess.assumed:
        name = classifier.info.name
        warnings.warn(
            f"{name} states no preprocessing and ImageNet's is assumed; compare records with "
            '"pysal info MODEL --probe PHOTO", then give preprocess=FILE.json (--preprocess)',
            UserWarning,
            stacklevel=4,
        )


def check_batch_size(batch_size: int) -> int:
    """Return `batch_size`; an OptionError if it is not a positive integer."""
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise OptionError(f"batch_size is {batch_size!r}; expected an integer of at least 1")
    return int(batch_size)


def as_target(targets: int | ArrayLike | Target | None, kind: ScoreKind | None) -> Target | None:
    """Targets in any of the accepted forms; None stays None."""
    if targets is None:
        return None
    if not isinstance(targets, Target):
        return Target(np.asarray(targets), kind or "probability")
    if kind is not None and kind != targets.kind:
        raise OptionError(
            f'kind is "{kind}" and the Target says "{targets.kind}"; leave one of them out'
        )
    return targets


def _top_class(classifier: Classifier, batch: Array, kind: ScoreKind | None) -> Target:
    """Class with the highest score, per image."""
    kind = kind or "probability"
    return Target(np.argmax(classifier.score(batch, kind), axis=1), kind)
