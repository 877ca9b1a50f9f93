"""One photo's map of one method, explained once and judged by what the tables need."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from flat import flat
from PIL import Image
from recognized import Shown

from pysal.classifier import Classifier
from pysal.explainer import Explainer
from pysal.metrics.insertion_deletion import insertion_deletion
from pysal.metrics.pointing_game import aggregate_pointing_game, pointing_game
from pysal.types import Array, Attribution, MetricResult, Passes

POINTING = ("hit", "center", "small", "class")


@dataclasses.dataclass(frozen=True)
class Variant:
    """A method with the options that differ from its defaults.

    Attributes
    ----------
    method : str
        A name of `pysal.methods()`.
    options : mapping
    """

    method: str
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """Method and options in one line, so that cells of other options have other keys."""
        return " ".join([self.method, *(f"{k}={v}" for k, v in sorted(self.options.items()))])

    def but(self, **options: Any) -> Variant:
        """The same with more options, or others."""
        return Variant(self.method, {**self.options, **options})

    def explain(self, clf: Classifier, shown: Shown) -> Attribution:
        """Explain a photo's target, in the score space of the method."""
        return Explainer(clf, self.method, **self.options)(shown.batch, shown.target.index)


def reduced(large: Array, side: int) -> Array:
    """Maps (N, H, W) by area averaging as (N, side, side), float32."""
    small = [
        Image.fromarray(np.float32(m)).resize((side, side), Image.Resampling.BOX) for m in large
    ]
    return np.stack([np.asarray(picture, np.float32) for picture in small])


def cost(found: Attribution) -> dict[str, float]:
    """What the explanation took, without the judging."""
    return {
        "explain seconds": round(found.seconds, 4),
        "forward": found.passes.forward,
        "backward": found.passes.backward,
    }


def curves(clf: Classifier, shown: Shown, maps: Array, protocol: str) -> dict[str, float]:
    """Insertion, deletion and their difference for one photo's map (1, h, w)."""
    found = insertion_deletion(clf, shown.batch, maps, shown.target, protocol=protocol)
    return flat(found, ("insertion", "deletion", "difference"))


def pointing(clf: Classifier, shown: Shown, maps: Array, variant: str) -> dict[str, float]:
    """The pointing game for one photo's map (1, h, w); empty where the photo does not count."""
    given = (clf, shown.batch, maps, shown.target)
    found = flat(pointing_game(*given, truth=[shown.truth], variant=variant), POINTING)
    return {} if np.isnan(found["hit"]) else found


def accuracy(cells: Mapping[str, Mapping[str, Any]], keys: Sequence[str]) -> dict[str, float]:
    """Figures of the pointing game over the photos that count, shares in percent."""
    rows = [cells[key] for key in keys if "hit" in cells[key]]
    values = {name: np.array([row[name] for row in rows], np.float64) for name in POINTING}
    whole = aggregate_pointing_game(MetricResult("pointing_game", values, {}, {}, Passes(), 0.0))
    return {name: v if name == "pairs" else 100 * v for name, v in whole.items()}
