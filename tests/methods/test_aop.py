"""AOP: any base map with any optimizer is the optimizer from that first mask."""

from __future__ import annotations

import numpy as np
import pytest
from naive_bilateral import naive_bilateral, to_array
from naive_mp import naive_mp
from one_thread import one_thread  # noqa: F401
from toy_layers import LayeredLogits, LayeredToy
from toy_torch import double

from pysal.baselines import make_baseline
from pysal.cams import CAMS, min_max
from pysal.errors import OptionError, ShapeError
from pysal.maskopt.start import from_maps
from pysal.methods import METHODS
from pysal.methods.aop import OPTIMIZERS, aop
from pysal.methods.igos import igos
from pysal.methods.igos_plus import igos_plus
from pysal.methods.igos_pp import igos_pp
from pysal.methods.mp import mp
from pysal.methods.sigcam import sigcam
from pysal.options import option_defaults
from pysal.types import Passes, Target

EVERY = pytest.mark.parametrize("optimizer", OPTIMIZERS)
METHOD = {"igos": igos, "igos_plus": igos_plus, "igos_pp": igos_pp, "mp": mp}
SETTINGS = {
    **{key: {"size": 6, "iterations": 4, "steps": 3, "l1": 0.1, "l2": 0.2} for key in METHOD},
    "mp": {"size": 6, "iterations": 6},
}


@pytest.fixture
def clf():
    return LayeredToy()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def base_of(clf, photos, name):
    """The map that the network's layer and gradient give."""
    target = clf.top(photos, "logit")
    activation = clf.activations(photos, ["features"])["features"]
    _, grad = clf.value_and_grad(photos, target, wrt="features")
    return min_max(CAMS[name](activation, grad))


@pytest.mark.parametrize("base", CAMS)
def test_with_igos_it_is_sigcam_of_that_map(clf, photos, base):
    settings = SETTINGS["igos"]
    target = clf.top(photos)
    found = aop(clf, photos, target, base=base, warmup=2, settings=settings)
    np.testing.assert_allclose(found.trace["base"], base_of(clf, photos, base), atol=1e-6)
    given = aop(clf, photos, target, base=found.trace["base"], warmup=2, settings=settings)
    np.testing.assert_array_equal(given.native, found.native)
    assert (found.options["layer"], given.options["layer"]) == ("features", "")
    assert given.options["base"] == "given"
    if base == "wgradcam":
        same = sigcam(clf, photos, target, warmup=2, **settings)
        np.testing.assert_array_equal(same.native, found.native)


def test_mp_from_the_map_follows_the_naive_implementation(clf, photos):
    settings = {"size": 8, "iterations": 30, "noise": "off", "baseline": "mean"}
    target, hint = clf.top(photos), {"theta": 0.5, "lam": 0.4}
    result = aop(clf, photos, target, optimizer="mp", settings=settings, **hint)
    start = from_maps(base_of(clf, photos, "gradcam"), 0.5, 0.4, (8, 8))
    for i in range(2):
        mask, trace = naive_mp(
            LayeredLogits(clf),
            double(photos[i : i + 1]),
            double(np.zeros_like(photos[:1])),
            int(target.index[i]),
            start=double(start[i])[None, None],
            upsampling="bilinear",
            smoothing=0,
            l1=0.01,
            l2=0.2,
            exponent=3,
            isotropic=False,
            reduction="mean",
            rate=0.1,
            iterations=30,
        )
        np.testing.assert_allclose(1 - result.native[i], mask[0, 0], atol=2e-3)
        np.testing.assert_allclose(result.trace["loss"][i], trace.losses, atol=1e-4)


def test_pp_from_the_map_follows_the_naive_implementation(clf, photos):
    settings = {"size": 8, "iterations": 4, "steps": 4, "noise": "off", "l1": 0.1, "l2": 0.2}
    target, hint = clf.top(photos), {"theta": 0.5, "lam": 0.4, "warmup": 0}
    options = {"optimizer": "igos_pp", "settings": settings, **hint}
    result = aop(clf, photos, target, base="wgradcam", **options)
    start = from_maps(base_of(clf, photos, "wgradcam"), 0.5, 0.4, (8, 8))
    fill = make_baseline("blur", photos, clf.preprocess)
    for i in range(2):
        mask, _ = naive_bilateral(
            LayeredLogits(clf),
            double(photos[i : i + 1]),
            double(fill[i : i + 1]),
            int(target.index[i]),
            masks=2,
            start=double(start[i])[None, None],
            size=8,
            iterations=4,
            points=4,
            l1=0.1,
            l2=0.2,
        )
        np.testing.assert_allclose(1 - result.native[i], to_array(mask), atol=3e-3)


@EVERY
def test_a_map_of_nothing_is_the_method_itself(clf, photos, optimizer):
    """A constant map removes nothing: the optimizer from 1, as its own method."""
    target, flat = clf.top(photos), np.full((4, 3, 3), 2.0)
    options = {"optimizer": optimizer, "settings": SETTINGS[optimizer], "warmup": 0}
    with pytest.warns(UserWarning, match="have one value everywhere"):
        found = aop(clf, photos, target, base=flat, **options)
    own = {"variant": "gildenblat"} if optimizer == "mp" else {}
    plain = METHOD[optimizer](clf, photos, target, **SETTINGS[optimizer], **own)
    np.testing.assert_array_equal(found.native, plain.native)
    np.testing.assert_array_equal(found.map, plain.map)


@EVERY
class TestEveryOptimizer:
    def run(self, clf, batch, optimizer, **more):
        options = {"optimizer": optimizer, "settings": SETTINGS[optimizer], **more}
        return aop(clf, batch, clf.top(batch), **options)

    def test_passes_are_those_counted(self, clf, photos, optimizer):
        clf.passes = Passes()
        result = self.run(clf, photos, optimizer)
        assert result.passes == clf.passes
        assert result.options["warmup"] == (0 if optimizer == "mp" else 4)

    def test_batch_is_its_images(self, clf, photos, optimizer):
        seeds = [5, 6, 7, 8]
        together = self.run(clf, photos, optimizer, seed=seeds)
        for i in range(4):
            alone = self.run(clf, photos[i : i + 1], optimizer, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])

    def test_same_seed_same_map(self, clf, photos, optimizer):
        first, second = (self.run(clf, photos, optimizer, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)

    def test_no_images(self, clf, optimizer):
        options = {"optimizer": optimizer, "settings": SETTINGS[optimizer]}
        result = aop(clf, clf.photos(0), Target(np.zeros(0, np.int64)), **options)
        assert result.native.shape == (0, 6, 6)

    def test_settings_are_those_of_the_method(self, optimizer):
        own = option_defaults(METHOD[optimizer])
        theirs = dict(OPTIMIZERS[optimizer])
        assert own.keys() - theirs.keys() == ({"seed", "init"} if optimizer == "mp" else {"seed"})
        if optimizer == "mp":
            theirs["variant"] = own["variant"]
        assert theirs.items() <= own.items()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"base": "cam"}, "aop: base is 'cam'"),
        ({"optimizer": "adam"}, "aop: optimizer is 'adam'"),
        ({"layer": "conv"}, 'layer "conv" is not in layered'),
        ({"theta": 2}, "aop: theta is 2"),
        ({"warmup": 16}, "aop: warmup is 16"),
        ({"optimizer": "mp", "warmup": 1}, "aop: warmup is 1"),
        ({"settings": {"sizes": 6}}, 'igos has no setting "sizes"; did you mean size'),
        ({"settings": {"l1": -1}}, "aop: l1 is -1"),
        ({"optimizer": "mp", "settings": {"init": "ones"}}, 'mp has no setting "init"'),
        ({"weak": "fog"}, 'baseline "fog" is unknown'),
    ],
    ids=lambda v: "-".join(v) if isinstance(v, dict) else "",
)
def test_wrong_options_are_one_line(clf, photos, option, message):
    clf.passes = Passes()
    given = {"settings": {"size": 6}, **option}
    if "size" not in given["settings"]:
        given["settings"] = {"size": 6, **given["settings"]}
    with pytest.raises(OptionError, match=message) as error:
        aop(clf, photos, clf.top(photos), **given)
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


@pytest.mark.parametrize(
    "maps",
    [np.ones((3, 4, 4)), np.ones((4, 4)), np.full((4, 4, 4), np.nan), np.full((4, 4, 4), "x")],
    ids=["count", "axes", "nan", "text"],
)
def test_maps_that_do_not_fit(clf, photos, maps):
    clf.passes = Passes()
    with pytest.raises(ShapeError, match="aop: base has dtype"):
        aop(clf, photos, clf.top(photos), base=maps, settings={"size": 6})
    assert clf.passes == Passes()


def test_registry_line():
    assert METHODS["aop"].load() is aop
    assert METHODS["aop"].needs == {"grad", "activations"}
