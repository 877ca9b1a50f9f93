"""MP-G: meaningful perturbation where a generator fills what the mask removes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, to_host, to_like
from pysal.classifier import Classifier
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.maskopt.filled import pick_gradient
from pysal.maskopt.perturb import display, optimize_perturbation
from pysal.maskopt.perturb_options import resolve_perturb
from pysal.maskopt.start import random_masks
from pysal.types import Array, Attribution, Target
from pysal.values import choice, seeds
from pysal.work import Work

GRADIENTS = ("residue", "unpasted")


def mp_g(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    filler: str | os.PathLike[str] | Filler = "learnt",
    gradient: Literal["residue", "unpasted"] | None = None,
    perturb_binary: bool = True,
    size: int | tuple[int, int] | None = None,
    upsampling: Literal["nearest", "bilinear"] | None = None,
    smoothing: float | None = None,
    init: Literal["uniform", "ones"] | None = None,
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
    """Learn the smallest smooth mask that takes the score when a generator fills its hole.

    As `mp` in its variant "agarwal", with the filler of the current hole in place of a blurred
    image: the pixels where the enlarged mask is below max(0.5, (max M + min M) / 2).

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
    filler : str, path or Filler
        As `pysal.fillers.open_filler` takes it; called at every step, on the shifted images.
    gradient : {"residue", "unpasted"}, optional
        What the image is compared with outside of the hole: the filled image, as published, which
        is the image itself there, up to what the generator's own resizing changes, so that
        nothing pulls at the kept cells but the regularizers; or the generator's own output.
        Default: "unpasted" where the filler has one.
    perturb_binary : bool
        Compose with the binary mask, while the gradient goes to the continuous one. With False
        the continuous mask composes, and only the hole is binary.
    size, upsampling, smoothing, l1, l2, exponent, isotropic, reduction, jitter, noise, noise_std
        As for `mp`, with the values of "agarwal".
    init : {"uniform", "ones"}
        First mask.
    rate, iterations, output, top, seed, progress
        As for `mp`; the seed is the filler's, too.

    Returns
    -------
    Attribution
        `native` = 1 - M of shape (N, h, w), in [0, 1]. `trace`: "loss" and "score" (N,
        iterations), before every step.

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
        If a target's probability is below 0.01: the optimum is not meaningful then.

    Notes
    -----
    Needs: grad. Cost per image: iterations forward and backward, as many fillings, 1 forward. The
    filler is a constant for the gradient. Differs from [1]_: the threshold holds for each image by
    itself; [1]_ has gradient="residue".

    References
    ----------
    .. [1] Agarwal, Nguyen, "Explaining Image Classifiers by Removing Input Features Using
       Generative Models", ACCV 2020; MP-G is in its code only,
       github.com/anguyen8/generative-attribution-methods at f90de75c. Methods specification 6.3.
    """
    given = {**locals(), "variant": "agarwal", "baseline": None}
    work = Work(clf, batch, target, "mp_g")
    choice("mp_g", "init", "uniform" if init is None else init, ("uniform", "ones"))
    options = resolve_perturb(given, work.size, "mp_g", clf.info.num_classes)
    for name in ("variant", "baseline"):
        del options[name]
    seed_of = seeds("mp_g", seed, len(work))
    opened = open_filler(filler, clf.preprocess, owner="mp_g")
    compared = pick_gradient("mp_g", gradient, opened, GRADIENTS, "residue")
    work.score()
    ones = np.ones((len(work), *options["size"]), np.float32)
    found = optimize_perturbation(
        work,
        ones if options["init"] == "ones" else random_masks(seed_of, options["size"]),
        lambda rows: _Inpainted(opened, compared == "unpasted", perturb_binary, seed_of[rows]),
        seed_of,
        options,
        progress,
    )
    chosen = {"gradient": compared, "perturb_binary": bool(perturb_binary)}
    return work.finish(
        1 - found.mask,
        {"filler": opened.description, **chosen, **options, "seed": seed},
        map=display(found.mask, work.size, options),
        trace=found.trace,
    )


@dataclasses.dataclass(frozen=True)
class _Inpainted:
    """What a filler makes of the hole; a `Filling`."""

    filler: Filler
    unpasted: bool
    binary: bool
    seed: NDArray[np.uint64]

    def __call__(
        self, images: AnyArray, mask: AnyArray, shifts: NDArray[np.intp]
    ) -> tuple[AnyArray, AnyArray]:
        large = to_host(mask)
        low, high = large.min(axis=(1, 2)), large.max(axis=(1, 2))
        keep = large >= np.maximum(0.5, (low + high) / 2)[:, None, None]
        fill = self.filler.unpasted(images, keep, self.seed) if self.unpasted else None
        if fill is None:
            fill = self.filler.fill(images, keep, self.seed)
        return fill, to_like(keep.astype(np.float32), mask) if self.binary else mask
