"""LIME-G: the union of the superpixels that are off is one hole."""

from __future__ import annotations

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.errors import OptionError
from pysal.fillers import open_filler
from pysal.methods.lime import lime
from pysal.methods.lime_g import lime_g
from pysal.perturb.drawn import switches

LABELS = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))


@pytest.fixture
def clf():
    return ToyClassifier()


def test_every_version_is_filled(clf):
    """Also those of a last batch that is not full: 70 of 32 at a time."""
    batch = clf.photos(2)
    target = clf.top(batch)
    filler = open_filler("local_mean", clf.preprocess)
    seen = []

    class Watching(ToyClassifier):
        def score(self, batch, kind="probability"):
            seen.append(batch.copy())
            return super().score(batch, kind)

    lime_g(Watching(), batch, target, segments=LABELS, samples=70, filler="local_mean")
    rows = switches(0, 70, 16, 0.5)
    keep = rows[:, LABELS]
    assert len(seen) == 1 + 2 * 3
    for i in range(2):
        images = np.broadcast_to(batch[i], (70, 3, 16, 16))
        expected = filler.fill(images, keep, np.zeros(70, np.uint64))
        np.testing.assert_array_equal(np.concatenate(seen[1 + 3 * i : 4 + 3 * i]), expected)
        assert (expected[1:] != batch[i]).any(axis=(1, 2, 3)).all()


def test_static_fillers_are_baselines(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    for name in ("mean", "blur"):
        filled = lime_g(clf, batch, target, segments=LABELS, samples=40, filler=name)
        plain = lime(clf, batch, target, segments=LABELS, samples=40, fill=name)
        np.testing.assert_array_equal(filled.native, plain.native)
        assert filled.options["filler"] == name


def test_has_the_trace_of_lime(clf):
    batch = clf.photos(2)
    options = {"segments": LABELS, "samples": 40, "labels": True}
    with_holes = lime_g(clf, batch, clf.top(batch), filler="local_mean", **options)
    plain = lime(clf, batch, clf.top(batch), **options)
    assert with_holes.trace.keys() == plain.trace.keys()
    assert not np.array_equal(with_holes.native, plain.native)


def test_fillers_are_checked_before_the_work(clf):
    batch = clf.photos(1)
    with pytest.raises(OptionError, match=r'lime_g: filler "telae" is unknown'):
        lime_g(clf, batch, clf.top(batch), filler="telae")
