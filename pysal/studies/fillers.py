"""Comparison of fillers: how well they remove an object, and how natural the result is."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.photos import Photos, count_photos, iter_photos
from pysal.similarity.lpips import Distance, open_lpips
from pysal.similarity.ms_ssim import ms_ssim
from pysal.studies.labels import check_count, class_index
from pysal.types import Passes
from pysal.values import choice, seeds, whole

OWNER = "compare_fillers"
REAL = "real"
MEASURES = ("accuracy", "ms_ssim", "lpips")
FILLERS = ("blur10", "mean", "learnt", "noise")
Float = NDArray[np.float64]
Spec = str | os.PathLike[str] | Filler


@dataclasses.dataclass(frozen=True)
class FillerComparison:
    """What a classifier, and similarity measures, say of filled images.

    Attributes
    ----------
    values : mapping of str to mapping of str to ndarray of shape (N,), float64
        Measure -> filler -> value of every image; the first filler is "real", the image as it is.
        "accuracy" is 1 where the top class is the label; "ms_ssim" (lower = more removed) and
        "lpips" (higher = more removed) compare with the real image. NaN for images whose mask is
        empty.
    descriptions : mapping of str to str
        Filler -> its name and options.
    labels : ndarray of shape (N,), int
    names : tuple of str
        Of the images.
    passes : Passes
        Of the classifier.
    seconds : float
    """

    values: Mapping[str, Mapping[str, Float]]
    descriptions: Mapping[str, str]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    passes: Passes
    seconds: float

    @property
    def count(self) -> int:
        """Number of images that count, those with a mask."""
        first = next(iter(next(iter(self.values.values())).values()))
        return int((~np.isnan(first)).sum())

    def table(self) -> dict[str, dict[str, float]]:
        """Filler -> measure -> mean over the images that count; NaN where there is none."""
        found: dict[str, dict[str, float]] = {}
        for measure, rows in self.values.items():
            for filler, row in rows.items():
                known = row[~np.isnan(row)]
                mean = float(known.mean()) if len(known) else float("nan")
                found.setdefault(filler, {})[measure] = mean
        return found


def compare_fillers(
    clf: Classifier,
    images: Any,
    labels: ArrayLike,
    masks: ArrayLike,
    *,
    fillers: Sequence[Spec] | Mapping[str, Spec] = FILLERS,
    measures: Sequence[str] = ("accuracy", "ms_ssim"),
    net: str = "alex",
    seed: int | Sequence[int] = 0,
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> FillerComparison:
    """Fill the masks of images and ask what is left of the object.

    Parameters
    ----------
    clf : Classifier
    images : path, PIL image, ndarray, or list of these
        As `pysal.explain` takes them.
    labels : array_like of shape (N,), int
    masks : array_like of shape (N, H, W), bool
        True where the object is, at the size of the model's input. An image without any does not
        count.
    fillers : sequence, or mapping of str, to names, paths or Filler
        See `open_filler`; without names of their own they are called by theirs.
    measures : sequence of {"accuracy", "ms_ssim", "lpips"}
        "ms_ssim" takes images from 161 pixels on; "lpips" needs the package of that name.
    net : {"alex", "vgg", "squeeze"}
        Backbone of LPIPS.
    seed : int, or sequence of N int
        Of random fillers.
    batch_size : int
        Images filled together; changes no result.
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    FillerComparison

    Raises
    ------
    OptionError
        If an option, a label or their number is wrong, or a filler is unknown.
    ShapeError
        If masks do not fit, or images are too small for a measure.
    MissingDependencyError, CapabilityError
        If a filler or measure needs what is not there.

    Notes
    -----
    Cost: 1 forward per image and filler, and 1 for the image itself. The noise, the size of images
    and the form of LPIPS are not published: compare the order of fillers.

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, table 1; metrics specification 9.
    """
    begin = time.perf_counter()
    index = class_index(OWNER, labels, clf.info.num_classes)
    check_count(OWNER, count_photos(images), len(index))
    whole(OWNER, "batch_size", batch_size)
    chosen = _measures(measures)
    holes = _masks(masks, len(index), clf.info.input_shape[1:])
    keys = seeds(OWNER, seed, len(index))
    opened = _open(clf, fillers)
    judge = _Judge(clf, chosen, open_lpips(net) if "lpips" in chosen else None)
    empty = np.asarray(~holes.any(axis=(1, 2)))
    values = {m: {name: np.empty(len(index)) for name in (REAL, *opened)} for m in chosen}
    names: tuple[str, ...] = ()
    for photos in iter_photos(images, clf.preprocess, clf.info.input_shape, batch_size):
        rows = slice(len(names), len(names) + len(photos))
        names += photos.names
        for name, filler in ((REAL, None), *opened.items()):
            filled = photos.batch
            if filler is not None:
                filled = filler.fill(photos.batch, ~holes[rows], keys[rows])
            for measure, row in judge(photos, filled, index[rows]).items():
                values[measure][name][rows] = np.where(empty[rows], np.nan, row)
        if progress is not None:
            progress(rows.stop, len(index))
    return FillerComparison(
        values=values,
        descriptions={name: filler.description for name, filler in opened.items()},
        labels=index,
        names=names,
        passes=judge.passes,
        seconds=time.perf_counter() - begin,
    )


class _Judge:
    """The measures, and the passes they took."""

    def __init__(self, clf: Classifier, measures: Sequence[str], lpips: Distance | None) -> None:
        self._clf, self._measures, self._lpips = clf, measures, lpips
        self.passes = Passes()

    def __call__(
        self, photos: Photos, filled: NDArray[np.float32], index: NDArray[np.int64]
    ) -> dict[str, Float]:
        """Value of every image, (n,), by measure."""
        found: dict[str, Float] = {}
        if "accuracy" in self._measures:
            top = self._clf.score(filled, "logit").argmax(axis=1)
            self.passes += Passes(len(filled), 0)
            found["accuracy"] = (top == index).astype(np.float64)
        if found.keys() != set(self._measures):
            rgb, real = (255 * self._rgb(x) for x in (filled, photos.batch))
            if "ms_ssim" in self._measures:
                found["ms_ssim"] = ms_ssim(rgb, real)
            if self._lpips is not None:
                found["lpips"] = self._lpips(rgb, real)
        return found

    def _rgb(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip(self._clf.preprocess.denormalize(batch), 0, 1)


def _open(clf: Classifier, fillers: Sequence[Spec] | Mapping[str, Spec]) -> dict[str, Filler]:
    """Fillers by name, each once."""
    if isinstance(fillers, str | os.PathLike | Filler):
        fillers = [fillers]
    pairs: list[tuple[str | None, Spec]]
    named = isinstance(fillers, Mapping)
    pairs = list(fillers.items()) if named else [(None, spec) for spec in fillers]  # type: ignore[union-attr]
    found: dict[str, Filler] = {}
    for name, spec in pairs:
        filler = open_filler(spec, clf.preprocess, owner=OWNER)
        name = name or filler.name
        if name in found or name == REAL:
            raise OptionError(
                f'{OWNER}: filler "{name}" is there already; give a mapping with other names'
            )
        found[name] = filler
    if not found:
        raise OptionError(f"{OWNER}: fillers has 0 entries; give at least one")
    return found


def _measures(measures: Sequence[str]) -> list[str]:
    """Measures, each once."""
    given = [measures] if isinstance(measures, str) else list(measures)
    if not given:
        raise OptionError(f"{OWNER}: measures has 0 entries; use some of {', '.join(MEASURES)}")
    return [choice(OWNER, "measures", name, MEASURES) for name in dict.fromkeys(given)]


def _masks(masks: ArrayLike, count: int, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Masks (N, H, W), True in the hole."""
    given = np.asarray(masks)
    if given.shape != (count, *size) or not np.isin(given, (0, 1)).all():
        raise ShapeError(
            f"{OWNER}: masks have dtype {given.dtype} and shape {given.shape}; expected bool "
            f"{(count, *size)}, True where the object is"
        )
    return given.astype(bool)
