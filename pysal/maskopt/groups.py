"""Images that are optimized together, their progress, and their results joined again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pysal.progress import Progress

GROUP = 32
"""Images that are optimized together; bounds the memory and changes no result."""

Report = Callable[[int], None]


def in_groups(
    total: int, steps: int, progress: Progress | None, size: int | None = None
) -> Iterator[tuple[slice, Report | None]]:
    """Rows of every group, and what to call with the number of steps that it has done.

    Parameters
    ----------
    total : int
        Images.
    steps : int
        Of one image; `progress` counts steps of images.
    progress : callable, optional
    size : int, optional
        Images per group. Default: `GROUP`.
    """
    size = GROUP if size is None else size
    for first in range(0, total, size):
        rows = slice(first, min(first + size, total))
        yield rows, _report(progress, rows, total, steps)


def join(parts: Sequence[NDArray[Any]], shape: tuple[int, ...]) -> NDArray[Any]:
    """Rows of all groups; no images give an empty array with rows of this shape."""
    return np.concatenate(parts) if parts else np.empty((0, *shape), np.float32)


def _report(progress: Progress | None, rows: slice, total: int, steps: int) -> Report | None:
    if progress is None:
        return None
    report, size = progress, rows.stop - rows.start
    return lambda step: report(rows.start * steps + size * step, total * steps)
