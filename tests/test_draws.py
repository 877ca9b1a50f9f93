"""Draws that depend on the image's seed, the step and the purpose, and on nothing else."""

from __future__ import annotations

import numpy as np

from pysal import draws


def test_uniform():
    values = draws.uniform(3, draws.START, (200, 300))
    assert values.dtype == np.float32
    assert 0 <= values.min() < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01
    assert abs(values.var() - 1 / 12) < 0.001
    np.testing.assert_array_equal(values, draws.uniform(3, draws.START, (200, 300)))


def test_every_part_of_the_address_matters():
    first = draws.uniform(2**64 - 1, 1, (50,))
    others = [
        draws.uniform(2**64 - 2, 1, (50,)),
        draws.uniform(2**64 - 1, 2, (50,)),
        draws.uniform(2**64 - 1, 1, (50,), step=1),
        draws.uniform(2**64 - 1, 1, (50,), index=1),
    ]
    for other in others:
        assert abs(np.corrcoef(first, other)[0, 1]) < 0.5
        assert not np.array_equal(first, other)


def test_whole_numbers():
    values = np.concatenate([draws.whole(0, draws.JITTER, 4, 2, step=s) for s in range(4000)])
    counts = np.bincount(values, minlength=4)
    assert len(counts) == 4
    assert (abs(counts / len(values) - 0.25) < 0.02).all()


def test_children_differ():
    children = {draws.child(s, draws.FILL, step=k, index=i) for s, k, i in np.ndindex(3, 4, 5)}
    assert len(children) == 60
    assert all(0 <= child < 2**64 for child in children)
    assert draws.child(7, draws.FILL, step=2) == draws.child(7, draws.FILL, step=2)
