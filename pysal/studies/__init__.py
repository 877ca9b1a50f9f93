"""Studies of networks and fillers: figures of a whole data set."""

from pysal.studies.ablation import FilterAblation, filter_ablation
from pysal.studies.comparison import ModelComparison
from pysal.studies.entries import STUDIES
from pysal.studies.fillers import FillerComparison, compare_fillers
from pysal.studies.quantization import compare_models
from pysal.studies.reconstruction import FeatureReconstruction, feature_reconstruction

__all__ = [
    "STUDIES",
    "FeatureReconstruction",
    "FillerComparison",
    "FilterAblation",
    "ModelComparison",
    "compare_fillers",
    "compare_models",
    "feature_reconstruction",
    "filter_ablation",
]
