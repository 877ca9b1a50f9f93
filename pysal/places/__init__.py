"""Maps compared with places: maps in the frame of what is known, tight boxes, held-out choices."""

from pysal.places.boxes import box_ious, mask_ious, threshold_boxes
from pysal.places.held_out import ALPHAS, HALVES, held_out, threshold_grid
from pysal.places.known import USES, check_truth, known_pixels, warn_left_out
from pysal.places.maps import checked_maps, random_maps, resized

__all__ = [
    "ALPHAS",
    "HALVES",
    "USES",
    "box_ious",
    "check_truth",
    "checked_maps",
    "held_out",
    "known_pixels",
    "mask_ious",
    "random_maps",
    "resized",
    "threshold_boxes",
    "threshold_grid",
    "warn_left_out",
]
