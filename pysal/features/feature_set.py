"""A set of relevant features: which channels of a network speak for which class, and how much."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pysal.classifier import Classifier
from pysal.errors import InputError, OptionError
from pysal.features.channels import Channels

FORMAT = "pysal features 1"
_COLUMNS = {"classes": np.int32, "features": np.int32, "weights": np.float64}
_PER_CLASS = ("objective", "gap")


class Feature(NamedTuple):
    """One channel, and its weight for a class."""

    layer: str
    channel: int
    weight: float


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """Weights of the mu-lasso that are not zero, class after class.

    Attributes
    ----------
    channels : Channels
        Layers and channels; feature f is `channels.where(f)`.
    num_classes : int
    classes, features : ndarray of shape (S,), int32
        Class and feature of every weight, ascending.
    weights : ndarray of shape (S,), float64
    objective, gap : ndarray of shape (K,), float64
        What the solver reached; see `Solution`.
    model, sha256 : str
        Name and hash of the model file; the hash is empty where there is no file.
    settings : mapping
        How it was made: mu, response, layers, number of images, tolerance.
    """

    channels: Channels
    num_classes: int
    classes: NDArray[np.int32]
    features: NDArray[np.int32]
    weights: NDArray[np.float64]
    objective: NDArray[np.float64]
    gap: NDArray[np.float64]
    model: str = ""
    sha256: str = ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.weights)

    def vector(self, cls: int) -> NDArray[np.float64]:
        """Weights of one class, zeros included, (m,)."""
        rows = self._rows(cls)
        dense = np.zeros(len(self.channels))
        dense[self.features[rows]] = self.weights[rows]
        return dense

    def of(self, cls: int) -> list[Feature]:
        """Features of one class, the largest weight first."""
        rows = self._rows(cls)
        order = np.argsort(-self.weights[rows], kind="stable")
        return [
            Feature(*self.channels.where(int(feature)), float(weight))
            for feature, weight in zip(
                self.features[rows][order], self.weights[rows][order], strict=True
            )
        ]

    def check(self, clf: Classifier) -> None:
        """Refuse a classifier that these features were not selected for.

        Raises
        ------
        InputError
            If the hashes differ, or, where one is not known, layers or classes.
        """
        info, remedy = clf.info, "select features with this model"
        if self.sha256 and info.sha256 and self.sha256 != info.sha256:
            raise InputError(
                f"features of {self.model} ({self.sha256[:12]}) do not belong to {info.name} "
                f"({info.sha256[:12]}); {remedy}"
            )
        missing = [layer for layer in self.channels.layers if layer not in info.layers]
        if missing:
            raise InputError(
                f'features of {self.model} need layer "{missing[0]}", which {info.name} does not '
                f"have; {remedy}"
            )
        if self.num_classes != info.num_classes:
            raise InputError(
                f"features of {self.model} are for {self.num_classes} classes and {info.name} has "
                f"{info.num_classes}; {remedy}"
            )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .npz file, whole or not at all; nothing in it is pickled.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        about = {
            "format": FORMAT,
            "layers": self.channels.layers,
            "counts": self.channels.counts,
            "num_classes": self.num_classes,
            "model": self.model,
            "sha256": self.sha256,
            "settings": dict(self.settings),
        }
        names = (*_COLUMNS, *_PER_CLASS)
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, about=np.array(json.dumps(about)), **{n: getattr(self, n) for n in names}
        )
        path = Path(path)
        part = path.with_name(f".{uuid.uuid4().hex}.part")
        try:
            part.write_bytes(buffer.getvalue())
            os.replace(part, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"{path}: cannot be written to ({error.strerror})") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FeatureSet:
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If there is no such file, or it holds something else.
        """
        try:
            content = io.BytesIO(Path(path).read_bytes())  # closed whatever np.load makes of it
            with np.load(content, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            about = json.loads(str(arrays.pop("about")))
            if about.pop("format") != FORMAT:
                raise ValueError
            channels = Channels(tuple(about.pop("layers")), tuple(map(int, about.pop("counts"))))
            found = cls(channels=channels, **about, **arrays)
            found._check_content()
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise InputError(f"{path}: {reason}; expected a file of FeatureSet.save") from None
        except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile):
            raise InputError(
                f"{path}: holds no features of this version; expected a file of FeatureSet.save"
            ) from None
        return found

    def _rows(self, cls: int) -> slice:
        """Where the weights of a class are."""
        if not 0 <= cls < self.num_classes:
            raise OptionError(f"class is {cls}; expected 0 to {self.num_classes - 1}")
        first, last = np.searchsorted(self.classes, [cls, cls + 1])
        return slice(int(first), int(last))

    def _check_content(self) -> None:
        """Raise a ValueError if parts do not fit each other."""
        fits = all(getattr(self, n).dtype == t for n, t in _COLUMNS.items())
        fits &= len({getattr(self, n).shape for n in _COLUMNS}) == 1 and self.weights.ndim == 1
        fits &= all(getattr(self, n).shape == (self.num_classes,) for n in _PER_CLASS)
        fits &= len(self.channels.layers) == len(self.channels.counts)
        if fits and len(self):
            fits &= bool((np.diff(self.classes) >= 0).all())
            fits &= bool(self.classes.min() >= 0 and self.classes.max() < self.num_classes)
            fits &= bool(self.features.min() >= 0 and self.features.max() < len(self.channels))
        if not fits:
            raise ValueError
