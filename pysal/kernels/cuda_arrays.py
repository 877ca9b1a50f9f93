"""Arrays of torch, CuPy and others as the CUDA kernels see them; none of them is imported here."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from pysal.arrays import AnyArray, namespace, root
from pysal.errors import OptionError, ShapeError

_LEGACY_STREAM = 1
"""The default stream, as both interfaces name it; 0 is not allowed in them."""

_CPU = 1
"""A device type of DLPack."""


class Arrays:
    """The arrays of one call, checked to be on one device, and the stream that it runs on.

    Attributes
    ----------
    module : module
        pysal._cuda
    first : array
        Results are made like this one.
    stream : int
        A cudaStream_t.
    """

    def __init__(self, module: ModuleType, first: AnyArray, stream: int | None) -> None:
        self.module = module
        self.first = first
        self.stream = _default_stream(first) if stream is None else stream
        self._device: tuple[str, int] | None = None

    def view(self, name: str, array: AnyArray, ndim: int, dtype: DTypeLike = np.float32) -> Any:
        """Pointer, shape and strides of an input on the call's device."""
        view, expected = self._open(name, array), np.dtype(dtype).name
        if view.dtype != expected or len(view.shape) != ndim:
            how = "x.float()" if expected == "float32" else f"x.to(torch.{expected})"
            raise ShapeError(
                f"{name} is {view.dtype} of shape {view.shape}; expected a {expected} array with "
                f"{ndim} axes; convert it, in torch with {how}"
            )
        return view

    def images(self, image: AnyArray, baseline: AnyArray) -> tuple[Any, Any]:
        """Views of images and baselines of one shape, (N, C, H, W)."""
        source, under = self.view("image", image, 4), self.view("baseline", baseline, 4)
        if source.shape != under.shape:
            raise ShapeError(
                f"baseline has shape {under.shape}, image {source.shape}; give one baseline per "
                "image"
            )
        return source, under

    def output(
        self, name: str, out: AnyArray, shape: tuple[int, ...], dtype: DTypeLike = np.float32
    ) -> tuple[AnyArray, Any]:
        """The caller's array, or a new one, and its view."""
        expected = np.dtype(dtype).name
        if out is None:
            out = self._empty(name, shape, expected)
        view = self._open(name, out)
        if view.dtype != expected or view.shape != shape or view.readonly:
            raise ShapeError(
                f"{name} is {'read-only ' * view.readonly}{view.dtype} of shape {view.shape}; "
                f"expected writable {expected} of shape {shape}"
            )
        steps = zip(view.strides, shape, strict=True)
        if 0 not in shape and any(step == 0 and size > 1 for step, size in steps):
            raise ShapeError(
                f"{name} has strides {view.strides}; expected elements that share no memory"
            )
        return out, view

    def _open(self, name: str, array: AnyArray) -> Any:
        view = _view(self.module, name, array, self.stream)
        if view.device < 0:  # empty
            return view
        if self._device is not None and self._device[1] != view.device:
            raise ShapeError(
                f"{name} is on CUDA device {view.device}, {self._device[0]} on device "
                f"{self._device[1]}; move them to one device"
            )
        self._device = self._device or (name, view.device)
        return view

    def _empty(self, name: str, shape: tuple[int, ...], dtype: str) -> AnyArray:
        kind = root(self.first)
        if kind == "torch":
            torch = namespace(self.first)
            return torch.empty(shape, dtype=getattr(torch, dtype), device=self.first.device)
        if kind == "cupy":
            with self.first.device:
                return namespace(self.first).empty(shape, dtype)
        raise OptionError(
            f"a result like a {type(self.first).__name__} cannot be made; give {name}, a {dtype} "
            f"array of shape {shape} on the same device, or torch or CuPy arrays"
        )


def _default_stream(array: AnyArray) -> int:
    """The stream that an array's library uses at the moment."""
    if root(array) == "torch":
        cuda = namespace(array).cuda
        return int(cuda.current_stream(array.device).cuda_stream) if array.is_cuda else 0
    if root(array) == "cupy":
        with array.device:
            return int(namespace(array).cuda.get_current_stream().ptr)
    named = getattr(array, "__cuda_array_interface__", {}).get("stream")
    return 0 if named is None else int(named)


def _view(module: ModuleType, name: str, array: AnyArray, stream: int) -> Any:
    """What the kernels need to know of an array."""
    if root(array) == "torch":
        return _torch_view(module, name, array)
    if hasattr(array, "__cuda_array_interface__"):
        return _interface_view(module, name, array.__cuda_array_interface__)
    if hasattr(array, "__dlpack__") and hasattr(array, "__dlpack_device__"):
        if array.__dlpack_device__()[0] == _CPU and not module.emulated:
            raise _on_host(name, array)
        return module.open_dlpack(_capsule(array, stream))
    raise ShapeError(
        f"{name} is a {type(array).__name__}; expected an array on a CUDA device: a torch tensor, "
        "a CuPy array, or one with __cuda_array_interface__ or __dlpack__"
    )


def _torch_view(module: ModuleType, name: str, tensor: Any) -> Any:
    """Of a tensor, also one that requires a gradient: what the kernels do is not recorded."""
    if not (tensor.is_cuda or module.emulated):
        raise _on_host(name, tensor)
    dtype = str(tensor.dtype).removeprefix("torch.")
    device = tensor.device.index or 0
    return module.View(tensor.data_ptr(), tensor.shape, tensor.stride(), dtype, False, device)


def _interface_view(module: ModuleType, name: str, interface: dict[str, Any]) -> Any:
    """Of an object with the CUDA array interface; its strides are in bytes."""
    if interface.get("mask") is not None:
        raise ShapeError(f"{name} has a mask of valid elements; expected an array without one")
    pointer, readonly = interface["data"]
    dtype, shape = np.dtype(interface["typestr"]), interface["shape"]
    strides = interface.get("strides")
    if strides is not None:
        if any(step % dtype.itemsize for step in strides):
            raise ShapeError(
                f"{name} has strides of {strides} bytes; expected whole elements of "
                f"{dtype.itemsize} bytes; make a contiguous copy"
            )
        strides = [step // dtype.itemsize for step in strides]
    swapped = "" if dtype.isnative else "byte-swapped "
    return module.View(pointer or 0, shape, strides, swapped + dtype.name, bool(readonly))


def _capsule(array: Any, stream: int) -> Any:
    """The DLPack capsule of an array, ready for use on a stream; older producers know less."""
    if array.__dlpack_device__()[0] == _CPU:
        return array.__dlpack__()
    for options in (
        {"stream": stream or _LEGACY_STREAM, "max_version": (1, 0)},
        {"stream": stream or _LEGACY_STREAM},
    ):
        try:
            return array.__dlpack__(**options)
        except TypeError:
            continue
    return array.__dlpack__()


def _on_host(name: str, array: Any) -> ShapeError:
    return ShapeError(
        f"{name} is a {type(array).__name__} in the memory of the host; expected an array on a "
        "CUDA device; move it, in torch with x.cuda()"
    )
