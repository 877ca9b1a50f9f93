"""Segments of images: label maps, and the sets of pixels that regions are made of."""

from pysal.segments.labels import felzenszwalb, slic
from pysal.segments.regions import Regions, dilate

__all__ = ["Regions", "dilate", "felzenszwalb", "slic"]
