"""The channels of a network's layers in one row: which layers count, and where a channel stands."""

from __future__ import annotations

import bisect
import dataclasses
import difflib
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.types import Array

Layers = Literal["all", "conv"] | Sequence[str]


@dataclasses.dataclass(frozen=True)
class Channels:
    """All channels of some layers, layer after layer: features 0 to m - 1.

    Attributes
    ----------
    layers : tuple of str
    counts : tuple of int
        Channels per layer.
    """

    layers: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def starts(self) -> tuple[int, ...]:
        """Feature of the first channel of every layer, and m at the end."""
        return tuple(itertools.accumulate(self.counts, initial=0))

    def __len__(self) -> int:
        return sum(self.counts)

    def where(self, feature: int) -> tuple[str, int]:
        """Layer and channel of a feature."""
        if not 0 <= feature < len(self):
            raise OptionError(f"feature is {feature}; expected 0 to {len(self) - 1}")
        layer = bisect.bisect_right(self.starts, feature) - 1
        return self.layers[layer], feature - self.starts[layer]

    def number(self, layer: str, channel: int) -> int:
        """Feature of a channel; the inverse of `where`."""
        if layer not in self.layers:
            near = difflib.get_close_matches(layer, self.layers, n=3) or list(self.layers)
            raise OptionError(f'layer "{layer}" has no features; did you mean {", ".join(near)}?')
        index = self.layers.index(layer)
        if not 0 <= channel < self.counts[index]:
            raise OptionError(
                f'channel {channel} of layer "{layer}" does not exist; use 0 to '
                f"{self.counts[index] - 1}"
            )
        return self.starts[index] + channel


def find_channels(clf: Classifier, layers: Layers = "all") -> Channels:
    """Channels of the layers that features are taken from.

    Parameters
    ----------
    clf : Classifier
    layers : {"all", "conv"} or sequence of str
        "all": the feature layers that the model names, or else every layer of vectors or maps that
        does not have one value per class. "conv": the convolutions among them; where the model
        does not say what a layer is, those whose maps have more than one position, so that fully
        connected ones are left out. Or names of `clf.info.layers`.

    Raises
    ------
    OptionError
        If there is no such layer, or one whose activations are neither vectors nor maps.
    CapabilityError
        If the model or engine shows no activations.

    Notes
    -----
    Cost: 1 forward, for the shapes.
    """
    info = clf.info
    if isinstance(layers, str) and layers not in ("all", "conv"):
        raise OptionError(f'layers is "{layers}"; expected "all", "conv", or a list of layer names')
    named = not isinstance(layers, str)
    names = tuple(layers) if named else info.feature_layers or info.layers
    for name in names:
        if name not in info.layers:
            near = difflib.get_close_matches(name, info.layers, n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(near)}?" if near else "see pysal info"
            raise OptionError(f'{info.name} has no layer "{name}"; {hint}')
    image = np.zeros((1, *info.input_shape), np.float32)
    shapes = {name: value.shape[1:] for name, value in clf.activations(image, names).items()}
    if named or info.feature_layers:
        _check_shapes(shapes)
    else:
        names = tuple(name for name in names if _fits(shapes[name], info.num_classes))
    if layers == "conv":
        kinds = info.layer_kinds
        names = tuple(n for n in names if kinds.get(n, "conv") == "conv" and _is_map(shapes[n]))
    if not names or len(set(names)) < len(names):
        raise OptionError(
            f"layers is {layers!r}, which gives {len(set(names))} of {len(names)} layers of "
            f"{info.name}; expected one or more, each once: give names of its layers"
        )
    return Channels(names, tuple(shapes[name][0] for name in names))


def per_channel(activation: Array) -> Array:
    """Activations (n, Q) or (n, Q, h, w) as (n, Q, positions)."""
    return activation.reshape(*activation.shape[:2], -1)


def _is_map(shape: tuple[int, ...]) -> bool:
    """Whether a channel has more than one position."""
    return int(np.prod(shape[1:])) > 1


def _fits(shape: tuple[int, ...], num_classes: int) -> bool:
    """Whether a layer has vectors or maps, and no value per class."""
    return len(shape) in (1, 3) and int(np.prod(shape)) != num_classes


def _check_shapes(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse layers in which it is not plain what a channel is."""
    for name, shape in shapes.items():
        if len(shape) not in (1, 3):
            raise OptionError(
                f'layer "{name}" has activations of shape {shape} per image; expected (Q,) or '
                "(Q, h, w): choose other layers"
            )
