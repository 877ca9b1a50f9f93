"""Sliding windows: explicit paddings whatever the file says, and the phases of a strided axis."""

from __future__ import annotations

import dataclasses
from itertools import product

from ..graph import Graph
from ..nodes import Node

Ints = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Window:
    """Geometry of a Conv or pooling node, one entry per spatial axis.

    `end` is the padding that the last window really needs: with ceil_mode it exceeds the declared
    one, and it is negative where the last rows of the input are in no window.
    """

    kernel: Ints
    strides: Ints
    dilations: Ints
    begin: Ints
    end: Ints
    size_in: Ints
    size_out: Ints

    @classmethod
    def of(cls, g: Graph, node: Node, kernel: Ints | None = None) -> Window:
        """Read attributes and shapes of `node`."""
        size_in = tuple(int(s or 0) for s in g.static_shape(node.inputs[0], node)[2:])
        size_out = tuple(int(s or 0) for s in g.static_shape(node.outputs[0], node)[2:])
        rank = len(size_in)
        kernel = tuple(node.attrs.get("kernel_shape", kernel or ()))
        strides = tuple(node.attrs.get("strides", (1,) * rank))
        dilations = tuple(node.attrs.get("dilations", (1,) * rank))
        reach = [
            (o - 1) * s + d * (k - 1) + 1 - i
            for i, o, k, s, d in zip(size_in, size_out, kernel, strides, dilations, strict=True)
        ]
        auto = node.attrs.get("auto_pad", "NOTSET")
        if auto == "SAME_UPPER":
            begin = tuple(max(total, 0) // 2 for total in reach)
        elif auto == "SAME_LOWER":
            begin = tuple((max(total, 0) + 1) // 2 for total in reach)
        elif auto == "VALID":
            begin = (0,) * rank
        else:
            begin = tuple(node.attrs.get("pads", (0,) * 2 * rank))[:rank]
        end = tuple(total - b for total, b in zip(reach, begin, strict=True))
        return cls(kernel, strides, dilations, begin, end, size_in, size_out)

    @property
    def rank(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel)

    @property
    def tiles(self) -> bool:
        """Whether every input element is in exactly one window (pooling with kernel = stride)."""
        return (
            self.kernel == self.strides
            and not any(self.begin + self.end)
            and set(self.dilations) == {1}
        )

    def axis(self, i: int) -> Axis:
        """One spatial axis, split into phases; taps that see padding only are left out."""
        taps: list[dict[int, int]] = [{} for _ in range(self.strides[i])]
        size, size_out = -(-self.size_in[i] // self.strides[i]), self.size_out[i]
        for q in range(self.kernel[i]):
            offset = self.dilations[i] * q - self.begin[i]
            phase = offset % self.strides[i]
            shift = (phase - offset) // self.strides[i]
            if -size < shift < size_out:
                taps[phase][q] = shift
        return Axis(taps, size, size_out)

    def taps(self) -> list[tuple[Ints, Ints, list[tuple[int, int]]]]:
        """Every tap in scan order: its place in the window, the phase it feeds, and its pads.

        The pads bring a value of the output's size to the size of the phase.
        """
        axes = [self.axis(i) for i in range(self.rank)]
        feeds = [
            [
                (q, a, axis.pads(shift, shift))
                for a, t in enumerate(axis.taps)
                for q, shift in t.items()
            ]
            for axis in axes
        ]
        found = []
        for chosen in product(*map(sorted, feeds)):
            places, phases, pads = zip(*chosen, strict=True)
            found.append((places, phases, list(pads)))
        return found


@dataclasses.dataclass(frozen=True)
class Axis:
    """A strided axis seen from the input: element s * m + a is in phase a.

    Tap q of the window that is output element o touches input element s * o + d * q - p, so phase a
    at m receives from output element m + shift for every (q, shift) of `taps[a]`.

    Attributes
    ----------
    taps : list of {q: shift}
        One per phase.
    size : int
        Elements per phase, the last one possibly beyond the input.
    size_out : int
    """

    taps: list[dict[int, int]]
    size: int
    size_out: int

    def span(self) -> tuple[int, int]:
        """Smallest and largest shift over all phases."""
        shifts = [shift for phase in self.taps for shift in phase.values()] or [0]
        return min(shifts), max(shifts)

    def pads(self, low: int, high: int) -> tuple[int, int]:
        """Paddings (negative: crops) of the cotangent that make shifts low..high reach every m."""
        return -low, self.size - 1 + high - (self.size_out - 1)
