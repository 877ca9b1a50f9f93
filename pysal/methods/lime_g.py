"""LIME-G: LIME where a generator fills the superpixels that are off."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.classifier import Classifier
from pysal.compose import Composer, Segmented
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.methods.lime_model import Bools, draw_rows, explain_rows, resolve
from pysal.perturb.filled import Inpainted
from pysal.perturb.superpixels import Labels, label_maps
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def lime_g(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    filler: str | os.PathLike[str] | Filler = "learnt",
    samples: int = 1000,
    segments: Literal["slic", "quickshift"] | NDArray[np.integer] = "slic",
    num_segments: int = 50,
    compactness: float = 30.0,
    sigma: float = 3.0,
    kernel_size: float = 4,
    max_dist: float = 200,
    ratio: float = 0.2,
    segment_seed: int = 42,
    keep: float = 0.5,
    kernel_width: float = 0.25,
    alpha: float = 1.0,
    labels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Fit the score as a sum over superpixels, those that are off being filled by a generator.

    As `lime`; the hole of a version is the union of its superpixels that are off.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    filler : str, path or Filler
        As `pysal.fillers.open_filler` takes it; called for every version.
    samples, segments, num_segments, compactness, sigma, kernel_size, max_dist, ratio, segment_seed
        As for `lime`.
    keep, kernel_width, alpha, labels
        As for `lime`.
    seed : int or sequence of N int
        Of the switches, and of fillers that draw.
    progress : callable, optional
        Called as progress(done, total), in versions.

    Returns
    -------
    Attribution
        As that of `lime`.

    Raises
    ------
    OptionError, ShapeError
        If an option is outside its allowed values, or given segments do not fit the images.
    MissingDependencyError
        If the filler, or the segmentation, needs a package that is not installed.
    CapabilityError
        If a score is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or a map is constant: no version changes the
        score, or there is one segment only.

    Notes
    -----
    Needs: score. Cost: N * (samples + 1) forward and N * samples fillings (one per image where the
    filler is static). Differs from [1]_: every version is filled; its loop leaves a last batch that
    is not full as it is.

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, LIME-G; code
       github.com/anguyen8/generative-attribution-methods at f90de75c. Methods specification 5.3.
    """
    options = resolve("lime_g", locals())
    work = Work(clf, batch, target, "lime_g")
    seed_of = seeds("lime_g", seed, len(work))
    opened = open_filler(filler, clf.preprocess, owner="lime_g")
    found = label_maps("lime_g", segments, work.batch, clf.preprocess, options)
    rows = draw_rows("lime_g", found, seed_of, options)
    compose = _composer(work, opened, found, rows, seed_of)
    options = {"filler": opened.description, **options}
    return explain_rows("lime_g", work, compose, rows, found, options, progress)


def _composer(
    work: Work, filler: Filler, labels: Labels, rows: Bools, seed: NDArray[np.uint64]
) -> Composer:
    """Segments of a baseline image where the filler has one, else holes filled one by one."""
    if filler.static:
        on = to_like(rows.view(np.uint8), work.x)
        return Segmented(work.x, filler.image(work.x, seed), to_like(labels, work.x), on)

    def keep(image: int, first: int, count: int) -> Bools:
        known: Bools = rows[image, first : first + count][:, labels[image]]
        return known

    return Inpainted(filler, work.batch, keep, seed)
