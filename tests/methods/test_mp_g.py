"""MP-G against a naive torch implementation: threshold, straight-through, both gradients."""

from __future__ import annotations

import numpy as np
import pytest
from naive_mp import naive_mp
from one_thread import one_thread  # noqa: F401
from toy import ToyClassifier
from toy_torch import ToyLogits, double

from pysal.draws import JITTER, whole
from pysal.errors import CapabilityError, OptionError
from pysal.fillers.filler import Filler
from pysal.maskopt.start import random_masks
from pysal.methods import METHODS
from pysal.methods.mp_g import mp_g
from pysal.types import Passes, Target


class Mirror(Filler):
    """An inpainter of known behaviour: half of the image's mirror image."""

    name = "mirror"
    has_unpasted = True

    def _generate(self, images, keep, seeds):
        return np.ascontiguousarray(images[..., ::-1] / 2)


class Shy(Mirror):
    name = "shy"
    has_unpasted = False


QUICK = {"size": 8, "iterations": 6}


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


@pytest.mark.parametrize("gradient", ["residue", "unpasted"])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("jitter", [0, 4])
def test_follows_the_naive_implementation(clf, photos, gradient, binary, jitter):
    options = {"size": 8, "iterations": 25, "jitter": jitter, "l1": 1e-3, "l2": 1e-2}
    result = mp_g(
        clf,
        photos,
        clf.top(photos),
        filler=Mirror(clf.preprocess),
        gradient=gradient,
        perturb_binary=binary,
        seed=5,
        **options,
    )
    start = random_masks(np.full(4, 5, np.uint64), (8, 8))
    shifts = [tuple(whole(5, JITTER, 4, 2, step=s)) if jitter else (0, 0) for s in range(25)]

    def fill(image, keep):
        own = image.flip(3) / 2
        if gradient == "unpasted":
            return own
        hole = ~double(keep.astype(float)).bool()
        return image + (own - image) * hole

    for i in range(2):
        mask, trace = naive_mp(
            ToyLogits(clf),
            double(photos[i : i + 1]),
            double(photos[i : i + 1]),
            int(result.target.index[i]),
            start=double(start[i])[None, None],
            shifts=shifts,
            fill=fill,
            binary=binary,
            upsampling="nearest",
            smoothing=0,
            exponent=3,
            isotropic=False,
            reduction="sum",
            rate=0.1,
            l1=1e-3,
            l2=1e-2,
            iterations=25,
            jitter=jitter,
        )
        np.testing.assert_allclose(1 - result.native[i], mask[0, 0], atol=2e-3)
        np.testing.assert_allclose(result.trace["loss"][i], trace.losses, atol=1e-4)


def test_pasted_pixels_pull_at_nothing(clf, photos):
    """Residue of exact pasting, no regularizers: kept cells stay where they are."""
    options = {"l1": 0, "l2": 0, "jitter": 0, "gradient": "residue", "size": 8, "iterations": 1}
    result = mp_g(clf, photos, clf.top(photos), filler=Mirror(clf.preprocess), seed=2, **options)
    start = random_masks(np.full(4, 2, np.uint64), (8, 8))
    moved = np.abs((1 - result.native) - start) > 1e-6
    kept = start >= np.maximum(0.5, (start.max((1, 2)) + start.min((1, 2))) / 2)[:, None, None]
    assert not moved[kept].any()
    assert moved[~kept].any()


def test_default_gradient_is_what_the_filler_can(clf, photos):
    target = clf.top(photos)
    one, other = (
        mp_g(clf, photos, target, filler=filler(clf.preprocess), **QUICK).options
        for filler in (Mirror, Shy)
    )
    assert (one["gradient"], other["gradient"]) == ("unpasted", "residue")
    assert one["filler"] == "mirror"
    assert "variant" not in one
    with pytest.raises(CapabilityError, match="no output of its own"):
        mp_g(clf, photos, target, filler=Shy(clf.preprocess), gradient="unpasted", **QUICK)


CASES = [
    {},
    {"perturb_binary": False, "init": "ones", "noise": "gaussian"},
    {"filler": "random_color", "upsampling": "bilinear", "smoothing": 1.0},
]


@pytest.mark.parametrize("options", CASES, ids=lambda o: "-".join(map(str, o)) or "default")
class TestEveryVariant:
    def run(self, clf, batch, options, **more):
        options = {**QUICK, "filler": "local_mean", **options, **more}
        return mp_g(clf, batch, clf.top(batch), **options)

    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        result = self.run(clf, photos, options)
        assert result.passes == clf.passes == Passes(28, 24)

    def test_batch_is_its_images(self, clf, photos, options):
        seeds = [5, 6, 7, 8]
        together = self.run(clf, photos, options, seed=seeds)
        for i in range(4):
            alone = self.run(clf, photos[i : i + 1], options, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])

    def test_same_seed_same_map(self, clf, photos, options):
        first, second = (self.run(clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


def test_no_images(clf):
    result = mp_g(clf, clf.photos(0), Target(np.zeros(0, np.int64)), filler="mean", **QUICK)
    assert result.native.shape == (0, 8, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [("filler", "sand"), ("gradient", "input"), ("init", "circular"), ("size", 17), ("l1", -1)],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    clf.passes = Passes()
    with pytest.raises(OptionError, match=f"mp_g: {name}") as error:
        mp_g(clf, photos, clf.top(photos), **{**QUICK, "filler": "mean", name: value})
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


def test_registry_line():
    assert METHODS["mp_g"].load() is mp_g
