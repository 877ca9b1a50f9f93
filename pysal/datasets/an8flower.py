"""an8Flower, rendered anew: plants whose classes differ in one part, and masks of that part.

A re-creation of the data set of paper 004 (`an8Flower-single-6c`, `-double-12c`, `-part-2c`): the
published pictures come from another plant and other, unpublished, colours and light, so scores
here compare with scores here. `write_dataset` renders a variant into a folder, `read_dataset` reads
it, and `python -m pysal.datasets.an8flower_train` trains a network per fold.
"""

from pysal.datasets.an8flower_files import read_dataset, write_dataset
from pysal.datasets.an8flower_render import NUM_FRAMES, augment, folds, render, render_frames
from pysal.datasets.an8flower_variants import VARIANTS, FlowerClass, classes

__all__ = [
    "NUM_FRAMES",
    "VARIANTS",
    "FlowerClass",
    "augment",
    "classes",
    "folds",
    "read_dataset",
    "render",
    "render_frames",
    "write_dataset",
]
