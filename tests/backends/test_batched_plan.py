"""Rows of fixed runs: every image and node once, in order, and paths grouped alike."""

from __future__ import annotations

import itertools

import pytest

from pysal.backends.batched_plan import Segment, blocks, masked_plan, path_plan


def pairs(part: Segment) -> list[tuple[int, int]]:
    """(image, node) of the rows of a segment."""
    images = range(part.images.start, part.images.stop)
    return list(itertools.product(images, range(part.nodes.start, part.nodes.stop)))


@pytest.mark.parametrize("rows", [1, 4, 20])
@pytest.mark.parametrize("nodes", [1, 3, 4, 11, 20, 21])
@pytest.mark.parametrize("images", [0, 1, 2, 7])
def test_every_row_is_there_once_and_in_order(images: int, nodes: int, rows: int) -> None:
    every = list(itertools.product(range(images), range(nodes)))
    paths = list(path_plan(images, nodes, rows))
    assert [pair for part in paths for pair in pairs(part)] == every
    assert all(0 < part.rows.stop <= rows and part.row == 0 for part in paths)
    runs = list(masked_plan(images, nodes, rows))
    assert [pair for run in runs for part in run for pair in pairs(part)] == every
    for run in runs:
        assert [part.row for part in run] == [0, *(part.rows.stop for part in run[:-1])]
    assert [run[-1].rows.stop for run in runs] == [
        b.stop - b.start for b in blocks(len(every), rows)
    ]


@pytest.mark.parametrize(("nodes", "rows"), [(4, 20), (20, 20), (7, 20), (21, 20), (3, 1)])
def test_an_image_is_cut_alike_wherever_it_is(nodes: int, rows: int) -> None:
    cuts: list[list[slice]] = [[] for _ in range(6)]
    for part in path_plan(6, nodes, rows):
        for image in range(part.images.start, part.images.stop):
            cuts[image].append(part.nodes)
    assert all(cut == cuts[0] for cut in cuts)


def test_a_path_or_mask_without_nodes_has_no_runs() -> None:
    assert not [part for part in path_plan(3, 0, 4) if pairs(part)]
    assert not list(masked_plan(3, 0, 4))
