"""From a blurred image to the sharp one, by the scale of a Gaussian: Blur IG."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pysal.arrays import AnyArray, namespace, to_like
from pysal.paths.gaussian import bands, diagonal_index, toeplitz
from pysal.paths.integral import Integral, Network, Part, Report, blocks, walk
from pysal.paths.straight import STEPS
from pysal.values import choice, positive, whole


@dataclasses.dataclass(frozen=True)
class Blur:
    """Blurred versions L(s) of an image, from the last scale to the sharp image.

    Black is outside the image: with the constant image `origin` of black, in model input space,
    L(s) = origin + G(s) (x - origin) G(s)^T, whatever the normalization.

    Attributes
    ----------
    sigmas : ndarray of shape (P + 1,), float64
        Standard deviations in pixels, ascending from 0; the last one is the path's start.
    epsilon : float
        Step of the difference quotient dL/ds.
    """

    sigmas: NDArray[np.float64]
    epsilon: float

    @property
    def steps(self) -> int:
        """P, gradients per input."""
        return len(self.sigmas) - 1

    def num_scores(self, idgi: bool) -> int:
        """P, and one for the start."""
        return len(self.sigmas)

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
        Cost per input: P + 1 forward and P backward. Every gradient, the sharp image's too,
        belongs to the interval on its blurred side, as in the published sum.
        """
        scales = _Scales(self, x)
        for group in blocks(len(x)):
            last = scales.blurred(x[group] - origin[group]) + origin[group]
            starts = network.score_at(last, images[group])
            for row, start in zip(range(group.start, group.stop), starts, strict=True):
                one = slice(row, row + 1)
                parts = scales.parts(x[one], origin[one])
                yield walk(
                    network, row, images[one], parts, start=float(start), idgi=idgi, report=report
                )


class _Scales:
    """The blur matrices of a path for images like `x`, in the order of the path."""

    def __init__(self, path: Blur, x: AnyArray) -> None:
        here = path.sigmas[-2::-1]
        self._widths = to_like(np.diff(path.sigmas)[::-1].astype(np.float32), x)
        self._rows = _Axis(x.shape[2], here, path.epsilon, x)
        self._columns = _Axis(x.shape[3], here, path.epsilon, x)
        last = path.sigmas[-1:]
        self._last = [_Axis(length, last, path.epsilon, x).here(slice(1)) for length in x.shape[2:]]

    def blurred(self, moved: AnyArray) -> AnyArray:
        """Images (n, C, H, W) at the last scale."""
        rows, columns = self._last
        return rows @ (moved @ columns)

    def parts(self, x: AnyArray, origin: AnyArray) -> Iterator[Part]:
        """Versions of one image (1, C, H, W), and their steps -dL/ds * width."""
        _, channels, height, width = x.shape
        xp = namespace(x)
        flat = (x - origin)[0].swapaxes(0, 1).reshape(height, channels * width)
        for part in blocks(len(self._widths)):
            # L(s) = G x G'; L(s + e) - L(s) = (A - G) x A' + G x (A - G)', A the matrix at s + e
            rows = xp.concatenate([self._rows.here(part), self._rows.quotient(part)])
            left = (rows.reshape(-1, height) @ flat).reshape(2, -1, height * channels, width)
            pair = [self._columns.here(part), self._columns.quotient(part)]
            both = left[0] @ xp.concatenate(pair, axis=2)
            slope = left[1] @ self._columns.ahead(part) + both[:, :, width:]
            shape = (-1, height, channels, width)
            points = both[:, :, :width].reshape(shape).swapaxes(1, 2) + origin
            widths = self._widths[part][:, None, None, None]
            step = slope.reshape(shape).swapaxes(1, 2) * -widths

            def weigh(grads: AnyArray, step: AnyArray = step) -> AnyArray:
                return (grads * step).sum(axis=0)

            yield points, weigh


class _Axis:
    """Blur matrices of one axis, made from their diagonals when they are needed."""

    def __init__(
        self, length: int, sigmas: NDArray[np.float64], epsilon: float, like: AnyArray
    ) -> None:
        here, ahead = bands(length, sigmas), bands(length, sigmas + epsilon)
        # The quotient is that of the matrices, in float64: no blurred images are subtracted.
        diagonals = (here, ahead, (ahead - here) / epsilon)
        self._here, self._ahead, self._quotient = (
            to_like(d.astype(np.float32), like) for d in diagonals
        )
        self._index = to_like(diagonal_index(length), like)

    def here(self, part: slice) -> AnyArray:
        """At the scales s: (n, L, L)."""
        return toeplitz(self._here[part], self._index)

    def ahead(self, part: slice) -> AnyArray:
        """At the scales s + e."""
        return toeplitz(self._ahead[part], self._index)

    def quotient(self, part: slice) -> AnyArray:
        """Their difference over e."""
        return toeplitz(self._quotient[part], self._index)


def scales(sigma_max: float, steps: int, spacing: str) -> NDArray[np.float64]:
    """Standard deviations s_0 = 0 ... s_steps: i sigma_max / steps, or the roots of these."""
    sigmas = np.arange(steps + 1) * sigma_max / steps
    return np.sqrt(sigmas) if spacing == "sqrt" else sigmas


def blur_path(
    owner: str,
    *,
    steps: int = STEPS,
    sigma_max: float = 50.0,
    spacing: Literal["linear", "sqrt"] = "linear",
    epsilon: float = 0.01,
) -> Blur:
    """Path of Blur IG; an OptionError if a value is not allowed."""
    spacing = choice(owner, "spacing", spacing, ("linear", "sqrt"))  # type: ignore[assignment]
    sigmas = scales(positive(owner, "sigma_max", sigma_max), whole(owner, "steps", steps), spacing)
    return Blur(sigmas, positive(owner, "epsilon", epsilon))
