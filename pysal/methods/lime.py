"""LIME for images: a linear model of the score in terms of which superpixels show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_like
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.compose import Segmented
from pysal.methods.lime_model import draw_rows, explain_rows, resolve
from pysal.perturb.superpixels import label_maps, mean_colors
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def lime(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
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
    fill: str | NDArray[np.generic] = "mean",
    kernel_width: float = 0.25,
    alpha: float = 1.0,
    labels: bool = False,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Fit the score as a sum over superpixels that are switched on and off at random.

    Rows b of S switches, the first all on, make versions of the image in which the superpixels that
    are off show the fill. The score of the versions is regressed on b, versions near the image
    counting more; the coefficient of a superpixel is its attribution.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        The probability is the published score.
    samples : int
        Versions per image, the image itself among them; the paper 1,000, its code 500.
    segments : {"slic", "quickshift"} or ndarray of int, (N, H, W) or (H, W)
        How the image is cut: as in [2]_, as in [1]_'s code, or label maps.
    num_segments, compactness, sigma
        Of SLIC, which may return fewer segments. Published 50 and 150 segments.
    kernel_size, max_dist, ratio, segment_seed
        Of quickshift, as its code in scikit-image takes them.
    keep : float in (0, 1)
        Probability that a superpixel is on.
    fill : str or ndarray
        What shows where one is off: "superpixel" for its own mean colour, as in [1]_'s code, or
        what `make_baseline` takes; the mean colour is that of [2]_.
    kernel_width : float
        Of the kernel exp(-D^2 / (2 width^2)) on cosine distances D from the whole image.
    alpha : float
        Weight of the ridge penalty; the intercept is not penalized.
    labels : bool
        Keep the label maps in the trace.
    seed : int or sequence of N int
        Of the switches. One number gives images with as many superpixels the same switches.
    progress : callable, optional
        Called as progress(done, total), in versions.

    Returns
    -------
    Attribution
        `native` of shape (N, H, W): the coefficient of each pixel's superpixel, signed; unit:
        score. `trace`: "coefficients" and "standard_error" (N, S), padded with NaN, "intercept",
        "r2" and "num_segments" (N,); with `labels` "labels" (N, H, W), int32.

    Raises
    ------
    OptionError, ShapeError
        If an option is outside its allowed values, or given segments do not fit the images.
    MissingDependencyError
        If scikit-image is needed and not installed (extra "regions").
    CapabilityError
        If a score is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or a map is constant: no version changes the
        score, or there is one segment only.

    Notes
    -----
    Needs: score. Cost: N * (samples + 1) forward. Images are segmented as RGB of 8 bits; SLIC takes
    about 50 ms, quickshift seconds. The regression is solved in closed form, in float64. Standard
    errors are those that the drawn switches leave, given the segments; "r2" says how well a sum
    over superpixels describes the score at all. Differs from [1]_: all superpixels are kept, as in
    [2]_, whose text has LASSO and L2 distances where its code has ridge and cosine distances.

    References
    ----------
    .. [1] Ribeiro, Singh, Guestrin, "Why Should I Trust You?": Explaining the Predictions of Any
       Classifier, KDD 2016, equation 1 and section 3.4; code github.com/marcotcr/lime at fd7eb2e6.
    .. [2] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020; code github.com/anguyen8/generative-attribution-methods at
       f90de75c, the origin of the defaults. Methods specification 5.3.
    """
    options = resolve("lime", locals())
    work = Work(clf, batch, target, "lime")
    seed_of = seeds("lime", seed, len(work))
    own = isinstance(fill, str) and fill == "superpixel"
    images = None if own else make_baseline(fill, work.batch, clf.preprocess, seed=seed_of)
    found = label_maps("lime", segments, work.batch, clf.preprocess, options)
    if images is None:
        images = mean_colors(work.batch, found)
    rows = draw_rows("lime", found, seed_of, options)
    compose = Segmented(
        work.x,
        clf.to_device(images),
        to_like(found, work.x),
        to_like(rows.view(np.uint8), work.x),
    )
    options = {"fill": fill if isinstance(fill, str) else "given", **options}
    return explain_rows("lime", work, compose, rows, found, options, progress)
