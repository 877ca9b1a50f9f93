"""How the model is opened, here and by workers elsewhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pysal.backends import open_classifier
from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.evaluation.names import method_entry, metric_entry, registered
from pysal.evaluation.plan import Plan
from pysal.methods import METHODS
from pysal.metrics import METRICS
from pysal.options import check_needs

if TYPE_CHECKING:
    from pysal.types import ModelInfo


@dataclasses.dataclass(frozen=True)
class Opening:
    """A model and the options of `pysal.open_classifier`.

    Attributes
    ----------
    model : str, Path, torch.nn.Module or Classifier
    options : mapping
        engine, device, precision, threads, preprocess.
    """

    model: Any
    options: Mapping[str, Any]

    def open(self, plan: Plan) -> Classifier:
        """Open the model and see that it can do what the plan needs.

        Raises
        ------
        CapabilityError, UnsupportedOpError
            If a method or metric needs what it cannot do; before any image is read.
        """
        classifier = open_classifier(self.model, **self.options)
        for kind, names, registry in (
            ("method", plan.methods, METHODS),
            ("metric", plan.metrics, METRICS),
        ):
            for name in names:
                check_needs(registered(name), registry, classifier.info, kind)
        _check_classes(plan, classifier.info)
        needs = {need for name in plan.methods for need in method_entry(name).needs}
        needs |= {need for name in plan.metrics for need in metric_entry(name).needs}
        classifier.prepare(needs)
        return classifier

    def close(self, classifier: Classifier) -> None:
        """Release what the engine holds, unless the classifier was opened by the caller."""
        if classifier is not self.model:
            classifier.close()

    def placed(self, threads: int) -> Opening:
        """The same for a worker of its own, which has some threads.

        Raises
        ------
        OptionError
            If the model is open already, and so cannot be sent anywhere.
        """
        if isinstance(self.model, Classifier):
            raise OptionError(
                "model is a classifier that is open already, which workers of Ray cannot be sent; "
                "give the path of the ONNX file or the torch module"
            )
        return Opening(self.model, {**self.options, "threads": threads})


def engine_of(info: ModelInfo) -> str:
    """Engine and device, without the number of threads: what rounding may depend on."""
    return re.sub(r",? ?\d+ threads?", "", info.engine)


def _check_classes(plan: Plan, info: ModelInfo) -> None:
    """See that all classes to explain are the model's."""
    given: Iterable[int | None] = (plan.class_of(index) for index in range(len(plan.items)))
    wrong = sorted({c for c in given if c is not None and not 0 <= c < info.num_classes})
    if wrong:
        raise OptionError(
            f"target {wrong[0]} is outside the classes of {info.name}; use 0 to "
            f"{info.num_classes - 1}"
        )
