"""Numpy arrays placed on a device with a memory layout, as objects of several libraries."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

LAYOUTS = ("c", "channels_last", "sliced", "offset")


def memory(array, layout):
    """A flat buffer, and where in it the array lies: (buffer, first element, strides)."""
    shape = array.shape
    if layout == "channels_last":
        order = [*range(array.ndim - 3), array.ndim - 2, array.ndim - 1, array.ndim - 3]
        inner = np.empty([shape[axis] for axis in order], array.dtype)
        steps = dict(zip(order, inner.strides, strict=True))
        strides = tuple(steps[axis] // array.itemsize for axis in range(array.ndim))
        return np.full(array.size, 7, array.dtype), 0, strides
    factor = 2 if layout == "sliced" else 1
    wide = np.empty((*shape[:-1], shape[-1] * factor), array.dtype)
    strides = [step // array.itemsize for step in wide.strides]
    strides[-1] *= factor
    first = 1 if layout == "offset" else 0
    return np.full(wide.size + first, 7, array.dtype), first, tuple(strides)


class Interface:
    """Memory of the host as the emulated device, through the CUDA array interface."""

    class Array:
        def __init__(self, array):
            self.array = array

        @property
        def __cuda_array_interface__(self):
            return {
                "shape": self.array.shape,
                "strides": self.array.strides,
                "typestr": self.array.dtype.str,
                "data": (self.array.ctypes.data, not self.array.flags.writeable),
                "version": 3,
                "stream": None,
            }

    name, makes_results = "emulated", False

    def put(self, array, layout="c"):
        """The array with a layout: "c", "channels_last", "sliced" in columns, or "offset"."""
        buffer, first, strides = memory(array, layout)
        placed = self.strided(buffer, first, array.shape, strides)
        self.fill(placed, array)
        return placed

    def strided(self, buffer, first, shape, strides):
        steps = [step * buffer.itemsize for step in strides]
        return self.Array(as_strided(buffer[first:], shape, steps))

    def fill(self, placed, array):
        placed.array[...] = array

    def get(self, placed):
        return placed.array.copy()


class DLPack(Interface):
    """The same through DLPack."""

    name = "emulated-dlpack"

    class Array:
        def __init__(self, array):
            self.array = array

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()


class TorchCpu:
    """Tensors of the host, for the emulated device."""

    name, library, where = "emulated-torch", "torch", "cpu"
    makes_results = True

    def put(self, array, layout="c"):
        import torch

        buffer, first, strides = memory(array, layout)
        placed = torch.from_numpy(buffer).to(self.where)
        placed = placed.as_strided(array.shape, strides, first)
        return placed.copy_(torch.from_numpy(array))

    def get(self, placed):
        return placed.cpu().numpy().copy()


class TorchCuda(TorchCpu):
    """Tensors of a GPU."""

    name, where = "gpu-torch", "cuda"


class CuPy:
    """CuPy arrays."""

    name, library = "gpu-cupy", "cupy"
    makes_results = True

    def put(self, array, layout="c"):
        import cupy

        buffer, first, strides = memory(array, layout)
        steps = [step * array.itemsize for step in strides]
        whole = cupy.asarray(buffer)[first:]
        placed = cupy.lib.stride_tricks.as_strided(whole, array.shape, steps)
        placed[...] = cupy.asarray(array)
        return placed

    def get(self, placed):
        return placed.get()
