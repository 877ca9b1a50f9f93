"""Transposed convolution of a resampled signal on CUDA."""

from __future__ import annotations

from pysal.arrays import AnyArray
from pysal.kernels.cuda_arrays import Arrays


def resampled_deconv(
    signal: AnyArray,
    weight: AnyArray,
    size: tuple[int, int],
    *,
    strides: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilations: tuple[int, int] = (1, 1),
    groups: int = 1,
    out: AnyArray | None = None,
    stream: int | None = None,
) -> AnyArray:
    """Carry a signal back through a convolution as if its stride were 1.

    `pysal.kernels.resampled_deconv` on the device.

    Parameters
    ----------
    signal : array on the device of shape (N, Q, B_h, B_w), float32
        Any strides.
    weight : array on the device of shape (Q, C / groups, M_h, M_w), float32
    size, strides, pads, dilations, groups
        As there.
    out : array on the device of shape (N, C, A_h, A_w), float32, optional
        Needed where `signal` is neither of torch nor of CuPy.
    stream : int, optional
        As in `pysal.kernels.cuda.blend`.

    Returns
    -------
    array of shape (N, C, A_h, A_w), float32
        `out`, or a new one of the kind of `signal`.

    Raises
    ------
    ShapeError, OptionError, MissingDependencyError
    RuntimeError
        An error of CUDA's.

    Notes
    -----
    Cost: a product per result, filter tap and signal, in one launch; the resampled signal is not
    stored. The order of additions is fixed, another one than on the CPU.
    """
    from pysal.kernels import cuda
    from pysal.kernels.deconv import fit, result_shape

    arrays = Arrays(cuda._load(), signal, stream)
    dy, filters = arrays.view("signal", signal, 4), arrays.view("weight", weight, 4)
    geometry = fit(dy.shape, filters.shape, size, strides, pads, dilations, groups)
    shape = result_shape(dy.shape, filters.shape, size, groups)
    out, target = arrays.output("out", out, shape)
    arrays.module.resampled_deconv(dy, filters, *geometry, groups, target, arrays.stream)
    return out
