"""Relevant features: channels that predict classes, and what they look for."""

from pysal.features.average import AverageImages, average_images
from pysal.features.channels import Channels, find_channels
from pysal.features.descriptors import describe
from pysal.features.feature_set import Feature, FeatureSet
from pysal.features.feedback import channel_signal, scale_feedback
from pysal.features.lasso import mu_lasso
from pysal.features.moments import LeastSquares, Rows
from pysal.features.selection import select_features
from pysal.features.spectral import Solution, project_l1, spectral_gradient

__all__ = [
    "AverageImages",
    "Channels",
    "Feature",
    "FeatureSet",
    "LeastSquares",
    "Rows",
    "Solution",
    "average_images",
    "channel_signal",
    "describe",
    "find_channels",
    "mu_lasso",
    "project_l1",
    "scale_feedback",
    "select_features",
    "spectral_gradient",
]
