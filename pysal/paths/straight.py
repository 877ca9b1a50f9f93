"""The straight line from a baseline to the image: integrated gradients."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pysal import kernels
from pysal.arrays import AnyArray, namespace, to_like
from pysal.paths.integral import Integral, Network, Part, Report, blocks, scores_at, walk
from pysal.types import Array
from pysal.values import whole

STEPS = 200
"""Points of every path where the caller does not say (IDGI, section 5)."""


@dataclasses.dataclass(frozen=True)
class Straight:
    """Points x' + t (x - x') with weights: A = (x - x') sum_j w_j g(t_j).

    Attributes
    ----------
    nodes : ndarray of shape (P,), float32
        t, ascending in [0, 1].
    weights : ndarray of shape (P,), float32
    """

    nodes: Array
    weights: Array

    @property
    def steps(self) -> int:
        """P, gradients per input."""
        return len(self.nodes)

    @property
    def has_start(self) -> bool:
        """Whether the baseline itself is a point."""
        return bool(self.nodes[0] == 0)

    def num_scores(self, idgi: bool) -> int:
        """P, and one for the baseline where it is no point."""
        return len(self.nodes) + (not self.has_start)

    def integrals(
        self,
        network: Network,
        x: AnyArray,
        origin: AnyArray,
        images: NDArray[np.intp],
        *,
        idgi: bool = False,
        report: Report | None = None,
    ) -> Iterator[Integral]:
        """Integrate input by input; see `Path`.

        Notes
        -----
        Cost per input: P forward and backward; one forward more where the baseline is no point.
        """
        starts: list[float | None] = [None] * len(x)
        if not self.has_start:
            starts = scores_at(network, origin, images).tolist()
        for row, start in enumerate(starts):
            one = slice(row, row + 1)
            parts = self._parts(x[one], origin[one])
            yield walk(network, row, images[one], parts, start=start, idgi=idgi, report=report)

    def _parts(self, x: AnyArray, origin: AnyArray) -> Iterator[Part]:
        """Points of one input, written by the blend kernel under a mask of one cell."""
        mask = to_like(np.ones((1, 1, 1, 1), np.float32), x)
        for part in blocks(len(self.nodes)):
            weights = to_like(self.weights[part], x)

            def weigh(grads: AnyArray, weights: AnyArray = weights) -> AnyArray:
                return namespace(grads).tensordot(weights, grads, 1) * (x - origin)[0]

            yield kernels.blend(x, origin, mask, nodes=self.nodes[part])[0], weigh


def endpoints(steps: int) -> tuple[Array, Array]:
    """`steps` points from 0 to 1, both included, of weight 1 / steps each.

    The sum of the PAIR library: no quadrature rule (its weights belong to one segment more than
    there are), but what the published numbers come from.
    """
    return np.linspace(0, 1, steps, dtype=np.float32), np.full(steps, 1 / steps, np.float32)


def straight_path(owner: str, *, steps: int = STEPS) -> Straight:
    """Path of integrated gradients over end points; an OptionError if a value is not allowed."""
    return Straight(*endpoints(whole(owner, "steps", steps, 2)))
