"""SP: how much of the score a patch takes away, at every position of a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Patched
from pysal.perturb.sliding import UPSAMPLINGS, Upsampling, slide
from pysal.perturb.windows import make_windows
from pysal.types import Array, Attribution, Target
from pysal.values import choice
from pysal.work import Work


def sliding_patch(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    patch: int | tuple[int, int] = 29,
    stride: int | tuple[int, int] = 3,
    baseline: str | NDArray[np.generic] = "mean",
    upsampling: Upsampling = "centred",
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Show what the score loses when a patch hides that part of the image.

    `A[i, j] = F_c(x) - F_c(x with a patch at (i, j))`, for all patches inside of the image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    patch : int or (height, width)
        Size of the patch in pixels; the paper 29, the default of its code 77.
    stride : int or (vertical, horizontal)
        Pixels between positions.
    baseline : str or ndarray
        What the patch shows, as `make_baseline` takes it.
    upsampling : {"centred", "aligned", "placed"}
        How the native map becomes one of (H, W): see `pysal.perturb.sliding.UPSAMPLINGS`.
    progress : callable, optional
        Called as progress(done, total), in patched images.

    Returns
    -------
    Attribution
        `native` of shape (N, n_h, n_w), n = floor((H - patch) / stride) + 1 (66 for 224), in
        [-1, 1] for probabilities; negative where the patch raises the score. `map` is its bilinear
        upsampling.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01.

    Notes
    -----
    Needs: score. Cost: N * (n_h * n_w + 1) forward; 4,357 per image of 224 x 224. Patched images
    are written into the network's input one batch at a time; no mask is stored. Differs from [1]_:
    nothing in the native map; how it is upsampled is not published. Stretched over the image, as
    by default, the map is up to half a patch off at the borders: "placed" is not.

    References
    ----------
    .. [1] Zeiler, Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014; in the
       form, and with the values, of SP in Agarwal, Nguyen, "Explaining Image Classifiers by
       Removing Input Features Using Generative Models", ACCV 2020. Methods specification 5.1.
    """
    work = Work(clf, batch, target, "sliding_patch")
    windows = make_windows("sliding_patch", patch, stride, work.size)
    choice("sliding_patch", "upsampling", upsampling, UPSAMPLINGS)
    fill = clf.to_device(make_baseline(baseline, work.batch, clf.preprocess))
    compose = Patched(work.x, fill, to_like(windows.corners, work.x), windows.patch)
    options = {
        "patch": patch,
        "stride": stride,
        "baseline": baseline if isinstance(baseline, str) else "given",
    }
    return slide(work, compose, windows, upsampling, options, progress)
