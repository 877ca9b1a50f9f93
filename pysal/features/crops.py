"""Crops of images, and of heatmaps, where features answer: added up, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pysal.baselines import make_baseline
from pysal.classifier import Classifier
from pysal.features.feature_set import Feature
from pysal.features.feedback import channel_signal, scale_feedback
from pysal.features.ranking import Strongest
from pysal.features.windows import Border, Fields, Window, crop, shift_inside, window_of
from pysal.types import Array, Passes

GROUP = 8
"""Signals that are carried back together; changes no result."""


class Views:
    """Which windows of which images belong to the features."""

    def __init__(
        self,
        features: Sequence[Feature],
        strongest: Strongest,
        fields: Mapping[str, Fields | None],
        border: Border,
        size: tuple[int, int],
    ) -> None:
        self._cuts: dict[int, list[tuple[int, Window]]] = {}
        self.frames: list[tuple[int, int]] = []
        for index, feature in enumerate(features):
            seen = fields[feature.layer]
            first = window_of(seen, 0, 0, size)
            first = shift_inside(first, size) if border == "shift" else first
            self.frames.append((first.height, first.width))
            places = zip(
                strongest.image[index], strongest.row[index], strongest.column[index], strict=True
            )
            for image, row, column in places:
                if image >= 0:
                    window = window_of(seen, int(row), int(column), size)
                    window = shift_inside(window, size) if border == "shift" else window
                    self._cuts.setdefault(int(image), []).append((index, window))

    @property
    def numbers(self) -> NDArray[np.intp]:
        """Images that are needed, ascending."""
        return np.array(sorted(self._cuts), np.intp)

    def of(self, number: int) -> list[tuple[int, Window]]:
        """Features that an image belongs to, and their windows in it."""
        return self._cuts[number]


class Sums:
    """Sums of crops, feature by feature; images come one after another."""

    def __init__(self, clf: Classifier, views: Views, heatmaps: bool) -> None:
        self._preprocess, self._views = clf.preprocess, views
        one = np.zeros((1, clf.info.input_shape[0], 1, 1), np.float32)
        self._colour = self._rgb(make_baseline("mean", one, clf.preprocess))[0, 0]
        self._pictures = [np.zeros((*frame, 3)) for frame in views.frames]
        self._maps = [np.zeros(frame) for frame in views.frames] if heatmaps else None
        self._counts = [0] * len(views.frames)

    def add(self, image: Array, number: int, maps: Array | None) -> None:
        """Add the crops of one image (1, C, H, W), and of its heatmaps (k, H, W)."""
        rgb = self._rgb(image)
        for place, (index, window) in enumerate(self._views.of(number)):
            self._pictures[index] += crop(rgb, window, self._colour)
            self._counts[index] += 1
            if self._maps is not None and maps is not None:
                self._maps[index] += crop(maps[place], window, 0.0)

    def means(self, size: int | None) -> tuple[tuple[Array, ...], tuple[Array, ...] | None]:
        """Average pictures, and heatmaps; the mean colour and zero where nothing was added."""
        pictures = tuple(
            _resized(total / count if count else total + self._colour, size)
            for total, count in zip(self._pictures, self._counts, strict=True)
        )
        if self._maps is None:
            return pictures, None
        pairs = zip(self._maps, self._counts, strict=True)
        return pictures, tuple(_resized(total / max(count, 1), size) for total, count in pairs)

    def _rgb(self, image: Array) -> Array:
        rgb: Array = self._preprocess.denormalize(image)[0]
        return rgb


def feature_maps(
    clf: Classifier,
    image: Array,
    features: Sequence[Feature],
    cuts: list[tuple[int, Window]],
    rules: str,
) -> tuple[Array, Passes]:
    """Heatmap of every feature that one image belongs to, (k, H, W)."""
    wanted = [features[index] for index, _ in cuts]
    layers = sorted({f.layer for f in wanted})
    activations = clf.activations(image, layers)
    maps = np.empty((len(wanted), *image.shape[2:]), np.float32)
    for layer in layers:
        inside = [row for row, f in enumerate(wanted) if f.layer == layer]
        for first in range(0, len(inside), GROUP):
            rows = inside[first : first + GROUP]
            values, channels = activations[layer][0], [wanted[row].channel for row in rows]
            signal = channel_signal([values[c] for c in channels], channels, values.shape)
            batch = np.repeat(image, len(rows), axis=0)
            maps[rows] = scale_feedback(clf.backward(batch, layer, signal, rules=rules))
    return maps, Passes(1 + len(wanted), len(wanted))


def _resized(picture: NDArray[np.float64], size: int | None) -> Array:
    """Average picture at a common size, channel by channel."""
    small: Array = picture.astype(np.float32)
    if size is None or small.shape[:2] == (size, size):
        return small
    from PIL import Image

    planes = small.reshape(*small.shape[:2], -1).transpose(2, 0, 1)
    resized = [
        np.asarray(Image.fromarray(plane).resize((size, size), Image.Resampling.BILINEAR))
        for plane in planes
    ]
    out: Array = np.stack(resized, axis=2).reshape(size, size, *small.shape[2:])
    return out
