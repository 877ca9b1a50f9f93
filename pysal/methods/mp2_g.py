"""MP2-G: MP2 where a generator fills the removed cells anew after every step."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, take
from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.maskopt.filled import pick_gradient
from pysal.methods.mp2_loop import along, remove_cells, resolve_removal, size_of_gradient
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work

GRADIENTS = ("residue", "unpasted", "input", "blur")


def mp2_g(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    filler: str | os.PathLike[str] | Filler = "learnt",
    gradient: Literal["residue", "unpasted", "input", "blur"] | None = None,
    size: int | tuple[int, int] = 28,
    cells: int = 2,
    selection: Literal["magnitude", "decrease"] = "magnitude",
    chance: float | None = None,
    upsampling: Literal["nearest", "bilinear"] = "nearest",
    output: Literal["binary", "ranks"] = "binary",
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Let a generator fill in the cells that matter most to the score, until nothing is left of it.

    As `mp2`, with the filler of the current hole in place of a blurred image.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    filler : str, path or Filler
        As `pysal.fillers.open_filler` takes it; called at every step.
    gradient : {"residue", "unpasted", "input", "blur"}, optional
        How cells that are left are compared, which the publication does not say. A filler that
        pastes the known pixels back equals the image there, and the gradient along their
        difference is 0. "residue": along what difference remains all the same, as in the published
        code of MP-G. "unpasted": along the difference to the generator's own output. "input":
        by the size of the input gradient, summed over the cell. "blur": along the difference to
        the blur of `mp2`. Default: "unpasted" where the filler has an output, else "blur".
    size, cells, selection, chance, upsampling, output
        As for `mp2`; with gradient="input", which has no sign, both selections are one.
    seed : int or sequence of N int
        Of fillers that draw.
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
        If the engine has no gradient, a score or gradient is not finite, or the filler has no
        output of its own to be "unpasted".
    MissingDependencyError
        If the filler needs a package that is not installed.

    Warns
    -----
    UserWarning
        If a target's probability is below 0.01, or the gradient is 0 in every cell that is left:
        such an image stops above chance.

    Notes
    -----
    Needs: grad. Cost per image: as `mp2`, and a filling per step. The filler is a constant for the
    gradient; the hole are the pixels where the enlarged mask removes half or more.

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020, section 3.2, MP2-G; written from the text, there is no code.
       Methods specification 6.3.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "mp2_g")
    options = resolve_removal("mp2_g", given, work)
    seed_of = seeds("mp2_g", seed, len(work))
    opened = open_filler(filler, clf.preprocess, owner="mp2_g")
    compared = pick_gradient("mp2_g", gradient, opened, GRADIENTS, "blur")
    work.score()
    blur: AnyArray | None = None
    if compared == "blur":
        blur = clf.to_device(make_baseline("blur10", work.batch, clf.preprocess))
    removal = _Inpainted(opened, work.x, compared, blur, seed_of)
    found = remove_cells(work, removal, options, progress)
    return work.finish(
        found.native,
        {"filler": opened.description, "gradient": compared, **options, "seed": seed},
        map=found.map,
        trace=found.trace,
    )


@dataclasses.dataclass(frozen=True)
class _Inpainted:
    """What a filler makes of the holes; a `Removal`."""

    filler: Filler
    x: AnyArray
    gradient: str
    blur: AnyArray | None
    seed: NDArray[np.uint64]

    def __call__(
        self, rows: NDArray[np.intp], keep: NDArray[np.bool_]
    ) -> tuple[AnyArray, Callable[[AnyArray], AnyArray]]:
        x, seed = take(self.x, rows), self.seed[rows]
        fill = None
        if self.gradient == "unpasted":
            # In the hole it is what `fill` gives, and outside the mask hides it.
            fill = self.filler.unpasted(x, keep, seed)
        if fill is None:
            fill = self.filler.fill(x, keep, seed)
        if self.gradient == "input":
            return fill, size_of_gradient
        return fill, along(x - (fill if self.blur is None else take(self.blur, rows)))
