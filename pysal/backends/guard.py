"""Reduced precision is compared with float32 on the user's own model before it is used.

What bf16 or fp16 does to a gradient depends on the network: nothing that matters on one, and noise
on the next. So an engine that runs in reduced precision runs both on a few images first, says what
it found, and goes on in float32 where that is too far off.
"""

from __future__ import annotations

import dataclasses
import math
import threading
import warnings
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from pysal.classifier import Classifier
from pysal.draws import PROBE, uniform
from pysal.errors import OptionError, ShapeError
from pysal.preprocess import Preprocess
from pysal.resample import Resample
from pysal.types import Array, Target

EXACT = "fp32"
PROBES, COARSEST = 4, 4
SHARED, CONTRAST, GREY = 0.7, 0.25, 0.45
"""Probe images: share of brightness in each channel's pattern, standard deviation and mean."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far reduced precision may be from float32, on the worst of the probe images.

    Attributes
    ----------
    score : float
        Largest difference of a probability.
    cosine : float
        Smallest cosine between input gradients of the top class's probability.
    relative : float
        Largest relative error of that gradient, in the 2-norm.
    """

    score: float = 0.05
    cosine: float = 0.9
    relative: float = 0.5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
                raise OptionError(f"tolerance: {field.name} is {value!r}; expected a number")

    @classmethod
    def of(cls, given: Tolerance | Mapping[str, float] | None) -> Tolerance:
        """The record, or one from some of its values."""
        if given is None or isinstance(given, Tolerance):
            return given or cls()
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(given, Mapping) or set(given) - names:
            raise OptionError(f"tolerance is {given!r}; expected a mapping with {sorted(names)}")
        return cls(**given)


@dataclasses.dataclass(frozen=True)
class PrecisionCheck:
    """What came out of a comparison with float32; the worst image counts.

    Attributes
    ----------
    precision : str
        What was asked for.
    used : str
        What the engine runs in: the same, or "fp32".
    images : int
    score : float
        Largest difference of a probability.
    cosine, relative : float or None
        Of the input gradient; None where only scores were compared.
    tolerance : Tolerance
    """

    precision: str
    used: str
    images: int
    score: float
    cosine: float | None
    relative: float | None
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether the reduced precision is used."""
        return self.used == self.precision

    def to_dict(self) -> dict[str, Any]:
        """For `ModelInfo.precision_check`: strict JSON, figures of three digits."""
        figures = {name: getattr(self, name) for name in ("score", "cosine", "relative")}
        return {
            "precision": self.precision,
            "used": self.used,
            "images": self.images,
            **{name: None if x is None else float(f"{x:.3g}") for name, x in figures.items()},
            "tolerance": dataclasses.asdict(self.tolerance),
        }

    def line(self, name: str) -> str:
        """What a warning says where it has not passed."""
        found, limit = [f"probability {self.score:.2g}"], [f"{self.tolerance.score:.2g}"]
        if self.cosine is not None:
            found += [f"gradient {self.relative:.2g} (cosine {self.cosine:.2f})"]
            limit += [f"{self.tolerance.relative:.2g} ({self.tolerance.cosine:.2f})"]
        return (
            f"{name}: {self.precision} is off from float32 by {', '.join(found)}; the tolerance is "
            f"{', '.join(limit)}: it runs in fp32; give tolerance= to accept more"
        )


def compare(
    reduced: Classifier,
    exact: Classifier,
    probe: Array,
    *,
    precision: str,
    gradient: bool,
    tolerance: Tolerance,
) -> PrecisionCheck:
    """Run a model in reduced precision and in float32 on the same images.

    Parameters
    ----------
    reduced, exact : Classifier
        The same model.
    probe : ndarray of shape (N, C, H, W), float32
    precision : str
        That of `reduced`.
    gradient : bool
        Whether to compare the gradients of the top class's probability, too.
    tolerance : Tolerance

    Notes
    -----
    Cost: N forward, and N forward and backward where `gradient`, in each precision.
    """
    scores = exact.score(probe)
    found = _finite(reduced.score(probe))
    score = float(np.abs(found - scores).max(initial=0.0))
    cosine = relative = None
    if gradient:
        target = Target(scores.argmax(axis=1))
        judge = exact.value_and_grad(probe, target)[1].reshape(len(probe), -1)
        other = _finite(reduced.value_and_grad(probe, target)[1]).reshape(len(probe), -1)
        cosine, relative = _agreement(other, judge)
    good = score <= tolerance.score and (
        cosine is None
        or relative is None
        or (cosine >= tolerance.cosine and relative <= tolerance.relative)
    )
    used = precision if good else EXACT
    return PrecisionCheck(precision, used, len(probe), score, cosine, relative, tolerance)


def probe_images(preprocess: Preprocess, input_shape: tuple[int, int, int]) -> Array:
    """Deterministic images to compare precisions on, with the spectrum of photos.

    Patterns of all sizes, each half as strong as the one of twice its size: amplitudes of natural
    images fall as 1 / frequency [1]_. bf16 and float32 agree on them about as well as on photos;
    on smooth images they agree much less, where neighbours are equal up to rounding.

    Returns
    -------
    ndarray of shape (4, C, H, W), float32, in model input space

    References
    ----------
    .. [1] Field: Relations between the statistics of natural images and the response properties of
       cortical cells. JOSA A 4, 1987.
    """
    _, height, width = input_shape
    rgb = np.empty((PROBES, height, width, 3), np.float32)
    for number in range(PROBES):
        planes, cells, step = np.zeros((4, height, width), np.float32), COARSEST, 0
        while cells <= max(height, width):
            drawn = uniform(number, PROBE, (4, cells, cells), step=step) - np.float32(0.5)
            enlarge = Resample("aligned", (cells, cells), (height, width), drawn)
            planes += enlarge(drawn) * np.float32(COARSEST / cells)
            cells, step = 2 * cells, step + 1
        mixed = SHARED * planes[3:] + (1 - SHARED) * planes[:3]
        mixed = (mixed - mixed.mean()) / max(float(mixed.std()), 1e-6) * CONTRAST + GREY
        rgb[number] = np.moveaxis(mixed.clip(0.0, 1.0), 0, -1)
    return preprocess.normalize(rgb)


class Guarded(Classifier):
    """A classifier that may run in reduced precision, and compares it with float32 before it does.

    The comparison is made in `prepare`, or when scores or gradients are first asked for.
    """

    _precision: str
    _tolerance: Tolerance
    _probe: Array | None
    _settled: set[str]
    _settling: threading.RLock

    def guard(
        self, precision: str, probe: Array | None, tolerance: Tolerance | Mapping[str, float] | None
    ) -> None:
        """Set the precision, and what it is compared on; for constructors, once `info` is there."""
        self._precision, self._tolerance = precision, Tolerance.of(tolerance)
        if probe is not None:
            probe = self.check_batch(probe)
            if not len(probe):
                raise ShapeError("probe has 0 images; give one or more, or leave it out")
        self._probe = probe
        self.forget()

    def forget(self) -> None:
        """Compare again at the next use: the model is another one."""
        self._settled, self._settling = set(), threading.RLock()

    @abstractmethod
    def twin(self, precision: str) -> Classifier:
        """The same model in a precision, not guarded, with runs of its own."""

    @abstractmethod
    def adopt(self, twin: Classifier, precision: str) -> None:
        """Take over the runs of a twin, and say in `info.engine` which precision it is."""

    def prepare(self, needs: Collection[str]) -> None:
        """Compare precisions, then build what a method will use; see `Classifier`."""
        self.settle("grad" in needs)
        super().prepare(needs)

    def settle(self, gradient: bool) -> None:
        """Decide on the precision, if that is not done yet."""
        what = "gradient" if gradient else "score"
        if self._precision == EXACT or what in self._settled:
            return
        with self._settling:
            if self._precision == EXACT or what in self._settled:
                return
            check, chosen = self._compared(gradient)
            self._precision = check.used
            self.adopt(chosen, check.used)
            self.info = dataclasses.replace(self.info, precision_check=check.to_dict())
            self._settled |= {"score", what}
        if not check.passed:
            warnings.warn(check.line(self.info.name), UserWarning, stacklevel=3)

    def _compared(self, gradient: bool) -> tuple[PrecisionCheck, Classifier]:
        """The comparison, and the classifier that is left of it."""
        probe = self._probe
        if probe is None:
            probe = probe_images(self.preprocess, self.info.input_shape)
        reduced, exact = self.twin(self._precision), self.twin(EXACT)
        try:
            check = compare(
                reduced,
                exact,
                probe,
                precision=self._precision,
                gradient=gradient,
                tolerance=self._tolerance,
            )
        except BaseException:
            reduced.close()
            exact.close()
            raise
        chosen, other = (reduced, exact) if check.passed else (exact, reduced)
        other.close()
        return check, chosen


def _finite(found: Array) -> Array:
    """Numbers that are none count as zero: as far off as can be, and still a figure."""
    return np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0)


def _agreement(found: Array, judge: Array) -> tuple[float, float]:
    """Smallest cosine and largest relative error over the rows; a row of zeros has no say."""
    found, judge = found.astype(np.float64), judge.astype(np.float64)
    length = np.sqrt((judge**2).sum(axis=1))
    found, judge, length = (part[length > 0] for part in (found, judge, length))
    if not len(judge):
        return 1.0, 0.0
    other = np.maximum(np.sqrt((found**2).sum(axis=1)), np.finfo(np.float64).tiny)
    cosine = (found * judge).sum(axis=1) / (length * other)
    relative = np.sqrt(((found - judge) ** 2).sum(axis=1)) / length
    return float(cosine.min()), float(relative.max())
