"""MP2: remove the cells with the largest gradients, two at a time, until the score is at chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.methods.mp2_loop import along, remove_cells, resolve_removal
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work


def mp2(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    size: int | tuple[int, int] = 28,
    baseline: str | NDArray[np.generic] = "blur10",
    cells: int = 2,
    selection: Literal["magnitude", "decrease"] = "magnitude",
    chance: float | None = None,
    upsampling: Literal["nearest", "bilinear"] = "nearest",
    output: Literal["binary", "ranks"] = "binary",
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Blur away the cells that matter most to the score, until nothing is left of it.

    Starts from the whole image. Every step takes, of the cells that are left, those with the
    largest absolute gradient of the score with respect to the mask, and removes them.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    size : int or (h, w)
        Resolution of the mask; published 28, and 56 and 112 for comparison.
    baseline : str or ndarray
        What shows where a cell is removed, as `make_baseline` takes it.
    cells : int
        Removed per step.
    selection : {"magnitude", "decrease"}
        The largest absolute gradients, as the publication words it, also where removing a cell
        raises the score; or the largest decrease of the score, to first order.
    chance : float, optional
        Score at or below which an image is done. Default: 1 / K rounded to one digit, the
        published 0.001 for 1000 classes and 0.003 for 365; for logits it must be given.
    upsampling : {"nearest", "bilinear"}
        Of the mask to the image. The publication does not say; nearest is that of its MP.
    output : {"binary", "ranks"}
        1 for every removed cell; or 1 - k / K for those of step k (from 0) of K, for metrics that
        rank cells: of a binary map they rank the removed cells by their place.
    seed : int or sequence of N int
        Of baseline="noise".
    progress : callable, optional
        Called as progress(done, total), in steps.

    Returns
    -------
    Attribution
        `native` of shape (N, h, w), in [0, 1]; `map` is its upsampling. `trace`: "score" (N, T),
        before the first step and after each, NaN after the last; "steps" (N,).

    Raises
    ------
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If the engine has no gradient, or a score or gradient is not finite.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or the gradient is 0 in every cell that is left:
        such an image stops above chance.

    Notes
    -----
    Needs: grad. Cost per image: 1 to ceil(h * w / cells) + 1 forward and backward, 393 at the most
    with the defaults, one after another, all images in step; and 1 forward. A blur alone often
    cannot reach chance; then every cell is removed. Where cells tie, the first goes.

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, section 3.1, MP2; written from the text, there is no code.
       The rank map is ours. Methods specification 6.2.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "mp2")
    options = resolve_removal("mp2", given, work)
    seed_of = seeds("mp2", seed, len(work))
    fill = clf.to_device(make_baseline(baseline, work.batch, clf.preprocess, seed=seed_of))
    work.score()

    def removal(
        rows: NDArray[np.intp], keep: NDArray[np.bool_]
    ) -> tuple[AnyArray, Callable[[AnyArray], AnyArray]]:
        shown = take(fill, rows)
        return shown, along(take(work.x, rows) - shown)

    found = remove_cells(work, removal, options, progress)
    name = baseline if isinstance(baseline, str) else "given"
    return work.finish(
        found.native,
        {"baseline": name, **options, "seed": seed},
        map=found.map,
        trace=found.trace,
    )
