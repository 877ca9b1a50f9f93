"""MP2 and MP2-G against a naive loop; every way to compare cells; cost, batches, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_mp import naive_mp2
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from pooled import X, write_network
from toy import ToyClassifier
from toy_torch import ToyLogits, double

from pysal.baselines import make_baseline
from pysal.errors import CapabilityError, OptionError
from pysal.fillers.filler import Filler
from pysal.methods import METHODS
from pysal.methods.mp2 import mp2
from pysal.methods.mp2_g import GRADIENTS, mp2_g
from pysal.types import Passes, Target


class Halves(Filler):
    """An inpainter of known behaviour: half of the image's mirror image, and pasted back.

    `residue` is what its own resizing leaves of the known pixels, as in the published code.
    """

    name = "halves"
    has_unpasted = True

    def __init__(self, preprocess, residue=0.0):
        super().__init__(preprocess)
        self.residue, self.asked = residue, 0

    def fill(self, images, keep, seeds):
        self.asked += len(images)
        out = super().fill(images, keep, seeds)
        return (out + self.residue * np.roll(images, 1, 3) * keep[:, None]).astype(np.float32)

    def _generate(self, images, keep, seeds):
        return np.ascontiguousarray(images[..., ::-1] / 2)


class Shy(Halves):
    """The same without an output of its own."""

    name = "shy"
    has_unpasted = False


QUICK = {"size": 8, "cells": 3, "chance": 0.3}


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def order_of(result):
    """Removal steps from a map of ranks 1 - k / K."""
    steps = result.trace["steps"][:, None, None]
    k = np.rint((1 - result.native) * steps).astype(int)
    return np.where(result.native > 0, k, -1)


def follow(result, image, naive):
    order, scores = naive
    np.testing.assert_array_equal(order_of(result)[image], order)
    found = result.trace["score"][image]
    np.testing.assert_allclose(found[np.isfinite(found)], scores, atol=1e-5)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("selection", ["magnitude", "decrease"])
@pytest.mark.parametrize("kind", ["probability", "logit"])
def test_follows_the_naive_loop(clf, photos, upsampling, selection, kind):
    target = clf.top(photos, kind)
    chance = 0.3 if kind == "probability" else -1e9
    options = {**QUICK, "upsampling": upsampling, "chance": chance, "output": "ranks"}
    options["selection"] = selection
    result = mp2(clf, photos, target, **options)
    fill = make_baseline("blur10", photos, clf.preprocess)
    if kind == "logit":
        assert (result.native > 0).all()
        return
    for i in range(4):
        x, f = (double(a[i : i + 1]) for a in (photos, fill))
        naive = naive_mp2(
            ToyLogits(clf),
            x,
            int(target.index[i]),
            size=8,
            cells=3,
            chance=0.3,
            fill=lambda keep, x=x, f=f: (f, x - f),
            upsampling=upsampling,
            selection=selection,
        )
        follow(result, i, naive)


def test_follows_the_naive_loop_on_a_network(tmp_path):
    backend = pytest.importorskip("pysal.backends.ort")
    path = write_network(tmp_path / "n.onnx")
    net = backend.OrtClassifier(path, threads=1)
    target = Target(2 + np.arange(len(X)) % 2)
    fill = make_baseline("mean", X, net.preprocess)
    options = {"size": 5, "cells": 2, "chance": 0.02, "output": "ranks"}
    result = mp2(net, X, target, baseline="mean", **options)
    judge = to_torch(path, torch.float64)
    for i in range(2):
        x, f = (double(a[i : i + 1]) for a in (X, fill))
        naive = naive_mp2(
            judge,
            x,
            int(target.index[i]),
            size=5,
            cells=2,
            chance=0.02,
            fill=lambda keep, x=x, f=f: (f, x - f),
        )
        follow(result, i, naive)


@pytest.mark.parametrize("gradient", GRADIENTS)
def test_every_gradient_follows_the_naive_loop(clf, photos, gradient):
    filler = Halves(clf.preprocess, residue=0.01)
    target = clf.top(photos)
    result = mp2_g(clf, photos, target, filler=filler, gradient=gradient, output="ranks", **QUICK)
    blur = make_baseline("blur10", photos, clf.preprocess)
    seeds = np.zeros(1, np.uint64)
    for i in range(4):
        one, x = photos[i : i + 1], double(photos[i : i + 1])

        def fill(keep, i=i, one=one, x=x):
            pasted = double(filler.fill(one, keep[None], seeds))
            mirrored = double(one[..., ::-1] / 2)
            along = {
                "residue": x - pasted,
                "unpasted": x - mirrored,
                "blur": x - double(blur[i : i + 1]),
                "input": None,
            }[gradient]
            return (mirrored if gradient == "unpasted" else pasted), along

        naive = naive_mp2(
            ToyLogits(clf), x, int(target.index[i]), size=8, cells=3, chance=0.3, fill=fill
        )
        follow(result, i, naive)


def test_default_gradient_is_what_the_filler_can(clf, photos):
    target = clf.top(photos)
    one, other = (
        mp2_g(clf, photos, target, filler=filler(clf.preprocess), **QUICK).options
        for filler in (Halves, Shy)
    )
    assert (one["gradient"], other["gradient"]) == ("unpasted", "blur")
    assert (one["filler"], other["filler"]) == ("halves", "shy")
    with pytest.raises(CapabilityError, match=r'no output of its own .* use "blur"'):
        mp2_g(clf, photos, target, filler=Shy(clf.preprocess), gradient="unpasted", **QUICK)


def test_exact_pasting_leaves_no_residue(clf, photos):
    """The degenerate gradient: said aloud, and the image stops."""
    with pytest.warns(UserWarning, match="no gradient in any cell that is left"):
        result = mp2_g(
            clf, photos, clf.top(photos), filler=Halves(clf.preprocess), gradient="residue", **QUICK
        )
    assert not result.native.any()
    assert (result.trace["steps"] == 0).all()
    assert result.passes == Passes(8, 4)


def test_a_flat_image_has_no_gradient(clf):
    """What blur shows of a constant image is the image."""
    flat = np.zeros((1, 3, 16, 16), np.float32)
    with pytest.warns(UserWarning, match="no gradient"):
        mp2(clf, flat, Target(np.array([0])), baseline=flat, size=8, chance=0.01)


def test_stops_at_chance_or_when_all_is_gone(clf, photos):
    target = clf.top(photos)
    result = mp2(clf, photos, target, **{**QUICK, "chance": 0.45})
    score, steps = result.trace["score"], result.trace["steps"]
    for i in range(4):
        assert (score[i, : steps[i]] > 0.45).all()
        assert np.isnan(score[i, steps[i] + 1 :]).all()
        assert score[i, steps[i]] <= 0.45 or result.native[i].all()
    gone = mp2(clf, photos, target, **{**QUICK, "chance": -1.0})
    assert (gone.native == 1).all()
    assert (gone.trace["steps"] == 22).all()


def test_default_chance(clf, photos):
    assert mp2(clf, photos, clf.top(photos), size=4).options["chance"] == 0.2
    for classes, expected in ((1000, 1e-3), (365, 3e-3)):
        assert float(f"{1 / classes:.0e}") == expected
    with pytest.raises(OptionError, match="no level of chance"):
        mp2(clf, photos, clf.top(photos, "logit"), size=4)


def test_binary_and_ranks_agree(clf, photos):
    target = clf.top(photos)
    binary, ranks = (mp2(clf, photos, target, output=o, **QUICK) for o in ("binary", "ranks"))
    np.testing.assert_array_equal(binary.native, (ranks.native > 0).astype(np.float32))
    assert set(np.unique(binary.native)) <= {0, 1}
    np.testing.assert_array_equal(ranks.map, ranks.native.repeat(2, 1).repeat(2, 2))
    first = [(ranks.native[i] == 1).sum() for i in range(4)]
    assert set(first) == {3}


def runs(clf):
    return {
        "mp2": lambda batch, **more: mp2(clf, batch, clf.top(batch), **{**QUICK, **more}),
        "mp2_g": lambda batch, **more: mp2_g(
            clf, batch, clf.top(batch), **{**QUICK, "filler": "local_mean", **more}
        ),
        "random": lambda batch, **more: mp2_g(
            clf, batch, clf.top(batch), **{**QUICK, "filler": "random_color", **more}
        ),
        "noise": lambda batch, **more: mp2(
            clf, batch, clf.top(batch), **{**QUICK, "baseline": "noise", **more}
        ),
    }


@pytest.mark.parametrize("name", ["mp2", "mp2_g", "random", "noise"])
class TestBoth:
    def test_passes_are_those_counted(self, clf, photos, name):
        clf.passes = Passes()
        result = runs(clf)[name](photos)
        assert result.passes == clf.passes
        assert result.passes.backward == np.isfinite(result.trace["score"]).sum()

    def test_batch_is_its_images(self, clf, photos, name):
        seeds = [5, 6, 7, 8]
        together = runs(clf)[name](photos, seed=seeds)
        for i in range(4):
            alone = runs(clf)[name](photos[i : i + 1], seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])

    def test_same_seed_same_map(self, clf, photos, name):
        first, second = (runs(clf)[name](photos, seed=3) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)

    def test_progress(self, clf, photos, name):
        calls = []
        runs(clf)[name](photos, progress=lambda *c: calls.append(c))
        assert calls[-1] == (88, 88)
        assert calls == sorted(calls)

    def test_no_images(self, clf, name):
        result = runs(clf)[name](clf.photos(0))
        assert result.native.shape == (0, 8, 8)
        assert result.trace["score"].shape[0] == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 17),
        ("cells", 0),
        ("selection", "norm"),
        ("chance", float("nan")),
        ("chance", "low"),
        ("upsampling", "cubic"),
        ("output", "map"),
        ("seed", -1),
        ("gradient", "steep"),
        ("filler", "sand"),
        ("filler", 3),
        ("baseline", "fog"),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    own = {"mp2_g": mp2_g} if name in ("gradient", "filler") else {"mp2": mp2, "mp2_g": mp2_g}
    for method in own.values() if name != "baseline" else [mp2]:
        clf.passes = Passes()
        with pytest.raises(OptionError) as error:
            method(clf, photos, clf.top(photos), **{**QUICK, name: value})
        assert "\n" not in str(error.value)
        assert name in str(error.value)
        assert clf.passes == Passes()


@pytest.mark.parametrize(("name", "method"), [("mp2", mp2), ("mp2_g", mp2_g)])
def test_registry_lines(name, method):
    assert METHODS[name].load() is method
    assert METHODS[name].needs == {"grad"}
