"""RISE: random masks, weighted by the score that they leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Gridded
from pysal.methods.rise_estimate import NORMALIZATIONS, estimate
from pysal.perturb.counted import counted
from pysal.perturb.drawn import GridDraw, distinct
from pysal.types import Array, Attribution, Target
from pysal.values import choice, flag, number, seeds, whole
from pysal.work import Work


def rise(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    samples: int = 4000,
    cells: int = 7,
    keep: float = 0.5,
    baseline: str | NDArray[np.generic] = "mean",
    normalization: Literal["expected", "covered"] = "expected",
    errors: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Average random masks, each weighted by the score of the image under it.

    `S = sum_i F_c(M_i * x + (1 - M_i) * x~) M_i / (V * keep)`. Masks are grids of cells that are 1
    with probability `keep`, upsampled bilinearly and shifted at random.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    samples : int
        V, masks per image; published 4,000 for VGG and 8,000 for ResNet. `trace` tells what more
        of them would bring: the standard error falls with their square root.
    cells : int
        Cells along each axis of a grid, from 1 to the image's size.
    keep : float in (0, 1)
        Probability that a cell shows the image. Published code varies: 7 cells and 0.5, or 8 and
        0.1, which is a very different method.
    baseline : str or ndarray
        What shows where a mask is 0, as `make_baseline` takes it.
    normalization : {"expected", "covered"}
        Divide by V * keep (published), or by what the masks add up to at the pixel, which takes out
        the noise that comes of unequal coverage.
    errors : bool
        Keep the standard error of every pixel in the trace.
    seed : int or sequence of N int
        One number gives every image the same masks.
    progress : callable, optional
        Called as progress(done, total), in masked images.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W): expected score where the pixel shows, from 0 to about 1 for
        probabilities. `trace`: "standard_error" and "standard_error_max" (N,), mean and largest
        standard error of the map's pixels; with `errors` "error_map" (N, H, W).

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or pixels show in no mask with "covered".

    Notes
    -----
    Needs: score. Cost: N * (samples + 1) forward. No mask is stored: grids are upsampled while
    images are written into the network's input, and added before they are upsampled for the sum,
    in float64 (`pysal.kernels.rise_accumulate`). Memory: 4 * samples * cells^2 bytes per seed.
    Differs from [1]_: nothing; its code for batches leaves the division by V * keep out.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box
       Models", BMVC 2018, equation 6 and section 3.2; code github.com/eclique/RISE at d91ea006.
       Methods specification 5.2.
    """
    work = Work(clf, batch, target, "rise")
    options = {
        "samples": whole("rise", "samples", samples, 2),
        "cells": _cells(cells, work.size),
        "keep": number("rise", "keep", keep, lambda v: 0 < v < 1, "a number between 0 and 1"),
        "baseline": baseline if isinstance(baseline, str) else "given",
        "normalization": choice("rise", "normalization", normalization, NORMALIZATIONS),
        "errors": flag("rise", "errors", errors),
        "seed": seed,
    }
    seed_of = seeds("rise", seed, len(work))
    fill = make_baseline(baseline, work.batch, clf.preprocess, seed=seed_of)
    draw = GridDraw(work.size, samples, cells, float(keep))
    different, which = distinct(seed_of)
    sets = [draw(value) for value in different]
    compose = Gridded(
        work.x,
        clf.to_device(fill) if fill.any() else None,
        [to_like(grids, work.x) for grids, _ in sets],
        [to_like(offsets, work.x) for _, offsets in sets],
        which,
        draw.up_size,
    )
    work.score()
    scores = work.score_composed(counted(compose, len(work), samples, progress), samples)
    native, trace = estimate(scores, draw, sets, which, normalization, errors)
    return work.finish(native, options, trace=trace)


def _cells(cells: int, size: tuple[int, int]) -> int:
    """Check that a cell has at least one pixel."""
    least = min(size)
    whole("rise", "cells", cells)
    expected = f"a whole number from 1 to {least}, the image's shorter side"
    return int(number("rise", "cells", cells, lambda v: v <= least, expected))
