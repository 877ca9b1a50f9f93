"""What every engine checks before it runs: that images and targets are those of its model."""

from __future__ import annotations

import numpy as np

from pysal.errors import OptionError, ShapeError
from pysal.types import Array, ModelInfo, Target


class Checked:
    """A model that knows what it takes.

    Attributes
    ----------
    info : ModelInfo
    """

    info: ModelInfo

    def check_batch(self, batch: Array) -> Array:
        """Return `batch` as contiguous float32.

        Raises
        ------
        ShapeError
            If its shape is not that of the model's input, or a value is not finite.
        """
        batch = np.asarray(batch)
        expected = self.info.input_shape
        if batch.ndim != 4 or batch.shape[1:] != expected:
            raise ShapeError(
                f"batch has shape {batch.shape}; {self.info.name} takes (N, "
                f"{', '.join(map(str, expected))})"
            )
        batch = np.ascontiguousarray(batch, np.float32)
        if not np.isfinite(batch).all():
            bad = np.flatnonzero(~np.isfinite(batch).all(axis=(1, 2, 3)))
            raise ShapeError(
                f"image {bad[0]} of the batch has NaN or infinite values; clean it first"
            )
        return batch

    def check_target(self, target: Target, num_images: int) -> Target:
        """Return `target` with one index per image; one outside the classes is an OptionError."""
        if len(target) == 1 and num_images != 1:
            target = target.repeat(num_images)
        if len(target) != num_images:
            raise OptionError(
                f"{len(target)} targets for {num_images} images; give one each, or one"
            )
        classes = self.info.num_classes
        wrong = target.index[(target.index < 0) | (target.index >= classes)]
        if wrong.size:
            raise OptionError(
                f"target {wrong[0]} is outside the classes of {self.info.name}; use 0 to "
                f"{classes - 1}"
            )
        return target
