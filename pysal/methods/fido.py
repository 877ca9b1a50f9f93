"""FIDO: which pixels may be dropped, learnt as probabilities under drawn masks and any filler."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import to_host
from pysal.classifier import Classifier
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.maskopt.groups import in_groups, join
from pysal.methods.fido_masks import Concrete, Direct
from pysal.methods.fido_options import learning_rate, pick_background, resolve_fido
from pysal.methods.fido_term import Objective
from pysal.optim import descend
from pysal.resample import Resample
from pysal.types import Array, Attribution, Target
from pysal.values import seeds
from pysal.work import Work

DRAWN = 64
"""Drawn images in one evaluation; bounds the memory and changes no result."""


def fido(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    objective: Literal["ssr", "sdr"] = "ssr",
    filler: str | os.PathLike[str] | Filler = "gauss10",
    background: Literal["unpasted", "pasted"] | None = None,
    masks: Literal["concrete", "direct"] = "concrete",
    size: int | tuple[int, int] = 56,
    steps: int = 300,
    samples: int | None = None,
    temperature: float = 0.1,
    weight: float = 1e-3,
    tv: float = 0.0,
    ramp: int | None = None,
    rate: float = 0.05,
    decay: Literal["linear", "none"] = "linear",
    init: float | None = None,
    seed: int | Sequence[int] = 0,
    progress: Callable[[float, float], None] | None = None,
) -> Attribution:
    """Learn for every cell the probability that it may be dropped, under drawn masks.

    Masks are drawn from the probabilities, their holes filled, and the log-odds of the target
    among all classes kept high with few pixels ("ssr"), or made low by few dropped ones ("sdr").

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N, or 1
        Its classes; what is explained is log p - log(1 - p) whatever its kind.
    objective : {"ssr", "sdr"}
        The smallest region that is sufficient (preservation), or whose loss destroys the score.
    filler : str, path or Filler
        As `pysal.fillers.open_filler` takes it. With an inpainter it is FIDO-CA; the default is
        the blur of the published code, which costs next to nothing.
    background : {"unpasted", "pasted"}, optional
        The filler's own output, as the published code has it of its means, blurs and colours; or
        with the known pixels pasted back, so that pixels that are kept by more than half show the
        image alone and have no gradient. Default: "unpasted" where the filler has such an output.
    masks : {"concrete", "direct"}
        Drawn from the concrete relaxation; or optimized themselves, as BBMP in the published code.
    size : int or (h, w)
        Resolution of the probabilities.
    steps : int
        Of Adam.
    samples : int, optional
        Masks per step and image; published 8. "direct" has 1.
    temperature : float
        Of the relaxation.
    weight : float
        Of the sum over the image's pixels of the probability to be kept (ssr), or dropped (sdr).
        Published 1e-3, and 1e-2 as the default of the code.
    tv : float
        Weight of the sum of squared differences of neighbours.
    ramp : int, optional
        Steps over which both weights grow from 0; published 30, "direct" 0.
    rate : float
        Of Adam.
    decay : {"linear", "none"}
        Of the rate, to 0 over the steps.
    init : float, optional
        First logits; published 0, hence a probability of 0.5. "direct": first masks, 1.
    seed : int or sequence of N int
        Of masks and fillers. One number gives every image the same draws.
    progress : callable, optional
        Called as progress(done, total), in steps.

    Returns
    -------
    Attribution
        `native` (N, h, w) and `map` (N, H, W), in [-0.5, 0.5]: probability to be kept minus 0.5,
        for "sdr" with the sign turned, so that large is important. For the map the logits are
        enlarged. `trace`: "loss" and "log_odds" (N, steps), before every step and as drawn.

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
        If a target's probability is below 0.01.

    Notes
    -----
    Needs: grad. Cost per image: steps * samples forward and backward (2400), as many fillings
    unless the filler is static and does not draw, and 1 forward. The slope of the log-odds is that
    of the probability over p (1 - p), with 1 - p of at least 2^-25: beyond log-odds of about 14
    float32 loses it, and such draws pull less than they should.

    References
    ----------
    .. [1] Chang, Creager, Goldenberg, Duvenaud, "Explaining Image Classifiers by Counterfactual
       Generation", ICLR 2019, equations 2 to 5. Defaults: the run in the readme of
       github.com/zzzace2000/FIDO-saliency at 146021d4, weight and size also in the appendix of
       Agarwal, Nguyen, ACCV 2020. Methods specification 6.4.
    """
    given = dict(locals())
    work = Work(clf, batch, target, "fido")
    options = resolve_fido(given, work.size)
    seed_of = seeds("fido", seed, len(work))
    opened = open_filler(filler, clf.preprocess, owner="fido")
    options["background"] = pick_background(options["background"], opened)
    work.score()
    upsample = Resample("aligned", options["size"], work.size, work.x)
    natives: list[Array] = []
    maps: list[Array] = []
    losses, odds = [], []
    for rows, report in in_groups(len(work), steps, progress, max(1, DRAWN // options["samples"])):
        law = _law(upsample, seed_of[rows], options)
        term = Objective(work, rows, law, opened, seed_of[rows], options)
        trail = descend(
            term,
            clf.to_device(law.start(options["size"], options["init"])),
            rate=learning_rate(options),
            steps=steps,
            clip=law.clip,
            progress=report,
        )
        losses.append(trail.loss)
        odds.append(np.stack(term.odds, 1))
        for found, large in ((natives, False), (maps, True)):
            over: Array = to_host(law.keep(trail.variable, large=large) - 0.5)
            found.append(over if objective == "ssr" else -over)
    return work.finish(
        join(natives, options["size"]),
        {**options, "filler": opened.description, "seed": seed},
        map=join(maps, work.size),
        trace={"loss": join(losses, (steps,)), "log_odds": join(odds, (steps,))},
    )


def _law(
    upsample: Resample, seed: NDArray[np.uint64], options: Mapping[str, Any]
) -> Concrete | Direct:
    """How the masks of a group come about."""
    if options["masks"] == "direct":
        return Direct(upsample, len(seed))
    return Concrete(upsample, seed, options["samples"], options["temperature"])
