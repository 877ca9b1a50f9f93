"""Attributions to every channel of an image as one map (methods specification 0.6)."""

from __future__ import annotations

import difflib
import warnings

import numpy as np

from pysal.arrays import AnyArray, namespace
from pysal.errors import OptionError
from pysal.types import Array

REDUCTIONS: dict[str, str] = {
    "max_abs": "largest magnitude: max_c |A_c| (gradient maps of Simonyan et al.)",
    "sum_abs": "sum of the magnitudes: sum_c |A_c| (grey pictures of the PAIR library)",
    "abs_sum": "magnitude of the sum: |sum_c A_c| (AIC and SIC in the PAIR library)",
    "sum": "signed sum: sum_c A_c (keeps completeness; diverging colours)",
    "max": "largest, with its sign: max_c A_c (XRAI)",
}
"""Name -> what it is."""


def reduce_channels(attributions: AnyArray, rule: str) -> AnyArray:
    """One value per pixel from one value per channel and pixel.

    Parameters
    ----------
    attributions : array of shape (..., C, H, W), float32
        On any device.
    rule : str
        A name of `REDUCTIONS`.

    Returns
    -------
    array of shape (..., H, W)
        Of the kind and dtype of `attributions`.

    Raises
    ------
    OptionError
        If there is no such rule.
    """
    if rule not in REDUCTIONS:
        near = difflib.get_close_matches(str(rule), REDUCTIONS, n=3, cutoff=0.4) or REDUCTIONS
        raise OptionError(f'channel rule "{rule}" is unknown; did you mean {", ".join(near)}?')
    xp = namespace(attributions)
    if rule in ("max_abs", "sum_abs"):
        attributions = xp.abs(attributions)
    if rule in ("max_abs", "max"):
        return xp.amax(attributions, axis=-3)
    total = attributions.sum(axis=-3)
    return xp.abs(total) if rule == "abs_sum" else total


SATURATED = 'a saturated probability has no gradient: explain kind="logit" instead'


def warn_empty(owner: str, maps: Array, why: str = SATURATED) -> None:
    """Say which of the maps (N, h, w) are zero everywhere, and why that may be.

    Warns
    -----
    UserWarning
        A gradient is zero where a probability is saturated, or behind units that are all off.
    """
    empty = np.flatnonzero(~maps.any(axis=(1, 2)))
    if empty.size:
        shown = ", ".join(map(str, empty[:5]))
        warnings.warn(
            f"{owner}: the maps of {empty.size} of {len(maps)} images (number {shown}) are zero "
            f"everywhere; {why}",
            stacklevel=3,
        )
