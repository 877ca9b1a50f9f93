"""Images whose pixels are revealed step by step: what each step holds, and how the model does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pysal.metrics.performance_pictures import Judge, Pictures, on_threads
from pysal.metrics.performance_reveal import interpolated, random_mask, salient_masks
from pysal.similarity.entropy import information_level, webp_bytes

KNOWN = ("probability", "probability_blurred", "bytes", "bytes_blurred")
"""What is found out of an image and of the picture that knows random pixels only."""

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Revealed:
    """Some images, first without their salient pixels, then with more and more of them.

    Parameters
    ----------
    judge : Judge
    pictures : ndarray of shape (n, H, W, 3), uint8
    classes, images : ndarray of shape (n,)
        Target, and number in the caller's batch.
    workers : int, optional
        Threads that make pictures.

    Attributes
    ----------
    known : dict of str to ndarray of shape (n,)
        `KNOWN`; NaN where it was not needed.
    """

    def __init__(
        self,
        judge: Judge,
        pictures: Pictures,
        classes: NDArray[np.int64],
        images: NDArray[np.intp],
        workers: int | None,
    ) -> None:
        self._judge, self._pictures, self._workers = judge, pictures, workers
        self._classes, self._images = classes, images
        self.known = {name: np.full(len(pictures), np.nan) for name in KNOWN}
        self._masks: dict[int, Mask] = {}
        self._ends: dict[str, tuple[Float, Float]] = {}
        self._counts: dict[str, Mask] = {}
        self._points: list[tuple[int, Float, dict[str, Float]]] = []

    def begin(self, fraction: float, seed_of: NDArray[np.uint64], least: float) -> None:
        """Evaluate the images and, where these suffice, the pictures of random pixels.

        Decides which images count (metrics specification 3.2, step 2).
        """
        chance, is_top = self._judge(self._pictures, self._classes, self._images)
        rows = np.flatnonzero((chance >= least) | is_top)
        self._masks = {
            i: random_mask(self._pictures[i], fraction, int(seed_of[i])) for i in rows.tolist()
        }
        low = {name: np.full(len(chance), np.nan) for name in ("sic", "aic")}
        self.known["probability"] = chance
        if len(rows):
            pictures, sizes = self._make(self._masks.items())
            self.known["bytes_blurred"][rows] = sizes
            whole = on_threads(webp_bytes, self._pictures[rows], self._workers)
            self.known["bytes"][rows] = list(whole)
            low["sic"][rows], low["aic"][rows] = self._judge(
                pictures, self._classes[rows], self._images[rows]
            )
        self.known["probability_blurred"] = low["sic"]
        usable = self.known["bytes_blurred"] < self.known["bytes"]
        for name, high in (("sic", chance), ("aic", is_top.astype(np.float64))):
            self._ends[name] = low[name], high
            self._counts[name] = (high >= least) & (low[name] < high) & usable

    def reveal(self, saliency: Float, thresholds: Sequence[float]) -> None:
        """Evaluate pictures that know a share of the most salient pixels as well.

        `saliency` has shape (n, H, W).
        """
        rows = np.flatnonzero(self._counts["sic"] | self._counts["aic"])
        if not len(rows):
            return
        masks = {i: salient_masks(saliency[i], thresholds) | self._masks[i] for i in rows.tolist()}
        pictures, sizes = self._make((i, mask) for i, shown in masks.items() for mask in shown)
        series = pictures.reshape(len(rows), -1, *pictures.shape[1:])
        chance, is_top = self._judge.series(series, self._classes[rows], self._images[rows])
        reached = {"sic": chance, "aic": is_top.astype(np.float64)}
        for at, i in enumerate(rows.tolist()):
            ends = float(self.known["bytes_blurred"][i]), float(self.known["bytes"][i])
            level = information_level(sizes.reshape(len(rows), -1)[at], *ends)
            gained = {
                name: self._share(name, i, reached[name][at])
                for name, counts in self._counts.items()
                if counts[i]
            }
            self._points.append((i, level, gained))

    def curves(self, name: str, monotone: bool, samples: int) -> Float:
        """Curves "sic" or "aic", (n, samples); NaN where an image does not count."""
        out = np.full((len(self._pictures), samples), np.nan)
        for i, level, gained in self._points:
            if name in gained:
                out[i] = sample_curve(level, gained[name], monotone, samples)
        return out

    def _share(self, name: str, image: int, reached: Float) -> Float:
        """Performance between that of the blurred picture, 0, and that of the image, 1."""
        low, high = (float(end[image]) for end in self._ends[name])
        return np.clip((reached - low) / (high - low), 0, 1)

    def _make(self, jobs: Iterable[tuple[int, Mask]]) -> tuple[Pictures, NDArray[np.int64]]:
        """Pictures that know some pixels of an image, and their sizes."""

        def one(job: tuple[int, Mask]) -> tuple[NDArray[np.uint8], int]:
            picture = interpolated(self._pictures[job[0]], job[1])
            return picture, webp_bytes(picture)

        pictures, sizes = zip(*on_threads(one, jobs, self._workers), strict=True)
        return np.stack(pictures), np.array(sizes, np.int64)


def sample_curve(level: Float, performance: Float, monotone: bool, samples: int) -> Float:
    """Performance over information in steps of 1 / (samples - 1), from points (T,): (samples,).

    (0, 0) and (1, 1) are points too; the curve is straight between neighbours. Of points with one
    level the best holds.
    """
    if monotone:
        performance = np.maximum.accumulate(performance)
    x, y = np.append(level, (0.0, 1.0)), np.append(performance, (0.0, 1.0))
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    best = np.append(x[1:] > x[:-1], True)
    at = np.arange(samples - 1) / (samples - 1)
    return np.append(np.interp(at, x[best], y[best]), 1.0)
