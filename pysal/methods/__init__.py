"""Explanation methods: one line each, imported only when asked for."""

from pysal.methods.entries import (
    aop,
    backprop,
    cam,
    gradient,
    interpretation,
    mask,
    path,
    region,
    sampling,
)
from pysal.registry import Entry

METHODS: dict[str, Entry] = {
    **mask.ENTRIES,
    **aop.ENTRIES,
    **gradient.ENTRIES,
    **backprop.ENTRIES,
    **path.ENTRIES,
    **cam.ENTRIES,
    **sampling.ENTRIES,
    **region.ENTRIES,
    **interpretation.ENTRIES,
}
