"""Occlusion: what windows take from the score, on all pixels that they cover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Patched
from pysal.perturb.sliding import window_scores
from pysal.perturb.windows import BORDERS, Border, make_windows
from pysal.types import Array, Attribution, Target
from pysal.values import choice
from pysal.work import Work

OVERLAPS: dict[str, str] = {
    "add": "sum over the windows that cover the pixel (the PAIR library)",
    "average": "their mean (captum)",
}


def occlusion(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    patch: int | tuple[int, int] = 15,
    stride: int | tuple[int, int] = 1,
    baseline: str | NDArray[np.generic] = "zero",
    overlap: Literal["add", "average"] = "add",
    border: Border = "inside",
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Give every pixel what the windows that cover it take from the score.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    patch : int or (height, width)
        Size of the window in pixels.
    stride : int or (vertical, horizontal)
        Pixels between windows.
    baseline : str or ndarray
        What the window shows, as `make_baseline` takes it; "zero" is 0 in model space.
    overlap : {"add", "average"}
        How the windows of a pixel are put together; with "average" a pixel that none covers has 0.
    border : {"inside", "cut"}
        Which windows there are at the lower and right border: see `pysal.perturb.windows.BORDERS`.
    progress : callable, optional
        Called as progress(done, total), in occluded images.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W), signed; unit: score, times windows with "add". `trace`: "drop"
        (N, n_h, n_w), the score less that under each window.

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
    Needs: score. Cost: N * (n_h * n_w + 1) forward, 44,101 per image of 224 x 224 with the
    defaults; stride=8 takes 730. Sums are in float64. [1]_ is the default, [2]_ overlap="average"
    with border="cut".

    References
    ----------
    .. [1] Occlusion in the PAIR saliency library, github.com/PAIR-code/saliency at 7b72b673: window
       15, stride 1, value 0. After Zeiler, Fergus, "Visualizing and Understanding Convolutional
       Networks", ECCV 2014.
    .. [2] Occlusion in captum, github.com/pytorch/captum at faac0877. Methods specification 5.1.
    """
    work = Work(clf, batch, target, "occlusion")
    choice("occlusion", "overlap", overlap, OVERLAPS)
    choice("occlusion", "border", border, BORDERS)
    windows = make_windows("occlusion", patch, stride, work.size, border)
    fill = clf.to_device(make_baseline(baseline, work.batch, clf.preprocess))
    compose = Patched(work.x, fill, to_like(windows.corners, work.x), windows.patch)
    drop = window_scores(work, compose, windows, progress)
    native = windows.spread(drop)
    if overlap == "average":
        native /= np.maximum(windows.cover(), 1)
    options = {
        "patch": patch,
        "stride": stride,
        "baseline": baseline if isinstance(baseline, str) else "given",
        "overlap": overlap,
        "border": border,
    }
    return work.finish(native.astype(np.float32), options, trace={"drop": drop})
