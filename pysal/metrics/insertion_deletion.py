"""Insertion and deletion: how fast the score comes and goes with the most salient cells."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.heatmap import upsample
from pysal.masking import MaskedScore
from pysal.types import Array, MetricResult, Passes, Target

GROUP = 16
"""Images that are evaluated together; changes no result."""

MASK_VALUES = 2**22
"""Mask values that exist at once: 16 MiB, whatever the number of images, steps and cells."""

PROTOCOLS: Mapping[str, tuple[str, str]] = {"igos": ("blur", "blur"), "rise": ("mean", "blur11")}
"""Baselines of each protocol, for deletion and for insertion."""

Float = NDArray[np.float64]


def insertion_deletion(
    clf: Classifier,
    batch: Array,
    maps: ArrayLike,
    target: Target,
    *,
    protocol: Literal["igos", "rise"] = "igos",
    deletion_baseline: str | None = None,
    insertion_baseline: str | None = None,
    step: int | None = None,
    legacy_igos_pp: bool = False,
    tie: Literal["stable", "random"] = "stable",
    orders: int = 5,
    seed: int = 0,
    progress: Callable[[float, float], None] | None = None,
) -> MetricResult:
    """Areas under the probability of the target as its most salient cells are deleted or inserted.

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    maps : ndarray of shape (N, h, w)
        Saliency, higher = more important. A map with NaN counts as a constant map.
    target : Target of length N, or 1
        Its classes; the score is the probability whatever its kind.
    protocol : {"igos", "rise"}
        "igos" ranks the cells of the map at its own resolution and upsamples binary masks
        bilinearly, hence with soft borders; "rise" ranks pixels, of maps upsampled to H x W.
    deletion_baseline, insertion_baseline : str, optional
        Kinds of `make_baseline`. Default: blurred image for both ("igos"); mean colour, and the
        11 x 11 blur ("rise").
    step : int, optional
        Cells changed per step. Default: max(1, h * w // 50) ("igos"); 8 * 224, or for other sizes
        8 * W ("rise").
    legacy_igos_pp : bool
        Sum as the published code of iGOS++: without the point k = 0, and with the last step counted
        as if its probability were 1.
    tie : {"stable", "random"}
        Order of equal cells: by index, or the mean over `orders` random orders.
    orders, seed : int
        For tie="random".
    progress : callable, optional
        Called as progress(done, total), in images.

    Returns
    -------
    MetricResult
        Values "insertion" (higher is better), "deletion" (lower) and "difference", the first minus
        the second; curves "fraction" (T + 1,), "insertion" and "deletion" (N, T + 1).

    Raises
    ------
    ShapeError
        If the maps do not fit the batch.
    OptionError
        If an option is outside its allowed values.
    CapabilityError
        If a score is not finite.

    Notes
    -----
    Needs: score. Cost: per image 2 * T forward for T = ceil(cells / step) steps if both baselines
    are one, else 2 * T + 1: the curves share the image and the baseline at their ends. The area is
    the trapezoid rule on the true fractions, so a last step that is shorter counts less (ours; the
    RISE code treats all steps as equal).

    References
    ----------
    .. [1] Petsiuk, Das, Saenko, "RISE", BMVC 2018, section 4.2; code github.com/eclique/RISE at
       d91ea006.
    .. [2] Qi, Khorram, Li, "Visualizing Deep Networks by Optimizing with Integrated Gradients",
       AAAI 2020, evaluation at heatmap resolution; code of the sum github.com/khorrams/IGOS_pp at
       b0820a2f.
    """
    begin = time.perf_counter()
    batch = clf.check_batch(batch)
    target = Target(clf.check_target(target, len(batch)).index, "probability")
    _check(protocol, tie, {"step": 1 if step is None else step, "orders": orders}, seed)
    ranked = _maps(maps, batch, protocol)
    cells = ranked[0].size if len(ranked) else int(np.prod(ranked.shape[1:]))
    step = step or (max(1, cells // 50) if protocol == "igos" else 8 * batch.shape[3])
    ends = np.append(np.arange(0, cells, step), cells)
    default = PROTOCOLS[protocol]
    kinds = deletion_baseline or default[0], insertion_baseline or default[1]
    shuffles = _shuffles(cells, orders, seed) if tie == "random" else [np.arange(cells)]
    curves = np.zeros((2, len(batch), len(ends)))
    passes = Passes()
    for first in range(0, len(batch), GROUP):
        rows = slice(first, first + GROUP)
        group = _Group(clf, batch[rows], target[rows], kinds, first)
        for shuffle in shuffles:
            curves[:, rows] += group.curves(_ranks(ranked[rows], shuffle), ends) / len(shuffles)
        passes += group.passes
        if progress is not None:
            progress(min(rows.stop, len(batch)), len(batch))
    fraction = ends / cells
    deletion, insertion = (_area(curve, fraction, legacy_igos_pp) for curve in curves)
    return MetricResult(
        metric="insertion_deletion",
        values={"insertion": insertion, "deletion": deletion, "difference": insertion - deletion},
        curves={"fraction": fraction, "insertion": curves[1], "deletion": curves[0]},
        options={
            "protocol": protocol,
            "deletion_baseline": kinds[0],
            "insertion_baseline": kinds[1],
            "step": step,
            "legacy_igos_pp": legacy_igos_pp,
            "tie": tie,
            "orders": len(shuffles),
            "seed": seed,
        },
        passes=passes,
        seconds=time.perf_counter() - begin,
    )


class _Group:
    """Images that are evaluated together, their baselines, and the scores at the ends."""

    def __init__(
        self, clf: Classifier, batch: Array, target: Target, kinds: tuple[str, str], first: int
    ) -> None:
        fills = {kind: make_baseline(kind, batch, clf.preprocess) for kind in dict.fromkeys(kinds)}
        away, back = (fills[kind] for kind in kinds)
        self._delete = MaskedScore(clf, batch, away, target, first)
        self._insert = MaskedScore(clf, back, batch, target, first)
        whole = np.ones((len(batch), 1, 1, 1), np.float32)
        self._image = self._delete.score(whole)[:, 0]
        self._back = self._insert.score(whole)[:, 0]
        self._away = self._back if away is back else self._delete.score(1 - whole)[:, 0]

    @property
    def passes(self) -> Passes:
        return self._delete.passes + self._insert.passes

    def curves(self, ranks: NDArray[np.intp], ends: NDArray[np.intp]) -> Float:
        """Deletion and insertion curves (2, n, T + 1) when cells of rank < end are changed."""
        out = np.empty((2, len(ranks), len(ends)))
        out[0, :, 0], out[0, :, -1] = self._image, self._away
        out[1, :, 0], out[1, :, -1] = self._back, self._image
        chunk = max(1, MASK_VALUES // max(1, ranks.size))
        for first in range(1, len(ends) - 1, chunk):
            at = slice(first, min(first + chunk, len(ends) - 1))
            keep = (ranks[:, None] >= ends[at, None, None]).astype(np.float32)
            out[0, :, at] = self._delete.score(keep)
            out[1, :, at] = self._insert.score(keep)
        return out


def _ranks(maps: Float, shuffle: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rank of every cell, 0 = most salient, (N, h, w); equal cells in the order of `shuffle`."""
    flat = -maps.reshape(len(maps), -1)[:, shuffle]
    order = shuffle[np.argsort(flat, axis=1, kind="stable")]
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(order.shape[1])[None], axis=1)
    return ranks.reshape(maps.shape)


def _shuffles(cells: int, orders: int, seed: int) -> list[NDArray[np.intp]]:
    """Random orders of the cells, the same ones for every image."""
    generator = np.random.default_rng(seed)
    return [generator.permutation(cells) for _ in range(orders)]


def _area(curve: Float, fraction: Float, legacy: bool) -> Float:
    """Area under curves (N, T + 1), (N,)."""
    width = np.diff(fraction)
    heights = (curve[:, 1:] + curve[:, :-1]) / 2
    if legacy:
        heights = curve[:, 1:].copy()
        heights[:, -1] = 1
    area: Float = np.einsum("nt,t->n", heights, width)
    return area


def _maps(maps: ArrayLike, batch: Array, protocol: str) -> Float:
    """Maps to rank, (N, h, w): at their own resolution, or for "rise" at the image's."""
    values = np.asarray(maps)
    if values.ndim != 3 or len(values) != len(batch) or 0 in values.shape[1:]:
        raise ShapeError(
            f"maps have shape {values.shape}; expected (N, h, w), one per image, N = {len(batch)}"
        )
    if not (np.issubdtype(values.dtype, np.floating) or np.issubdtype(values.dtype, np.integer)):
        values = values.astype(np.float64)
    missing = np.isnan(values).any(axis=(1, 2))
    partly = missing & ~np.isnan(values).all(axis=(1, 2))
    if partly.any():
        shown = ", ".join(map(str, np.flatnonzero(partly)[:5]))
        warnings.warn(
            f"{partly.sum()} of {len(values)} maps (number {shown}) have NaN in some cells; each "
            "is scored as a constant map",
            stacklevel=3,
        )
    values = np.where(missing[:, None, None], 0, values)
    if protocol == "rise" and values.shape[1:] != batch.shape[2:]:
        values = upsample(values.astype(np.float32), batch.shape[2:])
    return values.astype(np.float64)


def _check(protocol: Any, tie: Any, counts: Mapping[str, Any], seed: Any) -> None:
    """Refuse options outside their allowed values."""
    for name, value, choices in (
        ("protocol", protocol, tuple(PROTOCOLS)),
        ("tie", tie, ("stable", "random")),
    ):
        if value not in choices:
            raise OptionError(
                f"insertion_deletion: {name} is {value!r}; use one of {', '.join(choices)}"
            )
    for name, value, least in (*((k, v, 1) for k, v in counts.items()), ("seed", seed, 0)):
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least:
            raise OptionError(
                f"insertion_deletion: {name} is {value!r}; expected a whole number from {least} on"
            )
