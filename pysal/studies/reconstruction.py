"""Feature reconstruction: how well the relevant features tell the classes apart, against mu."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.classifier import Classifier
from pysal.errors import OptionError
from pysal.features.channels import Channels, Layers, find_channels
from pysal.features.descriptors import Response, iter_descriptors
from pysal.features.lasso import Solver, mu_lasso
from pysal.features.moments import LeastSquares, Rows
from pysal.progress import Progress, scaled
from pysal.studies.labels import check_count, memberships
from pysal.studies.roc import roc_auc
from pysal.types import Passes
from pysal.values import choice, positive, whole

OWNER = "feature_reconstruction"
MUS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
Float = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class FeatureReconstruction:
    """Areas under ROC curves for several bounds on the weights.

    Attributes
    ----------
    mu : ndarray of shape (M,), float64
    auc : ndarray of shape (M, K), float64
        Per class; NaN for classes of which no test image, or every one, is a member.
    num_features : ndarray of shape (M,), int
        Channels that any class uses.
    count : int
        Test images.
    passes : Passes
    seconds : float
    """

    mu: Float
    auc: Float
    num_features: NDArray[np.intp]
    count: int
    passes: Passes
    seconds: float

    @property
    def mean_auc(self) -> Float:
        """Mean over the classes that have a value, (M,); NaN where none has."""
        known = ~np.isnan(self.auc)
        total = np.where(known, self.auc, 0).sum(axis=1)
        return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)

    def table(self) -> dict[str, dict[str, float]]:
        """Bound on the weights -> mean area and number of channels in use."""
        rows = zip(self.mu, self.mean_auc, self.num_features, strict=True)
        return {
            f"mu {bound:g}": {"mean_auc": float(auc), "num_features": float(count)}
            for bound, auc, count in rows
        }


def feature_reconstruction(
    clf: Classifier,
    images: Any,
    labels: ArrayLike,
    test_images: Any,
    test_labels: ArrayLike,
    *,
    mu: Sequence[float] = MUS,
    layers: Layers = "all",
    response: Response = "squared",
    solver: Solver = "active_sets",
    tolerance: float = 1e-4,
    batch_size: int = 8,
    progress: Callable[[float, float], None] | None = None,
) -> FeatureReconstruction:
    """Area under the ROC curve of W^T X, where W predicts the labels under a bound on its norm.

    Parameters
    ----------
    clf : Classifier
    images, test_images : paths, PIL images, arrays, a sequence or iterator of them, or a callable
        Where features are selected, and where they are judged; each read once.
    labels, test_labels : array_like of shape (N,), int, or (N, K), bool
    mu : sequence of float
        Bounds on the sum of the absolute weights of a class.
    layers, response, solver, tolerance, batch_size
        As for `select_features`.
    progress : callable, optional
        Called as progress(done, total), in hundredths: both data sets are half of it.

    Returns
    -------
    FeatureReconstruction

    Raises
    ------
    OptionError
        If an option, a label or their number is wrong.
    CapabilityError
        If the model shows no activations, or one is not finite.
    InputError, ShapeError
        If an image cannot be used.

    Warns
    -----
    UserWarning
        If the solver did not reach its tolerance.

    Notes
    -----
    Cost: 1 forward per image, and 1 for the shapes, whatever the number of bounds. Memory:
    descriptors as in `select_features`, and the M K N scores of the test images. The paper does not
    say which images it judges on; test images here.

    References
    ----------
    .. [1] Oramas, Wang, Tuytelaars, "Visual Explanation by Interpretation", ICLR 2019, supplement;
       metrics specification 13, whose grid of mu this has.
    """
    begin = time.perf_counter()
    grid = _check(mu, response, solver, tolerance, batch_size)
    num_classes = clf.info.num_classes
    train = memberships(OWNER, labels, num_classes)
    test = memberships(OWNER, test_labels, num_classes)
    channels = find_channels(clf, layers)
    options: dict[str, Any] = {"response": response, "batch_size": batch_size}
    problem = _fit(clf, images, train, channels, _half(progress, 0, len(train)), options)
    found = [mu_lasso(problem, bound, solver=solver, tolerance=tolerance).weights for bound in grid]
    scores = np.empty((len(grid), num_classes, len(test)))
    done = 0
    half = _half(progress, 50, len(test))
    for rows in iter_descriptors(clf, test_images, channels, progress=half, **options):
        if done + len(rows) > len(test):
            check_count(OWNER, done + len(rows), len(test))
        for number, weights in enumerate(found):
            scores[number, :, done : done + len(rows)] = weights @ rows.T
        done += len(rows)
    check_count(OWNER, done, len(test))
    return FeatureReconstruction(
        mu=np.array(grid),
        auc=roc_auc(scores, test.T),
        num_features=np.array([(weights != 0).any(axis=0).sum() for weights in found], np.intp),
        count=len(test),
        passes=Passes(1 + len(train) + len(test), 0),
        seconds=time.perf_counter() - begin,
    )


def _fit(
    clf: Classifier,
    images: Any,
    members: NDArray[np.bool_],
    channels: Channels,
    progress: Callable[[float, float], None] | None,
    options: dict[str, Any],
) -> LeastSquares:
    """The least-squares problems of all classes."""
    rows, done = Rows(len(channels), members.shape[1]), 0
    for part in iter_descriptors(clf, images, channels, progress=progress, **options):
        if done + len(part) > len(members):
            check_count(OWNER, done + len(part), len(members))
        rows.add(part, members[done : done + len(part)].astype(np.float64))
        done += len(part)
    check_count(OWNER, done, len(members))
    return rows.finish()


def _half(progress: Progress | None, start: int, images: int) -> Progress | None:
    """Progress of one of the two data sets, whose number of images is known from the labels."""
    stretched = scaled(progress, start, 50, 100)
    if stretched is None:
        return None
    report = stretched
    return lambda done, _: report(done, images)


def _check(
    mu: Sequence[float], response: Any, solver: Any, tolerance: Any, batch_size: Any
) -> list[float]:
    """Refuse options outside their allowed values."""
    choice(OWNER, "response", response, ("squared", "norm"))
    choice(OWNER, "solver", solver, ("active_sets", "spectral_gradient"))
    positive(OWNER, "tolerance", tolerance)
    whole(OWNER, "batch_size", batch_size)
    grid = list(mu) if isinstance(mu, Sequence | np.ndarray) else [mu]
    if not grid:
        raise OptionError(f"{OWNER}: mu is {mu!r}; expected one or more positive numbers")
    return [positive(OWNER, "mu", bound) for bound in grid]
