"""Transposed convolution of a resampled signal: the backward rule of stride-1 deconvnets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pysal.arrays import AnyArray
from pysal.errors import OptionError, ShapeError
from pysal.kernels import checks, selected
from pysal.kernels.routing import like_input, on_cuda, to_numpy


class Geometry(NamedTuple):
    """What the kernels need of a strided convolution: (vertical, horizontal) each.

    Attributes
    ----------
    resized : tuple of int
        Size of the signal once it is resampled, that of the convolution with stride 1.
    pads : tuple of int
        Top and left.
    dilations : tuple of int
    """

    resized: tuple[int, int]
    pads: tuple[int, int]
    dilations: tuple[int, int]


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
    threads: int = 0,
) -> AnyArray:
    """Carry a signal back through a convolution as if its stride were 1.

    The signal is resampled, each channel by itself, to the size that the convolution would have
    with stride 1, B' = A + pads - dilation * (M - 1): element i takes its value from the element in
    which its centre lies, floor((i + 1/2) B / B'). Then a transposed convolution with stride 1
    brings it to the size A of the convolution's input. Along an axis of stride 1 that is the
    ordinary gradient.

    Parameters
    ----------
    signal : array of shape (N, Q, B_h, B_w), float32
        At the output of the convolution.
    weight : array of shape (Q, C / groups, M_h, M_w), float32
        Its filters.
    size : tuple of int
        (A_h, A_w), its input.
    strides, pads, dilations, groups
        Its attributes, as in ONNX: pads are top, left, bottom, right.
    out : array of shape (N, C, A_h, A_w), float32, optional
    threads : int
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, C, A_h, A_w), float32
        Of the kind of `signal`.

    Raises
    ------
    ShapeError
        If the sizes do not fit each other.
    OptionError
        If an attribute is outside its allowed values.

    Notes
    -----
    Cost: N * Q * C / groups * M_h * M_w * B_h * B_w products, those of the strided convolution
    itself, because products are taken before they are repeated; the resampled signal is not stored.
    The order of additions does not depend on N or `threads`.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars: Visual explanation by interpretation. ICLR 2019, section 3.3;
       the size for any padding and dilation is that of methods specification 1.6.
    """
    if on_cuda(signal):
        from pysal.kernels import cuda_deconv

        return cuda_deconv.resampled_deconv(
            signal,
            weight,
            size,
            strides=strides,
            pads=pads,
            dilations=dilations,
            groups=groups,
            out=out,
        )
    source, given = signal, out
    signal = checks.floats("signal", to_numpy(signal), 4)
    weight = checks.floats("weight", to_numpy(weight), 4)
    geometry = fit(signal.shape, weight.shape, size, strides, pads, dilations, groups)
    shape = result_shape(signal.shape, weight.shape, size, groups)
    target = to_numpy(out)
    result = selected.impl.resampled_deconv(
        signal,
        weight,
        *geometry,
        groups,
        np.empty(shape, np.float32) if out is None else checks.buffer(target, shape),
        threads,
    )
    return like_input(result, source) if given is None else given


def result_shape(
    signal: tuple[int, ...], weight: tuple[int, ...], size: tuple[int, int], groups: int
) -> tuple[int, int, int, int]:
    """(N, C, A_h, A_w)."""
    return signal[0], weight[1] * groups, int(size[0]), int(size[1])


def fit(
    signal: tuple[int, ...],
    weight: tuple[int, ...],
    size: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilations: tuple[int, int],
    groups: int,
) -> Geometry:
    """Check the shapes of a call against each other."""
    if min(*strides, *dilations, groups) < 1 or min(pads) < 0:
        raise OptionError(
            f"strides {strides}, dilations {dilations}, groups {groups} and pads {pads}; expected "
            "whole numbers from 1 on, and pads from 0 on"
        )
    if weight[0] != signal[1] or signal[1] % groups or 0 in weight[2:]:
        raise ShapeError(
            f"weight has shape {weight}; expected ({signal[1]}, C / {groups}, M_h, M_w) for a "
            f"signal of {signal[1]} channels in {groups} groups"
        )
    resized, expected = [], []
    for axis in (0, 1):
        reach = dilations[axis] * (weight[2 + axis] - 1)
        resized.append(int(size[axis]) + pads[axis] + pads[axis + 2] - reach)
        expected.append((resized[axis] - 1) // strides[axis] + 1)
    if list(signal[2:]) != expected or min(resized) < 1 or max(resized) >= 2**24:
        raise ShapeError(
            f"signal has shape {signal}; expected {tuple(expected)} in its last axes, the output "
            f"of a convolution of {tuple(weight[2:])} on {tuple(size)} with strides {strides}, "
            f"pads {pads} and dilations {dilations}"
        )
    down, right = dilations
    return Geometry((resized[0], resized[1]), (pads[0], pads[1]), (down, right))
