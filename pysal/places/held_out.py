"""A threshold that is chosen on some images and judged on others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pysal import values
from pysal.errors import OptionError

ALPHAS = tuple(round(0.05 * k, 2) for k in range(20))
"""0, 0.05, ..., 0.95: the usual grid of thresholds, as shares of a map's maximum."""

HALVES = "halves: even-numbered images choose alpha for odd ones, odd for even"
"""What is recorded of the usual choice."""

Float = NDArray[np.float64]


def threshold_grid(
    owner: str, alphas: Sequence[float], alpha: float | None, most: float = np.inf
) -> Float:
    """Thresholds `alphas` and, where it is given, `alpha` behind them; each from 0 to `most`.

    Raises
    ------
    OptionError
        If there are none, or one is outside of that.
    """
    expected = "a number from 0 on" if most == np.inf else f"a number from 0 to {most:g}"
    if isinstance(alphas, str) or len(alphas) == 0:
        raise OptionError(f"{owner}: alphas is {alphas!r}; expected at least one number")
    given = [*alphas, *([] if alpha is None else [alpha])]
    return np.array(
        [values.number(owner, "alpha", v, lambda a: 0 <= a <= most, expected) for v in given]
    )


def held_out(losses: Float, levels: Float, first: int | None = None) -> tuple[float, Float]:
    """Mean loss at a level that other images chose.

    Parameters
    ----------
    losses : ndarray of shape (N, T)
        Lower is better; rows with NaN are images that do not count.
    levels : ndarray of shape (T,)
        Abscissa of the losses.
    first : int, optional
        The images before this number choose, and the mean is that of the others. Default: by
        halves, images of even number (0, 2, ...) choose for those of odd number and the other way
        round, so every image is judged, and none by its own choice.

    Returns
    -------
    loss : float
        NaN where one part has no image that counts.
    chosen : ndarray of shape (1,) or (2,)
        Level of the lowest mean loss, the first one of several: what the choosing images chose;
        by halves what the even ones chose, then the odd ones. NaN where there are none.
    """
    numbers = np.arange(len(losses))
    if first is not None:
        parts = [(numbers < first, numbers >= first)]
    else:
        parts = [(numbers % 2 == side, numbers % 2 != side) for side in (0, 1)]
    counts = ~np.isnan(losses).any(axis=1)
    judged, chosen = [], []
    for choosing, others in parts:
        level, found = _judge(losses[choosing & counts], losses[others & counts])
        chosen.append(np.nan if level is None else levels[level])
        judged.append(found)
    known = np.concatenate(judged)
    mean = float(known.mean()) if len(known) else float("nan")
    return mean, np.array(chosen, np.float64)


def _judge(choosing: Float, others: Float) -> tuple[int | None, Float]:
    """Level that some rows choose, and the losses of the other rows there."""
    if not len(choosing):
        return None, np.full(len(others), np.nan)
    level = int(choosing.mean(axis=0).argmin())
    return level, others[:, level]
