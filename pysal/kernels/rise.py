"""What RISE sums: weighted sums of upsampled grids, without a pass over the image per grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray
from pysal.errors import ShapeError
from pysal.kernels import checks, selected
from pysal.kernels.routing import like_input, on_cuda, to_numpy
from pysal.kernels.sampling import grid_arrays


def rise_accumulate(
    grids: AnyArray,
    offsets: AnyArray,
    weights: AnyArray,
    up_size: tuple[int, int],
    size: tuple[int, int],
    *,
    square: bool = False,
    threads: int = 0,
) -> AnyArray:
    """Weighted sum of the masks that `blend_grids` makes of grids: sum_v weights[v] * M_v.

    Parameters
    ----------
    grids : array of shape (V, h, w), float32
    offsets : array of shape (V, 2), int32
    weights : array of shape (N, V), float64
        One row of weights, for instance the scores under the masks, per result.
    up_size, size : tuple of int
        As in `blend_grids`, and (H, W).
    square : bool
        Sum the squares M_v^2 instead: for standard errors.
    threads : int
        As in `blend_patches`.

    Returns
    -------
    array of shape (N, H, W), float64
        Of the kind of `grids`.

    Raises
    ------
    ShapeError, OptionError

    Notes
    -----
    All additions are in float64, and their order depends on the offsets alone, not on N or
    `threads`. Upsampling is linear and separable: grids of one offset are added first, these sums
    upsampled along the columns and added by row offset, and what results upsampled along the rows.
    With 8,000 grids of 7 x 7 and 1,024 offsets on 224 x 224 that takes 7 million products per
    image, where a pass per mask takes 400 million or more. Squares cost about three times as much.

    References
    ----------
    .. [1] Petsiuk, Das, Saenko: RISE. BMVC 2018, equation 6. Methods specification 5.2.
    """
    if on_cuda(grids):
        from pysal.kernels import cuda_sampling

        return cuda_sampling.rise_accumulate(grids, offsets, weights, up_size, size, square=square)
    cells, at = grid_arrays(grids, offsets)
    factors: NDArray[np.float64] = np.ascontiguousarray(to_numpy(weights), np.float64)
    if factors.ndim != 2 or factors.shape[1] != len(cells):
        raise ShapeError(
            f"weights has shape {factors.shape}; expected (N, {len(cells)}), one column per grid"
        )
    height, width = int(size[0]), int(size[1])
    up = checks.up_size(up_size, (height, width), cells.shape[1:], at)
    found = selected.impl.rise_accumulate(
        cells, at, factors, *up, height, width, bool(square), threads
    )
    return like_input(found, grids)
