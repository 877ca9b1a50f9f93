"""Explain the predictions of image classifiers on ONNX files.

Every public name is imported when it is first used, so `import pysal` itself loads nothing else.
`methods` and `metrics` are subpackages and functions at once: `pysal.methods()` is the registry.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pysal.api import explain, measure, methods, metrics
    from pysal.backends import open_classifier
    from pysal.classifier import Classifier
    from pysal.errors import (
        CapabilityError,
        InputError,
        MissingDependencyError,
        ModelFormatError,
        OptionError,
        PysalError,
        ShapeError,
        UnsupportedOpError,
    )
    from pysal.evaluation import Evaluation, evaluate, study
    from pysal.explainer import Explainer
    from pysal.features import FeatureSet
    from pysal.interpretation import average_images, select_features
    from pysal.preprocess import Preprocess
    from pysal.studies import (
        compare_fillers,
        compare_models,
        feature_reconstruction,
        filter_ablation,
    )
    from pysal.summary import summarize
    from pysal.truth import Region, Truth
    from pysal.types import Attribution, MetricResult, ModelInfo, Passes, Target

    __version__: str

_HOMES = {
    "pysal.api": ("explain", "measure"),
    "pysal.backends": ("open_classifier",),
    "pysal.classifier": ("Classifier",),
    "pysal.errors": (
        "CapabilityError",
        "InputError",
        "MissingDependencyError",
        "ModelFormatError",
        "OptionError",
        "PysalError",
        "ShapeError",
        "UnsupportedOpError",
    ),
    "pysal.evaluation": ("Evaluation", "evaluate", "study"),
    "pysal.explainer": ("Explainer",),
    "pysal.features": ("FeatureSet",),
    "pysal.interpretation": ("average_images", "select_features"),
    "pysal.preprocess": ("Preprocess",),
    "pysal.studies": (
        "compare_fillers",
        "compare_models",
        "feature_reconstruction",
        "filter_ablation",
    ),
    "pysal.summary": ("summarize",),
    "pysal.truth": ("Region", "Truth"),
    "pysal.types": ("Attribution", "MetricResult", "ModelInfo", "Passes", "Target"),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
_CALLABLE = ("methods", "metrics")

__all__ = [
    "Attribution",
    "CapabilityError",
    "Classifier",
    "Evaluation",
    "Explainer",
    "FeatureSet",
    "InputError",
    "MetricResult",
    "MissingDependencyError",
    "ModelFormatError",
    "ModelInfo",
    "OptionError",
    "Passes",
    "Preprocess",
    "PysalError",
    "Region",
    "ShapeError",
    "Target",
    "Truth",
    "UnsupportedOpError",
    "__version__",
    "average_images",
    "compare_fillers",
    "compare_models",
    "evaluate",
    "explain",
    "feature_reconstruction",
    "filter_ablation",
    "measure",
    "methods",
    "metrics",
    "open_classifier",
    "select_features",
    "study",
    "summarize",
]


def __getattr__(name: str) -> Any:
    """Import the module behind a public name."""
    if name == "__version__":
        value: Any = _version()
    elif name in _CALLABLE:
        return importlib.import_module(f"pysal.{name}")
    elif name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    else:
        raise AttributeError(f'module "pysal" has no attribute "{name}"; see pysal.__all__')
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Version of the installed distribution."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pysal-saliency")
    except PackageNotFoundError:
        return "0+unknown"


class _Registry(ModuleType):
    """A subpackage that returns its registry when called."""

    def __call__(self) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2].upper())


class _Package(ModuleType):
    """The package `pysal`; makes the subpackages of `_CALLABLE` callable when they are imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _CALLABLE and isinstance(value, ModuleType):
            value.__class__ = _Registry
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
