"""Maps of some images by one method, each with what the table says of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pysal.evaluation.names import method_entry
from pysal.evaluation.plan import Plan, seeded
from pysal.options import accepts
from pysal.progress import Progress
from pysal.report.save import json_value
from pysal.types import Array, Attribution, Target

if TYPE_CHECKING:
    from pysal.classifier import Classifier


@dataclasses.dataclass(frozen=True)
class Explained:
    """One image and its map.

    Attributes
    ----------
    index : int
        Number of the image.
    batch : ndarray of shape (C, H, W), float32
    native : ndarray of shape (h, w), float32
    target : Target of length 1
    columns : mapping
        The columns of the table that a method fills.
    """

    index: int
    batch: Array
    native: Array
    target: Target
    columns: Mapping[str, Any]


def explain_images(
    plan: Plan,
    clf: Classifier,
    method: str,
    images: Sequence[tuple[int, Array]],
    progress: Progress | None,
) -> list[Explained]:
    """Explain images (number, batch row) together; passes and seconds are their shares."""
    function = method_entry(method).load()
    indices, batch = [index for index, _ in images], np.stack([row for _, row in images])
    options = seeded(function, plan.methods[method], plan, indices)
    target = plan.target_of(method, indices)
    searched = 0 if target is not None else 1
    if target is None:
        kind = method_entry(method).kind
        target = Target(np.argmax(clf.score(batch, kind), axis=1), kind)
    if progress is not None and accepts(function, "progress"):
        options["progress"] = progress
    found: Attribution = function(clf, batch, target, **options)
    shares = {
        "method_forward": searched + found.passes.forward / len(batch),
        "method_backward": found.passes.backward / len(batch),
        "method_seconds": found.seconds / len(batch),
    }
    return [_explained(found, row, image, shares) for row, image in enumerate(images)]


def _explained(
    found: Attribution, row: int, image: tuple[int, Array], shares: Mapping[str, float]
) -> Explained:
    """One of the images that ran together."""
    columns = {
        "class_index": int(found.target.index[row]),
        "kind": found.target.kind,
        "score": float(found.score[row]),
        "method_options": options_json(found.options, row, len(found)),
        **shares,
    }
    return Explained(*image, found.native[row], found.target[row : row + 1], columns)


def options_json(options: Mapping[str, Any], row: int, count: int) -> str:
    """Options as they were for one of the images that ran together: JSON."""
    own = dict(options)
    seed = own.get("seed")
    if isinstance(seed, list | tuple | np.ndarray) and len(seed) == count:
        own["seed"] = seed[row]
    return json.dumps(json_value(own))
