"""First keep masks: from activation maps, from random numbers, from the best of some discs."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.arrays import AnyArray
from pysal.cams import CAMS, check_spatial, find_layer, min_max, resize
from pysal.draws import START, uniform
from pysal.errors import ShapeError
from pysal.resample import Resample
from pysal.types import Array
from pysal.values import choice
from pysal.work import Work

RADII = np.arange(0, 175, 5)
"""Of the discs, at 224 pixels."""
DISC_SIGMA = 10.0
"""Of the blur of their border, at 224 pixels."""


def base_maps(
    work: Work, base: str | NDArray[Any], layer: str | None, owner: str
) -> tuple[Array, str]:
    """Base maps in [0, 1], (N, u, v), and the layer they come from, empty for given ones.

    Parameters
    ----------
    work : Work
    base : str or ndarray of shape (N, u, v)
        A name of `CAMS`, of the logit; or maps, higher = more important.
    layer : str, optional
    owner : str
        Method that errors name.

    Raises
    ------
    OptionError, ShapeError
        Before any evaluation, but for a layer without height and width.

    Warns
    -----
    UserWarning
        Where a map has one value everywhere, so that it is 0.

    Notes
    -----
    Cost: one forward and one backward per image, none for given maps.
    """
    checked = check_base(work, base, layer, owner)
    if isinstance(checked, str):
        _, activation, grad = work.layer_grad(checked, kind="logit")
        info = work.clf.info
        values = [check_spatial(owner, info, checked, v) for v in (activation, grad)]
        maps = CAMS[str(base)](*values)
    else:
        maps = checked
    scaled = min_max(maps) if len(maps) else maps
    flat = np.flatnonzero(scaled.max(axis=(1, 2), initial=0) == 0)
    if flat.size:
        shown = ", ".join(map(str, flat[:5]))
        warnings.warn(
            f"{flat.size} of {len(scaled)} activation maps (number {shown}) have one value "
            "everywhere; their masks start at 1, as without a map",
            stacklevel=3,
        )
    return scaled, checked if isinstance(checked, str) else ""


def check_base(work: Work, base: str | NDArray[Any], layer: str | None, owner: str) -> str | Array:
    """Return the layer to look at, or given maps as float32; errors as for `base_maps`."""
    if isinstance(base, str):
        choice(owner, "base", base, CAMS)
        return find_layer(work.clf.info, layer, owner)
    values = np.asarray(base)
    fits = values.ndim == 3 and len(values) == len(work) and 0 not in values.shape[1:]
    if not fits or values.dtype.kind not in "fiub" or not np.isfinite(values).all():
        raise ShapeError(
            f"{owner}: base has dtype {values.dtype} and shape {values.shape}; expected finite "
            f"maps ({len(work)}, u, v), one per image, or one of {', '.join(CAMS)}"
        )
    return values.astype(np.float32)


def from_maps(maps: Array, theta: float, lam: float, size: tuple[int, int]) -> Array:
    """Keep masks 1 - U(lam * B), where B is 0 below theta: (N, u, v) -> (N, h, w), in [1 - lam, 1].

    Notes
    -----
    Filtered before it is resized, bilinearly without aligned corners; methods specification 7.2.

    References
    ----------
    .. [1] Zhang, Rao, Yang, "A Novel Visual Interpretability for Deep Neural Networks by Optimizing
       Activation Maps with Perturbation", AAAI 2021, section "SIGCAM".
    """
    kept = np.where(maps < theta, 0, lam * maps).astype(np.float32)
    return np.clip(1 - resize(kept, size), 0, 1).astype(np.float32)


def random_masks(seed: NDArray[np.uint64], size: tuple[int, int]) -> Array:
    """Uniform masks in [0, 1), one per seed, (N, h, w)."""
    masks = [uniform(int(s), START, size) for s in seed]
    return np.array(masks, np.float32).reshape(len(seed), *size)


def circular_masks(work: Work, fill: Array, size: tuple[int, int]) -> Array:
    """Keep masks without a disc around the middle, the smallest that takes the score.

    The radius is the smallest with (p(r) - p(R)) / (p(x) - p(R)) < 0.01 for the largest one R, or
    R; the mask is resized to (h, w) by picking elements.

    Parameters
    ----------
    work : Work
    fill : ndarray of shape (N, C, H, W), float32
        What the disc shows.
    size : tuple of int

    Returns
    -------
    ndarray of shape (N, h, w), float32

    Notes
    -----
    Cost: 35 forward per image. Discs and their blur have the published sizes at 224 pixels, and
    are scaled with the image's larger side, which is ours.

    References
    ----------
    .. [1] Fong, Vedaldi, "Interpretable Explanations of Black Boxes by Meaningful Perturbation",
       ICCV 2017, section 4.3; radii, blur and threshold of its code,
       github.com/ruthcfong/perturb_explanations. Methods specification 6.1.
    """
    discs = _discs(work.size)
    fills = work.clf.to_device(fill)
    shown = _SameMasks(work.x, fills, work.clf.to_device(discs))
    scores = work.score_composed(shown, len(discs)).astype(np.float64)
    last, whole = scores[:, -1:], work.score().astype(np.float64)[:, None]
    span = whole - last
    share = np.divide(scores - last, span, out=np.ones_like(scores), where=span != 0)
    fits = share < 0.01
    fits[:, -1] = True
    small = Resample("nearest", work.size, size, discs)(discs)
    return small[fits.argmax(axis=1)]


def _discs(size: tuple[int, int]) -> Array:
    """Keep masks without blurred discs of growing radius, (35, H, W)."""
    scale = max(size) / 224
    rows, columns = (np.arange(n) - n // 2 for n in size)
    distance = rows[:, None] ** 2 + columns[None] ** 2
    discs = (distance <= (scale * RADII[:, None, None]) ** 2).astype(np.float64)
    blur = (_gauss(n, scale * DISC_SIGMA) for n in size)
    down, across = blur
    return np.ascontiguousarray(1 - down @ discs @ across.T, np.float32)


def _gauss(length: int, sigma: float) -> NDArray[np.float64]:
    """Gaussian along one axis, cut at 4 sigma, the border mirrored with its edge."""
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-(offsets**2) / (2 * sigma**2))
    at = (np.arange(length)[:, None] + offsets) % (2 * length)
    matrix = np.zeros((length, length))
    rows = np.arange(length)[:, None]
    np.add.at(matrix, (rows, np.minimum(at, 2 * length - 1 - at)), weights / weights.sum())
    return matrix


@dataclasses.dataclass(frozen=True)
class _SameMasks:
    """Every image under the same masks (M, H, W); version m shows mask m."""

    batch: AnyArray
    baseline: AnyArray
    masks: AnyArray

    def __call__(self, image: int, first: int, out: AnyArray) -> None:
        one = slice(image, image + 1)
        kernels.blend(
            self.batch[one],
            self.baseline[one],
            self.masks[None, first : first + len(out)],
            first_node=first,
            out=out[None],
            threads=1 if len(out) == 1 else 0,
        )
