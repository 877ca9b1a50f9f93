"""Which rows of which runs the composed images of a batch go to, for runs of a fixed size."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Segment:
    """Neighbouring rows of one run: every node of some images, or some nodes of one image.

    Attributes
    ----------
    images, nodes : slice
        A node is a point of a path, or a mask.
    row : int
        First row in the run.
    """

    images: slice
    nodes: slice
    row: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Number of images and nodes."""
        return self.images.stop - self.images.start, self.nodes.stop - self.nodes.start

    @property
    def rows(self) -> slice:
        """Rows of the run; images in order, the nodes of each in order."""
        images, nodes = self.shape
        return slice(self.row, self.row + images * nodes)


def blocks(total: int, rows: int) -> Iterator[slice]:
    """Cut `total` images into runs of up to `rows`."""
    for first in range(0, total, rows):
        yield slice(first, min(first + rows, total))


def path_plan(images: int, nodes: int, rows: int) -> Iterator[Segment]:
    """One segment per run, and no image shares a run with a part of another.

    So the sum over the nodes of an image is grouped alike wherever the image is in the batch.
    """
    if nodes <= rows:
        for part in blocks(images, rows // max(nodes, 1)):
            yield Segment(part, slice(0, nodes))
    else:
        for image in range(images):
            for part in blocks(nodes, rows):
                yield Segment(slice(image, image + 1), part)


def masked_plan(images: int, masks: int, rows: int) -> Iterator[list[Segment]]:
    """Segments of every run, filled without gaps: nothing is summed, so images may be cut."""
    for run in blocks(images * masks, rows):
        yield list(_segments(run, masks))


def _segments(run: slice, masks: int) -> Iterator[Segment]:
    """Whole images as one segment, the parts of cut ones as their own."""
    at = run.start
    while at < run.stop:
        image, first = divmod(at, masks)
        left = run.stop - at
        if first == 0 and left >= masks:
            count, nodes = left // masks, slice(0, masks)
        else:
            count, nodes = 1, slice(first, min(first + left, masks))
        segment = Segment(slice(image, image + count), nodes, at - run.start)
        yield segment
        at = run.start + segment.rows.stop
