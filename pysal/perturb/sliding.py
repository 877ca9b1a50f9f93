"""What SP and SP-G share: scores at all positions, and the map that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from pysal.compose import Composer
from pysal.perturb.counted import counted
from pysal.perturb.windows import Windows
from pysal.resample import Resample
from pysal.types import Array, Attribution
from pysal.work import Work

Upsampling = Literal["centred", "aligned", "placed"]

UPSAMPLINGS: dict[str, str] = {
    "centred": "the map is stretched over the image, pixel centres aligned",
    "aligned": "the map is stretched over the image, corners aligned",
    "placed": "every value stands at the centre of its patch, linear between them",
}


def window_scores(
    work: Work,
    compose: Composer,
    windows: Windows,
    progress: Callable[[float, float], None] | None,
) -> Array:
    """Score less the score under each window, (N, n_h, n_w).

    Notes
    -----
    Cost: N * (windows + 1) forward.
    """
    whole = work.score()
    scores = work.score_composed(counted(compose, len(work), len(windows), progress), len(windows))
    drop: Array = whole[:, None] - scores
    return drop.reshape(len(work), *windows.shape)


def slide(
    work: Work,
    compose: Composer,
    windows: Windows,
    upsampling: Upsampling,
    options: Mapping[str, Any],
    progress: Callable[[float, float], None] | None,
) -> Attribution:
    """Evaluate all windows and put their map together."""
    native = window_scores(work, compose, windows, progress)
    if upsampling == "placed":
        maps = windows.placed(native)
    else:
        maps = np.asarray(Resample(upsampling, windows.shape, work.size, native)(native))
    return work.finish(native, {**options, "upsampling": upsampling}, map=maps)
