"""MP, meaningful perturbation: Adam on a mask that removes the score, under jitter and noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.maskopt.jitter import Baseline
from pysal.maskopt.perturb import display, optimize_perturbation
from pysal.maskopt.perturb_options import resolve_perturb
from pysal.maskopt.start import circular_masks, random_masks
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def mp(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    variant: Literal["fong", "gildenblat", "agarwal"] = "fong",
    size: int | tuple[int, int] | None = None,
    upsampling: Literal["nearest", "bilinear"] | None = None,
    smoothing: float | None = None,
    init: Literal["circular", "uniform", "ones"] | None = None,
    baseline: str | NDArray[np.generic] | None = None,
    l1: float | None = None,
    l2: float | None = None,
    exponent: float | None = None,
    isotropic: bool | None = None,
    reduction: Literal["sum", "mean"] | None = None,
    jitter: int | None = None,
    noise: Literal["gaussian", "red", "off"] | None = None,
    noise_std: float | None = None,
    rate: float | None = None,
    iterations: int | None = None,
    output: Literal["smoothed", "minmax", "cells"] | None = None,
    top: int = 1,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Learn the smallest smooth mask that, blurred away, takes the target's score.

    Minimizes `E[f(Phi(x_j, x~_j, M))] + l1 * R|1 - M| + l2 * TV(M)` over keep masks M in [0, 1],
    where x_j is the image under a random shift, and R and TV are sums or means.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    variant : {"fong", "gildenblat", "agarwal"}
        Values of the options that are not given, below in this order: the authors' code [1]_, the
        PyTorch code that I-GOS compares with [2]_, the code of the G-methods [3]_.
    size : int or (h, w)
        Resolution of the mask: 28 in all; that of the image for "agarwal" with init="circular".
    upsampling : {"nearest", "bilinear"}
        Of the mask to the image: nearest, bilinear with aligned corners, nearest.
    smoothing : float
        Radius in pixels of a blur of the enlarged mask, which the gradient ignores: 5, 0, 0.
    init : {"circular", "uniform", "ones"}
        First mask: without the smallest disc that takes the score; all ones; uniform in [0, 1].
    baseline : str or ndarray
        What shows where the mask is 0, as `make_baseline` takes it: "blur10", "median11", "blur10".
    l1, l2 : float
        Weights of mask size and total variation: 1e-4 and 1e-2; 0.01 and 0.2; 1e-4 and 1e-2. Of
        sums and means they are 784 times apart at 28 x 28.
    exponent : float
        Of total variation: 3.
    isotropic : bool
        Power of the length of both differences together, or of each: True, False, False.
    reduction : {"sum", "mean"}
        Of both regularizers: sum, mean, sum.
    jitter : int
        Shifts are drawn from 0 to jitter - 1 pixels per axis: 4, 0, 4.
    noise : {"gaussian", "red", "off"}
        Added to the composed image, new at every step, on all channels or on red only: off, red,
        off.
    noise_std : float
        In ImageNet-normalized units: 0.2.
    rate : float
        Of Adam: 0.1.
    iterations : int
        300, 500, 300.
    output : {"smoothed", "minmax", "cells"}
        The map (N, H, W) is the enlarged and smoothed removal mask; its min-max; the enlarged
        removal mask.
    top : int
        With more than 1, explain the sum of that many highest scores of the image instead of the
        target's, at as many times the cost. For localization [1]_ has top=5, l1=1e-3, exponent=2.
    seed : int or sequence of N int
        Of first mask, jitter and noise. One number gives every image the same ones.
    progress : callable, optional
        Called as progress(done, total), in iterations.

    Returns
    -------
    Attribution
        `native` = 1 - M of shape (N, h, w), in [0, 1]. `trace`: "loss" and "score" (N,
        iterations), before every step and as it saw them, jitter and noise included.

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01: the optimum is not meaningful then.

    Notes
    -----
    Needs: grad. Cost per image: top * iterations forward and backward, 1 forward, 35 more for
    init="circular", 1 more for top above 1. Differs from the publications: shifted images come
    from the model's input, enlarged by the jitter; the baselines are made at that size, too, not
    at the photo's; smoothing is not rounded to 8 bits.

    References
    ----------
    .. [1] Fong, Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation",
       ICCV 2017, equations 3 to 5; defaults of github.com/ruthcfong/perturb_explanations.
    .. [2] github.com/jacobgil/pytorch-explain-black-box, "Mask" in the tables of I-GOS.
    .. [3] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, section 3.1; defaults of
       github.com/anguyen8/generative-attribution-methods at f90de75c. Methods specification 6.1.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "mp")
    options = resolve_perturb(given, work.size, "mp", clf.info.num_classes)
    seed_of = seeds("mp", seed, len(work))
    kind = options["baseline"] if baseline is None else baseline
    fill = make_baseline(kind, work.batch, clf.preprocess, seed=seed_of)
    work.score()
    if options["init"] == "circular":
        start = circular_masks(work, fill, options["size"])
    elif options["init"] == "uniform":
        start = random_masks(seed_of, options["size"])
    else:
        start = np.ones((len(work), *options["size"]), np.float32)
    found = optimize_perturbation(
        work,
        start,
        lambda rows: Baseline(fill[rows], options["jitter"], work.x),
        seed_of,
        options,
        progress,
    )
    return work.finish(
        1 - found.mask,
        {**options, "seed": seed},
        map=display(found.mask, work.size, options),
        trace=found.trace,
    )
