"""Image kernels: masked blending with noise, path gradients, total variation.

Compositions of sampling methods are in `sampling`, what RISE sums in `rise`, resampled
deconvolution in `deconv`; all functions are found here. They run compiled where `pysal._kernels`
could be built, else in numpy with the same results. The environment variable PYSAL_KERNELS forces
one of them: "compiled" or "reference". Arrays on a GPU go to `pysal.kernels.cuda`; torch tensors on
the CPU are read and written in place.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from pysal.arrays import AnyArray
from pysal.errors import OptionError, ShapeError
from pysal.kernels import checks, selected
from pysal.kernels.deconv import resampled_deconv
from pysal.kernels.rise import rise_accumulate
from pysal.kernels.routing import like_input, on_cuda, to_numpy
from pysal.kernels.sampling import blend_grids, blend_patches, blend_ranked, blend_segments
from pysal.types import Noise

__all__ = [
    "blend",
    "blend_grids",
    "blend_patches",
    "blend_ranked",
    "blend_segments",
    "implementation",
    "path_accumulate",
    "resampled_deconv",
    "rise_accumulate",
    "tv",
]


def implementation() -> str:
    """What runs the kernels: "compiled (OpenMP, N threads)" or "numpy reference"."""
    if selected.impl.__name__ == "pysal.kernels.reference":
        return "numpy reference"
    if not selected.impl.openmp:
        return "compiled (1 thread)"
    return f"compiled (OpenMP, {selected.impl.max_threads()} threads)"


def blend(
    image: AnyArray,
    baseline: AnyArray,
    masks: AnyArray,
    *,
    nodes: ArrayLike | None = None,
    first_node: int = 0,
    noise: Noise | None = None,
    out: AnyArray | None = None,
    threads: int = 0,
) -> AnyArray:
    """Images composed with their baselines under keep masks, with optional Gaussian noise.

    Phi = m * image + (1 - m) * baseline + noise, with m = nodes[s] * U(mask); m = 1 is the image
    and m = 0 the baseline, to the bit.

    Parameters
    ----------
    image, baseline : array of shape (N, C, H, W), float32
        Any array; on CUDA, see `pysal.kernels.cuda.blend`, also with any strides.
    masks : array of shape (N, S, h, w), float32
        Upsampled to (H, W) bilinearly with aligned corners; (N, 1, h, w) with `nodes`.
    nodes : array_like of shape (S,), optional
        Positions on the path from the baseline: node s uses nodes[s] times the image's one mask.
    first_node : int
        Number of the first node, for the noise: a path can be evaluated in parts.
    noise : Noise, optional
        Fresh for every (seed of the image, step, node, channel and pixel), whatever the batch.
    out : array of shape (N, S, C, H, W), float32, C-contiguous, optional
        Buffer to write to; must not overlap the inputs.
    threads : int
        0 for the default of OpenMP; 1 starts no team, for callers that are threads themselves.

    Returns
    -------
    array of shape (N, S, C, H, W), float32
        Of the kind of `image`.

    Raises
    ------
    ShapeError

    Notes
    -----
    Cost: writes the result once, reads image and baseline once, memory beyond `out` a few rows per
    thread. Noise is Philox4x32-10 with Box-Muller, the same bits on every machine (csrc/philox.h).

    References
    ----------
    .. [1] Qi, Khorram, Li: Visualizing deep networks by optimizing with integrated gradients. AAAI
       2020, equation 3 and Algorithm 1.
    """
    if on_cuda(image):
        from pysal.kernels import cuda

        return cuda.blend(
            image, baseline, masks, nodes=nodes, first_node=first_node, noise=noise, out=out
        )
    source, given = image, out
    image, baseline, masks, out = map(to_numpy, (image, baseline, masks, out))
    checks.check_images(image, baseline)
    masks = checks.floats("masks", masks, 4)
    n, channels = image.shape[:2]
    scales = None if nodes is None else checks.vector("nodes", nodes)
    if len(masks) != n or 0 in masks.shape[2:] or (scales is not None and masks.shape[1] != 1):
        rows = "S" if scales is None else "1"
        raise ShapeError(
            f"masks has shape {masks.shape}; expected ({n}, {rows}, h, w) for {n} images"
            f"{'' if scales is None else ' with nodes'}"
        )
    shape = (n, masks.shape[1] if scales is None else len(scales), *image.shape[1:])
    std, seed, step = None, None, 0
    if noise is not None:
        std, seed, step = checks.noise_parts(noise, channels, n)
    result = selected.impl.blend(
        np.ascontiguousarray(image),
        np.ascontiguousarray(baseline),
        masks,
        scales,
        checks.counter("first_node", first_node),
        std,
        seed,
        step,
        np.empty(shape, np.float32) if out is None else checks.buffer(out, shape),
        threads,
    )
    return like_input(result, source) if given is None else given


def path_accumulate(
    grad: AnyArray,
    image: AnyArray,
    baseline: AnyArray,
    weights: ArrayLike,
    size: tuple[int, int],
    *,
    threads: int = 0,
) -> AnyArray:
    """Weighted sum of mask gradients: sum_s weights[s] * U^T(sum_c (image - baseline) * grad_s).

    Parameters
    ----------
    grad : array of shape (N, S, C, H, W), float32
        Gradient of the score at the composed image of every node.
    image, baseline : array of shape (N, C, H, W), float32
    weights : array_like of shape (S,)
        For a path from the baseline: quadrature weight times node.
    size : tuple of int
        (h, w) of the mask; U^T is the exact adjoint of the upsampling in `blend`.
    threads : int
        As in `blend`.

    Returns
    -------
    array of shape (N, h, w), float32
        Of the kind of `grad`.

    Raises
    ------
    ShapeError

    Notes
    -----
    Cost: reads `grad` once. The order of additions (nodes, then rows) does not depend on N or
    `threads`, so neither does the result.

    References
    ----------
    .. [1] Qi, Khorram, Li: Visualizing deep networks by optimizing with integrated gradients. AAAI
       2020, equation 4.
    """
    if on_cuda(grad):
        from pysal.kernels import cuda

        return cuda.path_accumulate(grad, image, baseline, weights, size)
    source = grad
    grad, image, baseline = map(to_numpy, (grad, image, baseline))
    checks.check_images(image, baseline)
    grad, factors = checks.floats("grad", grad, 5), checks.vector("weights", weights)
    expected = (len(image), len(factors), *image.shape[1:])
    if grad.shape != expected:
        raise ShapeError(
            f"grad has shape {grad.shape}; expected {expected} for {len(factors)} weights and "
            f"images of shape {image.shape}"
        )
    height, width = size
    if height < 1 or width < 1:
        raise ShapeError(f"size is ({height}, {width}); a mask has at least one row and one column")
    result = selected.impl.path_accumulate(
        grad,
        np.ascontiguousarray(image),
        np.ascontiguousarray(baseline),
        factors,
        height,
        width,
        threads,
    )
    return like_input(result, source)


def tv(
    masks: AnyArray,
    *,
    exponent: float = 2.0,
    reduction: Literal["mean", "sum"] = "mean",
    isotropic: bool = False,
    threads: int = 0,
) -> tuple[AnyArray, AnyArray]:
    """Total variation of masks and its gradient.

    Anisotropic: R(|down|^exponent) + R(|right|^exponent) over the differences of neighbours in a
    column and in a row, with R the mean over their own number, or the sum. Isotropic:
    R((down^2 + right^2)^(exponent / 2)) over all h * w cells, where the differences that would
    leave the mask in the last row and column are 0.

    Parameters
    ----------
    masks : array of shape (N, h, w), float32
    exponent : float > 0
        Where a difference is 0 the gradient is taken as 0, also for exponents up to 1.
    reduction : {"mean", "sum"}
    isotropic : bool
    threads : int
        As in `blend`.

    Returns
    -------
    value : array of shape (N,), float64
    grad : array of shape (N, h, w), float32
        Both of the kind of `masks`.

    Raises
    ------
    ShapeError, OptionError

    Notes
    -----
    Cost: one pass. With one row or one column there are no differences that way: 0.

    References
    ----------
    .. [1] Fong, Vedaldi: Interpretable explanations of black boxes by meaningful perturbation. ICCV
       2017, equation 4. The defaults, exponent 2 and means, are those of the I-GOS code.
    """
    if on_cuda(masks):
        from pysal.kernels import cuda

        return cuda.tv(masks, exponent=exponent, reduction=reduction, isotropic=isotropic)
    source, masks = masks, checks.floats("masks", to_numpy(masks), 3)
    if 0 in masks.shape[1:]:
        raise ShapeError(f"masks has shape {masks.shape}; expected (N, h, w) with h, w at least 1")
    if not exponent > 0:
        raise OptionError(f"exponent is {exponent}; expected a positive number")
    if reduction not in ("mean", "sum"):
        raise OptionError(f'reduction is "{reduction}"; use "mean" or "sum"')
    value, grad = selected.impl.tv(masks, exponent, reduction == "mean", isotropic, threads)
    return like_input(value, source), like_input(grad, source)
