"""Cells of the tables of the G-methods: what is made of one photo and one network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flat import flat
from histograms import sample_labels
from recognized import Shown
from record import Record

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import PysalError
from pysal.explainer import native_maps
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.metrics.hyperparameter_sensitivity import hyperparameter_sensitivity
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.metrics.localization_error import localization_error
from pysal.metrics.saliency_metric import saliency_metric
from pysal.places import random_maps
from pysal.similarity.lpips import open_lpips
from pysal.similarity.maps import Scale
from pysal.studies import compare_fillers
from pysal.types import Array

FILLERS = {"blur": "blur10", "gray": "mean", "inpaint": "learnt", "noise": "noise"}
"""Row of Table 1 -> filler."""

SP, LIME, MP2 = {"stride": 13}, {"samples": 250}, {"output": "ranks"}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "LIME": ("lime", LIME),
    "SP": ("sliding_patch", SP),
    "MP2": ("mp2", MP2),
    "MP": ("mp", {"variant": "agarwal"}),
    "LIME-G": ("lime_g", LIME),
    "SP-G": ("sp_g", SP),
    "MP2-G": ("mp2_g", MP2),
    "FIDO-CA": ("fido", {"filler": "learnt", "steps": 75, "samples": 4}),
}
"""In the order of the work: what is cheap first. What is filled is filled by "learnt"."""

RANKED = ", ranked"
"""Of MP2's removal steps we make two maps: its binary one, and (ours) one of ranks."""

SEEDS = [{"seed": seed} for seed in range(5)]
PATCHES = [{"patch": patch, "stride": 19} for patch in (5, 17, 29, 41, 53)]
MASKS = [{"size": 28 * k, "cells": 4 * k * k} for k in (1, 2, 4)]
SENSITIVITY: dict[str, tuple[str, dict[str, Any], list[dict[str, int]], Scale]] = {
    **{
        f"{row} ({parts})": (name, {"samples": 150, "num_segments": parts}, SEEDS, "max_abs")
        for row, name in (("LIME", "lime"), ("LIME-G", "lime_g"))
        for parts in (50, 150)
    },
    "SP": ("sliding_patch", {}, PATCHES, "none"),
    "MP2": ("mp2", {}, MASKS, "none"),
    "SP-G": ("sp_g", {}, PATCHES, "none"),
    "MP2-G": ("mp2_g", {}, MASKS, "none"),
}
SENSITIVE_NETWORK = "squeezenet1.1"
SAMPLES = 50
"""Samples of LIME per photo for Figure 8."""


def judge(clf: Classifier, shown: Shown, maps: Array) -> dict[str, Any]:
    """One photo's map (1, h, w) in Tables 2 to 4."""
    photo = (clf, shown.batch, maps, shown.target)
    return {
        **flat(insertion_deletion(*photo, protocol="g"), ("deletion", "insertion")),
        **flat(localization_error(*photo, truth=[shown.truth]), ("best_error",), iou="iou"),
        **flat(saliency_metric(*photo), ("best_s",), s="s"),
    }


def baseline(clf: Classifier, shown: Shown) -> dict[str, Any]:
    """A random map of the image's size; and the whole image as the box of Table 2."""
    size = (shown.batch.shape[2], shown.batch.shape[3])
    maps = random_maps([1], size)
    whole = localization_error(clf, shown.batch, maps, shown.target, truth=[shown.truth])
    return {**judge(clf, shown, maps), **flat(whole, ("whole_image_error",))}


def fill(clf: Classifier, shown: Shown, fillers: Mapping[str, Filler]) -> dict[str, Any]:
    """One photo in Table 1, and the probability when all of it is blurred."""
    measures = ["accuracy", "ms_ssim", *(["lpips"] if lpips_trouble() is None else [])]
    found = compare_fillers(
        clf, shown.batch, shown.target.index, shown.mask(), fillers=fillers, measures=measures
    )
    blurred = clf.score(make_baseline("blur10", shown.batch, clf.preprocess))
    cell = {"whole blur": float(blurred[0, shown.index]), "share": float(shown.mask().mean())}
    for filler, row in found.table().items():
        cell |= {f"{filler} {measure}": round(value, 5) for measure, value in row.items()}
    return cell


@functools.cache
def lpips_trouble() -> str | None:
    """Why LPIPS cannot be had; None where it can."""
    try:
        open_lpips()
    except PysalError as error:
        return str(error)
    return None


def sensitivity(clf: Classifier, shown: Shown, row: str) -> dict[str, Any]:
    """One photo in Table S1."""
    name, options, settings, scale = SENSITIVITY[row]
    found = hyperparameter_sensitivity(
        clf,
        shown.batch,
        np.zeros((1, 1, 1)),
        shown.target,
        settings=settings,
        scale=scale,
        data_range=1.0 if row.startswith("MP") else None,
        explain=native_maps(name, **options),
    )
    return flat(found, ("ssim", "hog", "spearman"))


def work_on(record: Record, network: str, clf: Classifier, shown: Shown) -> None:
    """All cells of a photo and a network but those of Table S1."""

    def cell(row: str, make: Callable[[], Mapping[str, Any]]) -> None:
        record.cell(f"{network}/{row}/{shown.name}", make)

    opened = {row: open_filler(name, clf.preprocess) for row, name in FILLERS.items()}
    cell("fillers", lambda: fill(clf, shown, opened))
    cell("Baseline", lambda: baseline(clf, shown))
    two = {name: opened[name] for name in ("gray", "inpaint")}
    cell("labels", lambda: sample_labels(clf, shown, two, SAMPLES))
    for row, (name, options) in METHODS.items():
        explain = native_maps(name, **options)
        make = functools.cache(functools.partial(explain, clf, shown.batch, shown.target))
        if name.startswith("mp2"):
            cell(row, functools.partial(judge_once, clf, shown, make, binary=True))
            row += RANKED
        cell(row, functools.partial(judge_once, clf, shown, make))


def judge_once(
    clf: Classifier, shown: Shown, make: Callable[[], Array], *, binary: bool = False
) -> dict[str, Any]:
    """Judge what `make` gives, or where that is above 0."""
    maps = make()
    return judge(clf, shown, (maps > 0).astype(np.float32) if binary else maps)
