from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__version__: str
emulated: bool
architectures: list[str]

class View:
    pointer: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str
    readonly: bool
    device: int

    def __init__(
        self,
        pointer: int,
        shape: Sequence[int],
        strides: Sequence[int] | None,
        dtype: str,
        readonly: bool = ...,
        device: int = ...,
    ) -> None: ...

def open_dlpack(capsule: Any) -> View: ...
def device_count() -> int: ...
def device_error() -> str: ...
def device_name(device: int) -> str: ...
def runtime_version() -> int: ...
def driver_version() -> int: ...
def blend(
    image: View,
    baseline: View,
    masks: View,
    nodes: NDArray[np.float32] | None,
    first_node: int,
    noise_std: NDArray[np.float32] | None,
    noise_seed: NDArray[np.uint64] | None,
    noise_step: int,
    out: View,
    stream: int,
) -> None: ...
def path_accumulate(
    grad: View, image: View, baseline: View, weights: NDArray[np.float32], out: View, stream: int
) -> None: ...
def tv(
    masks: View,
    exponent: float,
    mean: bool,
    isotropic: bool,
    value: View,
    grad: View,
    stream: int,
) -> None: ...
def blend_patches(
    image: View,
    baseline: View,
    corners: View,
    height: int,
    width: int,
    out: View,
    stream: int,
) -> None: ...
def blend_segments(
    image: View, baseline: View, labels: View, keep: View, out: View, stream: int
) -> None: ...
def blend_grids(
    image: View,
    baseline: View | None,
    grids: View,
    offsets: View,
    up_height: int,
    up_width: int,
    out: View,
    stream: int,
) -> None: ...
def blend_ranked(
    image: View, baseline: View, ranks: View, thresholds: View, out: View, stream: int
) -> None: ...
def rise_accumulate(
    grids: View,
    offsets: View,
    weights: View,
    up_height: int,
    up_width: int,
    square: bool,
    out: View,
    stream: int,
) -> None: ...
def resampled_deconv(
    signal: View,
    weight: View,
    resized: tuple[int, int],
    pads: tuple[int, int],
    dilations: tuple[int, int],
    groups: int,
    out: View,
    stream: int,
) -> None: ...
