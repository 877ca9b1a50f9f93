"""Studies of networks and fillers: figures of a whole data set that take no maps."""

from pysal.studies.ablation import FilterAblation, filter_ablation
from pysal.studies.entries import STUDIES
from pysal.studies.fillers import FillerComparison, compare_fillers
from pysal.studies.reconstruction import FeatureReconstruction, feature_reconstruction

__all__ = [
    "STUDIES",
    "FeatureReconstruction",
    "FillerComparison",
    "FilterAblation",
    "compare_fillers",
    "feature_reconstruction",
    "filter_ablation",
]
