"""Arrays on any device: numpy, torch or CuPy, told apart by their type; none is imported here.

Code on the hot path is written with operators, methods and functions that all three share (clip,
abs, where, sign, sum, amax, ...), so masks and optimizers live where the network runs.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

AnyArray: TypeAlias = Any
"""An ndarray, a torch tensor or a CuPy array."""


def is_host(array: AnyArray) -> bool:
    """Whether it is an ndarray."""
    return isinstance(array, np.ndarray)


def namespace(array: AnyArray) -> ModuleType:
    """The module whose functions take this array: numpy, torch or cupy."""
    return sys.modules[root(array)]


def root(array: AnyArray) -> str:
    """Name of the package that an array's type comes from."""
    return type(array).__module__.partition(".")[0]


def to_host(array: AnyArray) -> NDArray[Any]:
    """The same numbers as an ndarray; waits for the device. A host array passes through."""
    if isinstance(array, np.ndarray):
        return array
    if root(array) == "torch":
        return array.detach().cpu().numpy()
    return array.get()


def to_like(array: NDArray[Any], like: AnyArray) -> AnyArray:
    """A host array where `like` is: itself, or a copy on its device."""
    if isinstance(like, np.ndarray):
        return array
    module = namespace(like)
    if root(like) == "torch":
        return module.from_numpy(np.ascontiguousarray(array)).to(like.device, non_blocking=True)
    with like.device:
        return module.asarray(array)


def empty_like(like: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Uninitialized float32 on the device of `like`."""
    if isinstance(like, np.ndarray):
        return np.empty(shape, np.float32)
    module = namespace(like)
    if root(like) == "torch":
        return module.empty(shape, dtype=module.float32, device=like.device)
    with like.device:
        return module.empty(shape, np.float32)


def take(array: AnyArray, rows: NDArray[np.intp]) -> AnyArray:
    """Rows of an array; all of them, in order, are the array itself."""
    if len(rows) == len(array) and (rows == np.arange(len(rows))).all():
        return array
    return array[to_like(rows, array)]


def dot(a: AnyArray, b: AnyArray) -> AnyArray:
    """Inner product of two maps per image, in float64: (N, h, w) twice -> (N,)."""
    if isinstance(a, np.ndarray):
        return np.einsum("nhw,nhw->n", a, b, dtype=np.float64)
    return (a * b).sum(axis=(1, 2), dtype=namespace(a).float64)
