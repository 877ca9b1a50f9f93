"""What is known of a photo: its class, and where things are in the part that a network sees."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from pysal.errors import InputError, ShapeError

Boxes = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Region:
    """One kind of thing in a photo.

    Attributes
    ----------
    name : str
        Of the kind, for instance "dog".
    classes : frozenset of int
        The model's classes that mean it: one, or several where the model tells more kinds apart.
    boxes : ndarray of shape (k, 4), float64
        Left, top, right, bottom of every instance, in pixels of the frame: its left edge is 0 and
        its right edge its width.
    mask : ndarray of shape (H, W), bool, optional
        Pixels of all instances; None where only boxes are known.
    difficult : bool
        Whether all instances are marked as hard to see.
    """

    name: str
    classes: frozenset[int]
    boxes: Boxes
    mask: Mask | None = None
    difficult: bool = False

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float64)
        object.__setattr__(self, "boxes", boxes if boxes.size else np.zeros((0, 4)))
        object.__setattr__(self, "classes", frozenset(self.classes))
        if self.boxes.ndim != 2 or self.boxes.shape[1] != 4:
            raise ShapeError(f'boxes of "{self.name}" have shape {boxes.shape}; expected (k, 4)')
        if not np.isfinite(self.boxes).all():
            raise InputError(f'boxes of "{self.name}" have NaN or infinite values')
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != bool):
            raise ShapeError(
                f'mask of "{self.name}" has dtype {self.mask.dtype} and shape {self.mask.shape}; '
                "expected bool, (H, W)"
            )

    def pixels(self, size: tuple[int, int]) -> Mask:
        """The mask, or where there is none the pixels whose centre lies in a box: (H, W)."""
        return box_mask(self.boxes, size) if self.mask is None else self.mask


@dataclasses.dataclass(frozen=True)
class Truth:
    """What is known of one photo.

    Attributes
    ----------
    size : tuple of int
        (H, W) of the frame of boxes and masks, in pixels. The frame is the part of the photo that
        the network sees, at any resolution; maps are resized to it.
    label : int, optional
        The photo's class in the model.
    regions : tuple of Region
    """

    size: tuple[int, int]
    label: int | None = None
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise ShapeError(f"truth has size {self.size}; expected a positive height and width")
        for region in self.regions:
            if region.mask is not None and region.mask.shape != tuple(self.size):
                raise ShapeError(
                    f'mask of "{region.name}" has shape {region.mask.shape}; the frame has '
                    f"{self.size}"
                )

    def region(self, index: int) -> Region | None:
        """The region that a class of the model means; None where the photo shows none of it."""
        return next((r for r in self.regions if index in r.classes), None)

    def cut(self, left: float, top: float, right: float, bottom: float) -> Truth:
        """The part of the frame inside a box; what lies outside of it is lost.

        Parameters
        ----------
        left, top, right, bottom : float
            In pixels of the frame, as for boxes; edges are rounded to whole pixels.
        """
        height, width = self.size
        x0, x1 = (round(min(max(v, 0), width)) for v in (left, right))
        y0, y1 = (round(min(max(v, 0), height)) for v in (top, bottom))
        if x1 <= x0 or y1 <= y0:
            raise ShapeError(
                f"the part {left, top, right, bottom} has no pixel of the frame {self.size}; "
                "expected left, top, right, bottom of a box inside of it"
            )
        if (x0, y0, x1, y1) == (0, 0, width, height):
            return self
        kept = []
        for region in self.regions:
            boxes = np.clip(region.boxes - [x0, y0, x0, y0], 0, [x1 - x0, y1 - y0] * 2)
            boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
            mask = None if region.mask is None else region.mask[y0:y1, x0:x1]
            if len(boxes) or (mask is not None and mask.any()):
                kept.append(dataclasses.replace(region, boxes=boxes, mask=mask))
        return Truth((y1 - y0, x1 - x0), self.label, tuple(kept))


def box_mask(boxes: Boxes, size: tuple[int, int]) -> Mask:
    """Pixels of a frame (H, W) whose centre lies in one of the boxes (k, 4)."""
    rows, columns = (np.arange(side) + 0.5 for side in size)
    mask = np.zeros(size, bool)
    for left, top, right, bottom in boxes:
        inside = ((rows >= top) & (rows < bottom))[:, None] & (
            (columns >= left) & (columns < right)
        )
        mask |= inside
    return mask
