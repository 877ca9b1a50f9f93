"""Photos with known classes and places: readers of data sets, and sets that are rendered.

`open_dataset` opens folders, CSV files, COCO and an8Flower.
"""

from pysal.datasets.opening import open_dataset
from pysal.datasets.sample import Dataset, Sample

__all__ = ["Dataset", "Sample", "open_dataset"]
