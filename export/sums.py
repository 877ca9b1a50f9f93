"""Sums of cotangents, in as few passes over memory as the zeros in them allow.

What a slice of a value sends back is zero outside the slice, so it arrives as a Pad. Slices that
do not overlap need neither Pads of full size nor an Add: they are laid side by side by one Concat.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph import Graph
    from .nodes import Shape


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A term of a sum that is zero outside [begin, end) of one axis.

    Attributes
    ----------
    place : int
        Of the term in the sum.
    part : str
        What the term has inside.
    begin, end : int
    """

    place: int
    part: str
    begin: int
    end: int


def add_up(g: Graph, terms: Sequence[str], shape: Shape | None) -> str:
    """Append the sum of one or more terms of the same shape; its first axis may be open.

    The numbers are those of the Adds, except that negative zeros may stay negative and that the
    order of the Adds is another.
    """
    shape, left = shape or (), dict(enumerate(terms))
    for axis, size in enumerate(shape):
        if not size:
            continue
        found = [stretch_of(g, left[place], place, axis, size) for place in left]
        for lane in lanes([stretch for stretch in found if stretch is not None]):
            if len(lane) > 1:
                first, *others = sorted(stretch.place for stretch in lane)
                left[first] = _side_by_side(g, lane, axis, size, len(shape))
                for place in others:
                    del left[place]
    total, *more = left.values()
    for term in more:
        total = str(g.lower("accumulate", total, term))
    return total


def stretch_of(g: Graph, term: str, place: int, axis: int, size: int) -> Stretch | None:
    """The stretch of an axis that a term covers, where it is a Pad by zeros on this axis only."""
    node = g.appended(term)
    if node is None or node.op_type != "Pad" or node.attrs or len(node.inputs) != 3:
        return None
    counts, fill = g.constant(node.inputs[1]), g.constant(node.inputs[2])
    if counts is None or fill is None or float(fill) != 0.0:
        return None
    before, after = counts.reshape(2, -1)
    elsewhere = [*before[:axis], *before[axis + 1 :], *after[:axis], *after[axis + 1 :]]
    begin, end = int(before[axis]), size - int(after[axis])
    if any(elsewhere) or not 0 <= begin < end <= size:
        return None
    return Stretch(place, node.inputs[0], begin, end)


def lanes(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """Deal stretches out to as few lanes as there can be; those of a lane do not overlap.

    Each goes to the lane that ends last before it, so that neighbours meet without a gap.
    """
    dealt: list[list[Stretch]] = []
    for stretch in sorted(stretches, key=lambda s: (s.begin, s.end)):
        free = [lane for lane in dealt if lane[-1].end <= stretch.begin]
        if free:
            max(free, key=lambda lane: lane[-1].end).append(stretch)
        else:
            dealt.append([stretch])
    return dealt


def _side_by_side(g: Graph, lane: Sequence[Stretch], axis: int, size: int, rank: int) -> str:
    """Concat of a lane; a gap is padded to the shorter of the parts beside it."""
    before, after = [0] * len(lane), [0] * len(lane)
    before[0], after[-1] = lane[0].begin, size - lane[-1].end
    for i, (left, right) in enumerate(pairwise(lane)):
        if left.end - left.begin < right.end - right.begin:
            after[i] = right.begin - left.end
        else:
            before[i + 1] = right.begin - left.end
    parts = [
        g.pad(s.part, _on(axis, rank, b), _on(axis, rank, a)) if a or b else s.part
        for s, b, a in zip(lane, before, after, strict=True)
    ]
    return g.op("Concat", *parts, axis=axis)


def _on(axis: int, rank: int, count: int) -> list[int]:
    return [count * (i == axis) for i in range(rank)]
