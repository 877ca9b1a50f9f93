"""SP-G: a patch that a generator fills takes the score away, at every position of a grid."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.classifier import Classifier
from pysal.compose import Composer, Patched
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.perturb.filled import Inpainted
from pysal.perturb.sliding import UPSAMPLINGS, Upsampling, slide
from pysal.perturb.windows import Windows, make_windows
from pysal.types import Array, Attribution, Target
from pysal.values import choice, seeds
from pysal.work import Work


def sp_g(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    filler: str | os.PathLike[str] | Filler = "learnt",
    patch: int | tuple[int, int] = 29,
    stride: int | tuple[int, int] = 3,
    upsampling: Upsampling = "centred",
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Show what the score loses when a patch of the image is replaced by what a generator makes.

    As `sliding_patch`, with each patch filled from what surrounds it.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    filler : str, path or Filler
        As `pysal.fillers.open_filler` takes it; called for every patch.
    patch, stride, upsampling
        As for `sliding_patch`.
    seed : int or sequence of N int
        Of fillers that draw. One number gives every image the same draws.
    progress : callable, optional
        Called as progress(done, total), in patched images.

    Returns
    -------
    Attribution
        As that of `sliding_patch`.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.
    MissingDependencyError
        If the filler needs a package that is not installed.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01.

    Notes
    -----
    Needs: score. Cost: N * (n_h * n_w + 1) forward and as many fillings less one (of one image each
    where the filler is static): 4,356 per image of 224 x 224, in batches of the engine's. The
    network sees the known pixels as they were. Differs from [1]_: the threshold that makes holes of
    masks does not look at the batch, because masks are binary here.

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, SP-G; code github.com/anguyen8/generative-attribution-methods
       at f90de75c. Methods specification 5.1 and 10.
    """
    work = Work(clf, batch, target, "sp_g")
    windows = make_windows("sp_g", patch, stride, work.size)
    choice("sp_g", "upsampling", upsampling, UPSAMPLINGS)
    seed_of = seeds("sp_g", seed, len(work))
    opened = open_filler(filler, clf.preprocess, owner="sp_g")
    options = {"filler": opened.description, "patch": patch, "stride": stride, "seed": seed}
    compose = _composer(work, opened, windows, seed_of)
    return slide(work, compose, windows, upsampling, options, progress)


def _composer(work: Work, filler: Filler, windows: Windows, seed: NDArray[np.uint64]) -> Composer:
    """Patches of a baseline image where the filler has one, else filled one by one."""
    if filler.static:
        fill = filler.image(work.x, seed)
        return Patched(work.x, fill, to_like(windows.corners, work.x), windows.patch)
    return Inpainted(
        filler, work.batch, lambda image, first, count: windows.keep(first, count), seed
    )
