"""SP-G: every patch filled by itself, by fillers of both sorts."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.draws import FILL, child
from pysal.errors import OptionError
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.methods.sliding_patch import sliding_patch
from pysal.methods.sp_g import sp_g


@pytest.fixture
def clf():
    return ToyClassifier()


def naive(clf, x, c, patch, stride, fill):
    """Methods specification 5.1, SP-G: fill(image, mask, number) position by position."""
    whole, found = clf.score(x[None])[0, c], []
    starts = range(0, 16 - patch + 1, stride)
    for number, (top, left) in enumerate(itertools.product(starts, starts)):
        keep = np.ones((16, 16), bool)
        keep[top : top + patch, left : left + patch] = False
        xb = np.where(keep, x, fill(x, keep, number))
        found.append(whole - clf.score(xb[None])[0, c])
    return np.array(found).reshape(len(starts), -1)


def test_is_the_loop(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    filler = open_filler("local_mean", clf.preprocess)
    result = sp_g(clf, batch, target, patch=5, stride=3, filler="local_mean")
    for i, c in enumerate(target.index):
        expected = naive(
            clf,
            batch[i],
            c,
            5,
            3,
            lambda x, keep, _: filler.fill(x[None], keep[None], np.zeros(1, np.uint64))[0],
        )
        np.testing.assert_allclose(result.native[i], expected, atol=1e-6)
    assert result.options["filler"] == filler.description


class Drawing(Filler):
    """Random colours in the hole; remembers who asked and for how many."""

    name = "drawing"

    def __init__(self, preprocess):
        super().__init__(preprocess)
        self.calls, self.threads = [], set()

    def _generate(self, images, keep, seeds):
        self.calls.append(len(images))
        self.threads.add(threading.get_ident())
        shape = images.shape[1:]
        drawn = [np.random.default_rng(int(s)).normal(size=shape) for s in seeds]
        return np.array(drawn, np.float32)


def test_holes_are_filled_in_batches_with_seeds_of_their_own(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    filler = Drawing(clf.preprocess)
    result = sp_g(clf, batch, target, patch=5, stride=2, filler=filler, seed=[4, 9])
    assert filler.calls == [32, 4, 32, 4]
    for i, c in enumerate(target.index):

        def fill(x, keep, number, seed=(4, 9)[i]):
            drawn = np.random.default_rng(child(seed, FILL, index=number))
            return drawn.normal(size=x.shape).astype(np.float32)

        np.testing.assert_allclose(result.native[i], naive(clf, batch[i], c, 5, 2, fill), atol=1e-6)


def test_static_fillers_are_baselines(clf):
    batch = clf.photos(2)
    target = clf.top(batch)
    for name in ("zero", "blur"):
        filled = sp_g(clf, batch, target, patch=5, stride=3, filler=name)
        plain = sliding_patch(clf, batch, target, patch=5, stride=3, baseline=name)
        np.testing.assert_array_equal(filled.native, plain.native)


def test_fillers_are_checked_before_the_work(clf):
    batch = clf.photos(1)
    with pytest.raises(OptionError, match=r'sp_g: filler "telae" is unknown'):
        sp_g(clf, batch, clf.top(batch), patch=5, filler="telae")
