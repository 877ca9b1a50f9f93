"""What is known of the class that a map explains: pixels of its boxes or of its mask."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from pysal.errors import OptionError
from pysal.truth import Mask, Region, Truth, box_mask

USES: Mapping[str, str] = {
    "boxes": "pixels whose centre lies in a box of the class",
    "mask": "pixels of the segmentation mask of the class",
    "either": "the mask where the region has one, else its boxes",
}
"""Values of an option `use`: what counts as the place of a class."""


def check_truth(owner: str, truth: Sequence[Truth], num_images: int) -> Sequence[Truth]:
    """Return `truth`; an OptionError if there is not one per image."""
    if len(truth) != num_images:
        raise OptionError(f"{owner}: {len(truth)} truths for {num_images} images; give one each")
    return truth


def known_pixels(region: Region | None, size: tuple[int, int], use: str) -> Mask | None:
    """Where a region is in a frame (H, W), by one of `USES`; None where that is not known.

    Known and empty, as for a box that holds no pixel's centre, is None too.
    """
    if region is None:
        return None
    pixels = region.mask
    if use == "boxes" or (use == "either" and pixels is None):
        pixels = box_mask(region.boxes, size)
    return pixels if pixels is not None and pixels.any() else None


def warn_left_out(
    owner: str, numbers: Sequence[int], num_images: int, what: str, left: str = "their values are"
) -> None:
    """Say which images do not count, and why: `what` follows "have no"."""
    if not numbers:
        return
    shown = ", ".join(map(str, numbers[:5]))
    warnings.warn(
        f"{owner}: {len(numbers)} of {num_images} images (number {shown}) have no {what}; {left} "
        "NaN and left out of means",
        stacklevel=4,
    )
