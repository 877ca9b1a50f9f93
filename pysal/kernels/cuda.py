"""The kernels on CUDA: the same functions as `pysal.kernels`, on arrays that stay on the device.

An array is a torch tensor, a CuPy array, or any object with `__cuda_array_interface__` or DLPack,
with any strides. Nodes, weights and noise are host values. Calls queue work on a stream and return;
nothing is copied to the host and nothing waits, so they can be recorded in CUDA graphs.
"""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pysal.arrays import AnyArray
from pysal.errors import MissingDependencyError, OptionError, ShapeError
from pysal.kernels import checks
from pysal.kernels.cuda_arrays import Arrays
from pysal.kernels.cuda_deconv import resampled_deconv
from pysal.kernels.cuda_sampling import (
    blend_grids,
    blend_patches,
    blend_ranked,
    blend_segments,
    rise_accumulate,
)
from pysal.types import Noise

__all__ = [
    "available",
    "blend",
    "blend_grids",
    "blend_patches",
    "blend_ranked",
    "blend_segments",
    "describe",
    "path_accumulate",
    "resampled_deconv",
    "rise_accumulate",
    "tv",
]


def _load() -> ModuleType:
    """The compiled module; tests replace this function."""
    try:
        from pysal import _cuda
    except ImportError as error:
        raise MissingDependencyError(
            "this build of pysal has no CUDA kernels; rebuild with -DPYSAL_CUDA=ON (needs nvcc)"
        ) from error
    return _cuda


def available() -> str:
    """Empty if the kernels are built and a device is there, else the reason why they cannot run."""
    try:
        module = _load()
    except MissingDependencyError:
        return "built without CUDA kernels (-DPYSAL_CUDA=ON builds them, with nvcc)"
    if module.device_count():
        return ""
    driver = module.driver_version()
    if not driver:
        return "no CUDA device (no driver)"
    version = f"{driver // 1000}.{driver % 1000 // 10}"
    return f"no CUDA device (driver for CUDA {version}: {module.device_error()})"


def describe() -> str:
    """What there is: "compiled (sm_75 ... sm_120), no CUDA device (no driver)"."""
    try:
        module = _load()
    except MissingDependencyError:
        return available()
    built = module.architectures
    span = built[0] if len(built) == 1 else f"{built[0]} ... {built[-1]}"
    devices = [module.device_name(i) for i in range(module.device_count())]
    return f"compiled ({span}), {', '.join(devices) or available()}"


def blend(
    image: AnyArray,
    baseline: AnyArray,
    masks: AnyArray,
    *,
    nodes: ArrayLike | None = None,
    first_node: int = 0,
    noise: Noise | None = None,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Images composed with their baselines under keep masks: `pysal.kernels.blend`, bit by bit.

    Parameters
    ----------
    image, baseline : array on the device of shape (N, C, H, W), float32
    masks : array on the device of shape (N, S, h, w), float32
    nodes : array_like of shape (S,), optional
        On the host.
    first_node : int
    noise : Noise, optional
        Its arrays are on the host.
    out : array on the device of shape (N, S, C, H, W), float32, optional
        Any strides; channels-last memory is written as fast. Must not overlap the inputs. Needed
        where `image` is neither of torch nor of CuPy.
    stream : int, optional
        A cudaStream_t, on which the arrays are ready. Default: the current stream of torch or CuPy,
        the one that `image` names, or the legacy default stream.

    Returns
    -------
    array of shape (N, S, C, H, W), float32
        `out`, or a new one of the kind of `image`.

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError
    RuntimeError
        An error of CUDA's.

    Notes
    -----
    Cost: writes the result once, reads image and baseline about once.
    """
    arrays = Arrays(_load(), image, stream)
    source, under = arrays.images(image, baseline)
    keep = arrays.view("masks", masks, 4)
    n, channels = source.shape[:2]
    scales = None if nodes is None else checks.vector("nodes", nodes)
    if keep.shape[0] != n or 0 in keep.shape[2:] or (scales is not None and keep.shape[1] != 1):
        rows = "S" if scales is None else "1"
        raise ShapeError(
            f"masks has shape {keep.shape}; expected ({n}, {rows}, h, w) for {n} images"
            f"{'' if scales is None else ' with nodes'}"
        )
    shape = (n, keep.shape[1] if scales is None else len(scales), *source.shape[1:])
    std, seed, step = None, None, 0
    if noise is not None:
        std, seed, step = checks.noise_parts(noise, channels, n)
    first = checks.counter("first_node", first_node)
    out, target = arrays.output("out", out, shape)
    arrays.module.blend(source, under, keep, scales, first, std, seed, step, target, arrays.stream)
    return out


def path_accumulate(
    grad: AnyArray,
    image: AnyArray,
    baseline: AnyArray,
    weights: ArrayLike,
    size: tuple[int, int],
    *,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Weighted sum of mask gradients: `pysal.kernels.path_accumulate`.

    Parameters
    ----------
    grad : array on the device of shape (N, S, C, H, W), float32
        Any strides; channels-last memory is read as fast.
    image, baseline : array on the device of shape (N, C, H, W), float32
    weights : array_like of shape (S,)
        On the host.
    size : tuple of int
        (h, w) of the mask.
    out : array on the device of shape (N, h, w), float32, optional
        Needed where `grad` is neither of torch nor of CuPy.
    stream : int, optional
        As in `blend`.

    Returns
    -------
    array of shape (N, h, w), float32
        `out`, or a new one of the kind of `grad`.

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError
    RuntimeError
        An error of CUDA's.

    Notes
    -----
    Cost: reads `grad`, image and baseline once; at most 16 MB of scratch for common sizes. The
    order of additions does not depend on N, nor on the device.
    """
    arrays = Arrays(_load(), grad, stream)
    dy, factors = arrays.view("grad", grad, 5), checks.vector("weights", weights)
    source, under = arrays.images(image, baseline)
    expected = (source.shape[0], len(factors), *source.shape[1:])
    if dy.shape != expected:
        raise ShapeError(
            f"grad has shape {dy.shape}; expected {expected} for {len(factors)} weights and "
            f"images of shape {source.shape}"
        )
    height, width = size
    if height < 1 or width < 1:
        raise ShapeError(f"size is ({height}, {width}); a mask has at least one row and one column")
    out, target = arrays.output("out", out, (source.shape[0], height, width))
    arrays.module.path_accumulate(dy, source, under, factors, target, arrays.stream)
    return out


def tv(
    masks: AnyArray,
    *,
    exponent: float = 2.0,
    reduction: Literal["mean", "sum"] = "mean",
    isotropic: bool = False,
    out: tuple[AnyArray, AnyArray] | None = None,
    stream: int | None = None,
) -> tuple[AnyArray, AnyArray]:
    """Total variation of masks and its gradient: `pysal.kernels.tv`.

    Parameters
    ----------
    masks : array on the device of shape (N, h, w), float32
    exponent : float > 0
    reduction : {"mean", "sum"}
    isotropic : bool
    out : tuple of arrays on the device, optional
        Value and gradient. Needed where `masks` is neither of torch nor of CuPy.
    stream : int, optional
        As in `blend`.

    Returns
    -------
    value : array on the device of shape (N,), float64
    grad : array on the device of shape (N, h, w), float32

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError
    RuntimeError
        An error of CUDA's.

    Notes
    -----
    Cost: one pass. Sums are added in an order that depends on (h, w) alone.
    """
    arrays = Arrays(_load(), masks, stream)
    source = arrays.view("masks", masks, 3)
    if 0 in source.shape[1:]:
        raise ShapeError(f"masks has shape {source.shape}; expected (N, h, w) with h, w at least 1")
    if not exponent > 0:
        raise OptionError(f"exponent is {exponent}; expected a positive number")
    if reduction not in ("mean", "sum"):
        raise OptionError(f'reduction is "{reduction}"; use "mean" or "sum"')
    given = (None, None) if out is None else out
    value, values = arrays.output("value", given[0], source.shape[:1], np.float64)
    grad, grads = arrays.output("grad", given[1], source.shape)
    arrays.module.tv(source, exponent, reduction == "mean", isotropic, values, grads, arrays.stream)
    return value, grad
