"""Methods x metrics x images into one table: resumable, also on a Ray cluster."""

from pysal.evaluation.result import Evaluation
from pysal.evaluation.run import evaluate

__all__ = ["Evaluation", "evaluate"]
