"""The explanations that are timed: a method joins by one line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Timed:
    """A method with its options.

    Attributes
    ----------
    method : str
        A name of `pysal.methods()`.
    options : mapping
    tiny : mapping
        Options of a dry run, on pictures of 32 x 32.
    peer : bool
        Whether it is the I-GOS that plain PyTorch computes too.
    """

    method: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tiny: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    peer: bool = False


_SHORT = {"iterations": 2, "steps": 2}

METHODS = {
    "igos 28": Timed("igos", {"size": 28}, {"size": 7, **_SHORT}, peer=True),
    "igos fast 28": Timed(
        "igos", {"size": 28, "preset": "fast"}, {"size": 7, "preset": "fast", **_SHORT}
    ),
    "igos 224": Timed("igos", {"size": 224}, {"size": 32, **_SHORT}, peer=True),
    "igos fast 224": Timed(
        "igos", {"size": 224, "preset": "fast"}, {"size": 32, "preset": "fast", **_SHORT}
    ),
}

_LAYER, _TINY_LAYER = {"layer": "layer4"}, {"layer": "stage2"}

OTHERS = {
    "gradcam": Timed("gradcam", _LAYER, _TINY_LAYER),
    "smoothgrad": Timed("smoothgrad", tiny={"samples": 2}),
    "integrated gradients": Timed("integrated_gradients", tiny={"steps": 2}),
    "guided ig": Timed("guided_ig", tiny={"steps": 2}),
    "blur ig": Timed("blur_ig", tiny={"steps": 2}),
    "sigcam": Timed("sigcam", _LAYER, {"size": 7, "warmup": 1, **_SHORT, **_TINY_LAYER}),
    "mp": Timed("mp", tiny={"size": 7, "iterations": 2}),
    "mp2": Timed("mp2", tiny={"size": 4, "chance": 1e-9, "output": "ranks"}),
    "rise": Timed("rise", tiny={"samples": 6}),
    "sliding patch": Timed("sliding_patch", tiny={"patch": 9, "stride": 9}),
    "occlusion stride 8": Timed("occlusion", {"stride": 8}, {"patch": 9, "stride": 9}),
    "scorecam": Timed("scorecam", _LAYER, _TINY_LAYER),
    "igos pp": Timed("igos_pp", tiny={"size": 7, **_SHORT}),
    "fido": Timed("fido", tiny={"size": 4, "steps": 2, "samples": 2}),
}
"""Latency only; the last ones take longest and may be cut off."""
