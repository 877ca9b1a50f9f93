"""Which implementation an array belongs to: the host's, or CUDA's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from pysal.arrays import AnyArray, namespace, root
from pysal.types import Array

Function = TypeVar("Function", bound=Callable[..., Any])

_CPU, _CUDA_HOST = 1, 3
"""Device types of DLPack whose memory the host reads; every other one is left to CUDA."""


def on_cuda(array: AnyArray) -> bool:
    """Whether the host cannot read it; objects that are no arrays are False, for the checks."""
    if isinstance(array, np.ndarray):
        return False
    if hasattr(array, "__dlpack_device__"):
        return array.__dlpack_device__()[0] not in (_CPU, _CUDA_HOST)
    return hasattr(array, "__cuda_array_interface__")


def to_numpy(array: AnyArray) -> Any:
    """The same memory as an ndarray, where the host can read it; anything else as it is."""
    if root(array) == "torch":
        return array.detach().numpy()
    if not isinstance(array, np.ndarray) and hasattr(array, "__dlpack__"):
        return np.from_dlpack(array)
    return array


def like_input(result: Array, array: AnyArray) -> AnyArray:
    """A host result in the namespace of the input: a torch tensor gets one back."""
    return namespace(array).from_numpy(result) if root(array) == "torch" else result
