"""Which preprocessing record fits a model: feed photos through the plausible ones and compare."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import InputError, ShapeError
from pysal.heatmap import upsample
from pysal.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from pysal.types import Array

_CAFFE_MEAN = (123.68, 116.779, 103.939)
_RECIPES: dict[str, tuple[float, tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": (1.0, IMAGENET_MEAN, IMAGENET_STD),
    "caffe": (255.0, _CAFFE_MEAN, (1.0, 1.0, 1.0)),
    "tf": (1.0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "unit": (1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "raw": (255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
"""Scale, mean and std per R, G, B; "caffe" is 0 to 255 minus the mean, "tf" -1 to 1."""

RARITY: Mapping[str, float] = {
    "rgb_tf": 0.2,
    "rgb_unit": 0.2,
    "rgb_raw": 0.4,
    "rgb_caffe": 0.4,
    "bgr_imagenet": 0.4,
    "bgr_tf": 0.6,
    "bgr_unit": 0.6,
    "bgr_raw": 0.6,
}
"""Nats taken off records that published models rarely use; it decides between near ties only."""


@dataclasses.dataclass(frozen=True)
class ProbeRow:
    """How one record fares on the photos.

    Attributes
    ----------
    name : str
    record : Preprocess
    index : ndarray of shape (N,), int64
        Top-1 class per photo.
    probability : float
        Top-1 probability, mean over photos.
    entropy : float
        Entropy of the answer in nats, mean over photos.
    agreement, distinctness : float
        In nats, see `probe`; higher is better.
    plausibility : float
        Their sum less the record's rarity.
    """

    name: str
    record: Preprocess
    index: NDArray[np.int64]
    probability: float
    entropy: float
    agreement: float
    distinctness: float
    plausibility: float


def candidates(input_shape: tuple[int, int, int]) -> dict[str, Preprocess]:
    """Return the records worth trying for a model that takes (C, H, W).

    Three channels: RGB and BGR, each as "imagenet" (mean and std), "caffe" (0 to 255 minus mean),
    "tf" (-1 to 1), "unit" (0 to 1) and "raw" (0 to 255); names such as "bgr_caffe". One channel:
    the same without "caffe", names such as "gray_unit". Raises ShapeError for other C.
    """
    base = Preprocess.default(input_shape).replace(assumed=False)
    out = {}
    for name, (scale, mean, std) in _RECIPES.items():
        if base.channels == "GRAY":
            if name != "caffe":
                grey = {"mean": (float(np.mean(mean)),), "std": (float(np.mean(std)),)}
                out[f"gray_{name}"] = base.replace(scale=scale, **grey)
            continue
        bgr = {"channels": "BGR", "mean": mean[::-1], "std": std[::-1]}
        out[f"rgb_{name}"] = base.replace(scale=scale, mean=mean, std=std)
        out[f"bgr_{name}"] = base.replace(scale=scale, **bgr)
    return out


def probe(
    score: Callable[[Array], Array], records: Mapping[str, Preprocess], photos: ArrayLike
) -> list[ProbeRow]:
    """Rank preprocessing records by how sensibly the model answers under them.

    Parameters
    ----------
    score : callable
        Batch (M, C, H, W) -> probabilities (M, K), for instance `classifier.score`.
    records : mapping of str to Preprocess
        See `candidates`.
    photos : ndarray of shape (N, H, W, 3), float in [0, 1]
        RGB at the model's size (`Photos.rgb`). Five or more different subjects are wanted: with
        one photo the best row is often wrong.

    Returns
    -------
    list of ProbeRow
        Most plausible first.

    Raises
    ------
    InputError
        If there is no photo or no record.
    ShapeError
        If the photos have another shape.

    Notes
    -----
    Confidence alone misleads: a wrongly fed network can be sure of the same class whatever it
    sees. So every photo p is shown in several views v (itself, mirrored, enlarged, darker,
    brighter, of lower and higher contrast), and with answers q(p, v) and dot products:

        agreement    = mean log q(p, v).q(p, w)                            over p and v != w
        distinctness = mean log [q(p, v).q(p, w) / mean_o q(p, v).q(o, w)]

    where o runs over all photos and over five images without a subject. The right record is sure
    of one class whatever the view (agreement) that is not its answer to everything else.
    Cost: records * (7 N + 5) forward.
    """
    rgb = np.asarray(photos, np.float32)
    if rgb.ndim != 4 or rgb.shape[-1] != 3:
        raise ShapeError(f"photos have shape {rgb.shape}; expected (N, H, W, 3), RGB in [0, 1]")
    if not len(rgb) or not records:
        raise InputError(f"{len(rgb)} photos and {len(records)} records; give at least one of each")
    views, blanks = _views(rgb), _blanks(rgb.shape[1:3])
    rows = [_row(score, name, record, views, blanks) for name, record in records.items()]
    return sorted(rows, key=lambda row: -row.plausibility)


def _row(
    score: Callable[[Array], Array],
    name: str,
    record: Preprocess,
    views: list[Array],
    blanks: Array,
) -> ProbeRow:
    """Answers under one record, and what they are worth."""
    answers = [_answers(score, record, view) for view in views]
    null = _answers(score, record, blanks)
    agreement, distinctness = [], []
    for v, seen in enumerate(answers):
        for w, again in enumerate(answers):
            if v != w:
                own = np.einsum("nk,nk->n", seen, again)
                other = np.concatenate([seen @ again.T, seen @ null.T], axis=1).mean(axis=1)
                agreement.append(np.log(own + 1e-9).mean())
                distinctness.append(np.log((own + 1e-9) / (other + 1e-9)).mean())
    plain, agreed, distinct = answers[0], float(np.mean(agreement)), float(np.mean(distinctness))
    return ProbeRow(
        name=name,
        record=record,
        index=plain.argmax(axis=1).astype(np.int64),
        probability=float(plain.max(axis=1).mean()),
        entropy=float(-(plain * np.log(plain + 1e-12)).sum(axis=1).mean()),
        agreement=agreed,
        distinctness=distinct,
        plausibility=agreed + distinct - RARITY.get(name, 0.0),
    )


def _answers(
    score: Callable[[Array], Array], record: Preprocess, rgb: Array
) -> NDArray[np.float64]:
    """Class distribution per image, (N, K); sigmoid outputs are scaled to sum to one."""
    values = np.asarray(score(record.normalize(rgb)), np.float64).reshape(len(rgb), -1)
    total = np.maximum(values.sum(axis=1, keepdims=True), 1e-12)
    return np.asarray(values / total)


def _views(rgb: Array) -> list[Array]:
    """Return the photos, and six ways to change them that should not change the subject."""
    height, width = rgb.shape[1:3]
    top, left = height // 20, width // 20
    inner = rgb[:, top : height - top, left : width - left].transpose(0, 3, 1, 2)
    zoomed = upsample(inner.reshape(-1, *inner.shape[2:]), (height, width))
    zoomed = zoomed.reshape(len(rgb), 3, height, width).transpose(0, 2, 3, 1)
    mean = rgb.mean(axis=(1, 2, 3), keepdims=True)
    flat, crisp = mean + 0.6 * (rgb - mean), np.clip(mean + 1.4 * (rgb - mean), 0, 1)
    return [rgb, rgb[:, :, ::-1], zoomed, 0.7 * rgb, np.clip(1.3 * rgb, 0, 1), flat, crisp]


def _blanks(size: tuple[int, ...]) -> Array:
    """Five images without a subject, (5, H, W, 3): black, grey, white, fine and coarse noise."""
    rng = np.random.default_rng(0)
    coarse = upsample(rng.random((3, 14, 14), np.float32), (size[0], size[1])).transpose(1, 2, 0)
    plain = [np.full((*size, 3), value, np.float32) for value in (0, 0.5, 1)]
    return np.stack([*plain, rng.random((*size, 3), np.float32), coarse])
