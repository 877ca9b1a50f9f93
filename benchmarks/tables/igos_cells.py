"""What the tables of I-GOS are made of: every map of a photo, explained and judged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from judged import Variant, cost, curves, pointing, reduced
from recognized import Shown
from record import Record

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.types import Array, Attribution

SIZES: tuple[int, ...] = (224, 112, 28, 14, 7)
MIDDLE, COARSE = 28, 14
"""Resolutions of Table 5 and of the pointing game; the ablation is at the first and at MIDDLE."""

PUBLISHED = {"iterations": 500, "samples": 8000}
"""Of MP, and of RISE for a residual network."""
REDUCED = {"iterations": 100, "samples": 1000}
STEPS = 100

IGOS = Variant("igos")
MP = Variant("mp", {"variant": "gildenblat", "iterations": REDUCED["iterations"]})
SIZED: Mapping[str, Variant] = {"I-GOS": IGOS, "Mask (MP)": MP}
"""Rows whose maps are made at every resolution."""

SPREAD: Mapping[str, Variant] = {
    "Excitation BP": Variant("excitation_backprop", {"contrastive": True}),
    "MWP": Variant("excitation_backprop"),
    "Integrated Gradients": Variant("integrated_gradients", {"steps": STEPS}),
    "RISE": Variant("rise", {"samples": REDUCED["samples"]}),
}
"""Rows whose one map, at the size of the image, is averaged over areas to every resolution."""

OWN: Mapping[str, Variant] = {"GradCAM": Variant("gradcam")}
"""Rows whose map stays as it is."""

POINTED: Mapping[str, Variant] = {"AM": Variant("gradient"), "Deconv": Variant("deconvnet")}
"""Rows that are in the pointing game only."""

ABLATION: Mapping[str, Variant] = {
    "full method": IGOS,
    "no TV term": IGOS.but(l2=0.0),
    "no noise": IGOS.but(noise="off"),
    "fixed step size": IGOS.but(search="fixed"),
}
PAIRS = ((0.01, 0.2), (0.1, 2.0), (1.0, 20.0))
"""l1 and l2 of Table 5."""

Make = Callable[[], dict[str, Any]]


def weighted(row: str, pair: tuple[float, float]) -> Variant:
    """A row of `SIZED` with coefficients; those that are its defaults are left out."""
    defaults = {"I-GOS": PAIRS[2], "Mask (MP)": PAIRS[0]}
    variant = SIZED[row]
    return variant if pair == defaults[row] else variant.but(l1=pair[0], l2=pair[1])


def key_of(variant: Variant, size: int | str) -> str:
    """Part of a cell's key between network and photo."""
    return f"{variant.name}/{size}"


def terms(clf: Classifier, shown: Shown, removed: Array) -> dict[str, float]:
    """Terms of I-GOS's objective at a mask, from 1 - mask (1, h, w): score, size, variation."""
    keep = np.float32(1) - removed
    fill = clf.to_device(make_baseline("blur", shown.batch, clf.preprocess))
    masks = clf.to_device(np.ascontiguousarray(keep[:, None]))
    score = clf.score_masked(clf.to_device(shown.batch), fill, masks, shown.target)
    fine = keep[0].astype(np.float64)
    return {
        "masked score": float(score[0, 0]),
        "mask size": float(np.abs(1 - fine).mean()),
        "variation": sum(float((np.diff(fine, axis=axis) ** 2).mean()) for axis in (0, 1)),
    }


def _judged(clf: Classifier, shown: Shown, found: Attribution, maps: Array) -> dict[str, Any]:
    return {
        "side": maps.shape[1],
        **curves(clf, shown, maps, "igos"),
        **pointing(clf, shown, maps, "A"),
        **cost(found),
    }


def sized(clf: Classifier, shown: Shown, variant: Variant, size: int) -> dict[str, Any]:
    """A mask of one resolution, with the terms of the objective that Table 5 compares."""
    found = variant.but(size=size).explain(clf, shown)
    return {**_judged(clf, shown, found, found.native), **terms(clf, shown, found.native)}


def maps_of(clf: Classifier, shown: Shown) -> Iterator[tuple[str, Make]]:
    """Key between network and photo, and what makes the cell: the most telling ones first."""
    for variant in OWN.values():
        yield key_of(variant, "own"), functools.partial(_own, clf, shown, variant)
    yield from (_mask(clf, shown, variant, MIDDLE) for variant in SIZED.values())
    for variant in SPREAD.values():
        yield from _spread(clf, shown, variant)
    for size in sorted(set(SIZES) - {MIDDLE}):
        yield from (_mask(clf, shown, variant, size) for variant in SIZED.values())
    for variant in POINTED.values():
        yield key_of(variant, "pointing"), functools.partial(_pointed, clf, shown, variant)


def studies_of(clf: Classifier, shown: Shown) -> Iterator[tuple[str, Make]]:
    """The same for what Tables 4 and 5 need besides."""
    for size in (MIDDLE, max(SIZES)):
        yield from (_mask(clf, shown, variant, size) for variant in ABLATION.values())
    for pair in PAIRS:
        yield from (_mask(clf, shown, weighted(row, pair), MIDDLE) for row in SIZED)


def _mask(clf: Classifier, shown: Shown, variant: Variant, size: int) -> tuple[str, Make]:
    return key_of(variant, size), functools.partial(sized, clf, shown, variant, size)


def _own(clf: Classifier, shown: Shown, variant: Variant) -> dict[str, Any]:
    found = variant.explain(clf, shown)
    return _judged(clf, shown, found, found.native)


def _pointed(clf: Classifier, shown: Shown, variant: Variant) -> dict[str, Any]:
    found = variant.explain(clf, shown)
    return {**pointing(clf, shown, found.map, "A"), **cost(found)}


def _spread(clf: Classifier, shown: Shown, variant: Variant) -> Iterator[tuple[str, Make]]:
    """One explanation, whose first cell makes it, at every resolution."""
    explain = functools.cache(lambda: variant.explain(clf, shown))
    for size in SIZES:

        def make(size: int = size) -> dict[str, Any]:
            found = explain()
            return _judged(clf, shown, found, reduced(found.map, size))

        yield key_of(variant, size), make


def work_on(record: Record, network: str, cells: Iterable[tuple[str, Make]], shown: Shown) -> None:
    """Make the cells of a photo and a network that are not there."""
    for key, make in cells:
        record.cell(f"{network}/{key}/{shown.name}", make)
