"""How a photo is stored and how it is to be seen: its EXIF orientation, for boxes and masks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from pysal.errors import InputError
from pysal.truth import Boxes, Mask, Truth

# Orientation -> flip rows, flip columns, then transpose.
_MOVES: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}
_TAG = 0x0112


def stored_frame(path: Path) -> tuple[tuple[int, int], int]:
    """Size (H, W) of a photo as stored, and its EXIF orientation, 1 to 8; reads its header only.

    Raises
    ------
    InputError
        If the file is missing or no photo.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = int(image.getexif().get(_TAG, 1))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the path of a photo") from None
    except Exception as error:
        # Decoders fail on broken files in many ways (OSError, SyntaxError, struct.error, ...).
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read ({reason}); give an intact photo") from error
    return (height, width), orientation if orientation in _MOVES else 1


def upright(truth: Truth, orientation: int) -> Truth:
    """What is known of a stored photo, as known of the upright one.

    Parameters
    ----------
    truth : Truth
        In pixels of the photo as stored.
    orientation : int in [1, 8]
        Of EXIF: 6 is a photo whose stored picture is to be turned right by 90 degrees.
    """
    moves = _MOVES[orientation]
    if not any(moves):
        return truth
    height, width = truth.size
    regions = tuple(
        dataclasses.replace(
            region,
            boxes=_move_boxes(region.boxes, truth.size, moves),
            mask=None if region.mask is None else _move_mask(region.mask, moves),
        )
        for region in truth.regions
    )
    return Truth((width, height) if moves[2] else (height, width), truth.label, regions)


def _move_mask(mask: Mask, moves: tuple[bool, bool, bool]) -> Mask:
    rows, columns, transpose = moves
    moved = mask[:: -1 if rows else 1, :: -1 if columns else 1]
    return np.ascontiguousarray(moved.T if transpose else moved)


def _move_boxes(boxes: Boxes, size: tuple[int, int], moves: tuple[bool, bool, bool]) -> Boxes:
    rows, columns, transpose = moves
    left, top, right, bottom = boxes.T
    if columns:
        left, right = size[1] - right, size[1] - left
    if rows:
        top, bottom = size[0] - bottom, size[0] - top
    edges = (top, left, bottom, right) if transpose else (left, top, right, bottom)
    return np.stack(edges, axis=1)
