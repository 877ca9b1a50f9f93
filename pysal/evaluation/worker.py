"""One unit of work: maps of some images by one method, and what every metric says of them."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pysal.evaluation.isolate import Attempt, Failure, failure
from pysal.evaluation.maps import Explained, explain_images
from pysal.evaluation.measure import Columns, measure_maps, one_by_one
from pysal.evaluation.names import metric_entry
from pysal.evaluation.plan import Plan, Unit
from pysal.evaluation.table import Row, to_bytes, to_table
from pysal.photos import load_photos
from pysal.progress import Progress, scaled
from pysal.truth import Truth
from pysal.types import Array

if TYPE_CHECKING:
    from pysal.classifier import Classifier


class Worker:
    """A classifier that works on the units of a plan.

    Parameters
    ----------
    plan : Plan
    classifier : Classifier
    run_hash : str
        Of the settings; written into every part.
    """

    def __init__(self, plan: Plan, classifier: Classifier, run_hash: str) -> None:
        self._plan, self._clf, self._hash = plan, classifier, run_hash
        self._attempt = Attempt()
        self._photos: dict[int, Array | Failure] = {}

    def run(self, unit: Unit, progress: Progress | None = None) -> bytes:
        """Do one unit: the Parquet file of its rows.

        What goes wrong with an image, a method or a metric becomes the error of its rows.

        Raises
        ------
        PysalError
            If it goes wrong with every image, because of an option or a missing package.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = self._rows(unit, progress)
        notes = {
            "hash": self._hash,
            "method": unit.method,
            "indices": list(unit.indices),
            "worker": {"node": platform.node(), "process": os.getpid()},
            "warnings": [
                (w.category.__name__, str(w.message))
                for w in caught
                if issubclass(w.category, UserWarning | RuntimeWarning)
            ],
        }
        return to_bytes(to_table(rows), notes)

    def maps(
        self, method: str, indices: Sequence[int], progress: Progress | None = None
    ) -> dict[int, Explained | Failure]:
        """Maps of some images, by number; a failure for those that have none."""
        if not indices:
            return {}
        self._load(indices)
        found: dict[int, Explained | Failure] = {}
        good: list[tuple[int, Array]] = []
        for index in indices:
            photo = self._photos[index]
            if isinstance(photo, Failure):
                found[index] = photo
            else:
                good.append((index, photo))
        explained = self._attempt(
            f"method {method}",
            lambda some: explain_images(self._plan, self._clf, method, some, progress),
            good,
        )
        found.update(zip((index for index, _ in good), explained, strict=True))
        return found

    def rgb(self, explained: Explained) -> Array:
        """The picture that the network saw, (H, W, 3) in [0, 1]."""
        return self._clf.preprocess.denormalize(explained.batch[None])[0]

    def _rows(self, unit: Unit, progress: Progress | None) -> list[Row]:
        """Rows of one unit, by image, then by metric."""
        steps = 1 + len(self._plan.metrics)
        maps = self.maps(unit.method, unit.indices, scaled(progress, 0, 1, steps))
        rows = []
        for number, metric in enumerate(self._plan.metrics):
            part = scaled(progress, number + 1, 1, steps)
            measured = self._measure(unit.method, metric, maps, part)
            rows += [
                self._row(unit.method, metric, index, maps[index], measured[index])
                for index in unit.indices
            ]
            if part is not None:
                part(1, 1)
        return rows

    def _measure(
        self,
        method: str,
        metric: str,
        maps: Mapping[int, Explained | Failure],
        progress: Progress | None,
    ) -> dict[int, Columns | Failure]:
        """What a metric says of the maps, by number of the image."""
        found: dict[int, Columns | Failure] = {
            index: one for index, one in maps.items() if isinstance(one, Failure)
        }
        good: list[tuple[Explained, Truth | None]] = []
        for one in maps.values():
            if isinstance(one, Failure):
                continue
            truth = self._truth(metric, one.index)
            if isinstance(truth, Failure):
                found[one.index] = truth
            else:
                good.append((one, truth))

        def call(some: Sequence[tuple[Explained, Truth | None]]) -> list[Columns]:
            explained = [one for one, _ in some]
            truth = [t for _, t in some if t is not None] or None
            return measure_maps(self._plan, self._clf, method, metric, explained, truth, progress)

        groups = [[entry] for entry in good] if one_by_one(method, metric) else [good]
        for group in groups:
            # Whether a metric that explains again can work is a matter of the method.
            fatal = "explain" not in metric_entry(metric).takes
            columns = self._attempt(f"metric {metric}", call, group, fatal)
            found.update(zip((one.index for one, _ in group), columns, strict=True))
        return found

    def _row(
        self, method: str, metric: str, index: int, maps: Explained | Failure, found: Any
    ) -> Row:
        """One row of the table."""
        item, info = self._plan.items[index], self._clf.info
        columns: dict[str, Any] = {"class_index": self._plan.class_of(index)}
        if isinstance(maps, Explained):
            columns.update(maps.columns)
        columns.update({"error": found.text} if isinstance(found, Failure) else found)
        seed = self._plan.seed_of(index)
        return Row(item.name, index, method, metric, seed, info.name, info.sha256, **columns)

    def _load(self, indices: Sequence[int]) -> None:
        """Read images; those of the last call are kept, for the next method."""
        self._photos = {index: self._photo(index) for index in indices}

    def _photo(self, index: int) -> Array | Failure:
        """One image as (C, H, W), or why it cannot be used."""
        if (known := self._photos.get(index)) is not None:
            return known
        clf, item = self._clf, self._plan.items[index]
        try:
            return load_photos([item.image], clf.preprocess, clf.info.input_shape).batch[0]
        except Exception as error:
            return failure("image", error)

    def _truth(self, metric: str, index: int) -> Truth | Failure | None:
        """What is known of an image, where the metric asks for it."""
        if "truth" not in metric_entry(metric).takes:
            return None
        item = self._plan.items[index]
        if not item.has_truth:
            return Failure("truth: nothing is known of this image")
        try:
            return item.truth(self._clf.preprocess)
        except Exception as error:
            return failure("truth", error)
