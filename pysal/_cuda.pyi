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
