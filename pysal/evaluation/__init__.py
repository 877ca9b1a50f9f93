"""Methods x metrics x images into one table, also on a Ray cluster; studies of data sets."""

from pysal.evaluation.result import Evaluation
from pysal.evaluation.run import evaluate
from pysal.evaluation.studying import study

__all__ = ["Evaluation", "evaluate", "study"]
