"""SIGCAM against a naive torch implementation: map, first mask, warm-up, optimizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_igos import naive_igos
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from pooled import X, write_network
from toy import ToyClassifier
from toy_layers import LayeredLogits, LayeredToy
from toy_torch import double

from pysal.baselines import make_baseline
from pysal.errors import OptionError
from pysal.maskopt.options import DEFAULTS
from pysal.maskopt.start import from_maps
from pysal.methods import METHODS
from pysal.methods.igos import igos
from pysal.methods.sigcam import sigcam
from pysal.options import option_defaults
from pysal.types import Passes, Target

QUICK = {"size": 6, "iterations": 5, "steps": 4, "l1": 0.1, "l2": 0.2, "warmup": 2}


@pytest.fixture
def clf():
    return LayeredToy()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def first_mask(activation, grad, theta, lam, size):
    """WGradCAM of one image in torch, and the mask that begins with it: (1, 1, h, w)."""
    weight = (activation * grad).mean(dim=(2, 3), keepdim=True)
    base = (weight * activation).sum(dim=1, keepdim=True).clamp(min=0)
    low, high = base.min(), base.max()
    base = (base - low) / (high - low) if high > low else torch.zeros_like(base)
    kept = torch.where(base < theta, torch.zeros_like(base), base) * lam
    small = torch.nn.functional.interpolate(
        kept, size=(size, size), mode="bilinear", align_corners=False
    )
    return base, 1 - small


@pytest.mark.parametrize("warmup", [0, 3, 8])
def test_follows_the_naive_implementation(clf, photos, warmup):
    target, model = clf.top(photos), LayeredLogits(clf)
    options = {"size": 8, "l1": 0.1, "l2": 0.2, "iterations": 8, "step_max": 200.0}
    hint = {"theta": 0.5, "lam": 0.4}
    result = sigcam(clf, photos, target, noise="off", warmup=warmup, **hint, **options)
    fill, weak = (make_baseline(k, photos, clf.preprocess) for k in ("blur", "weak_blur"))
    for i in range(4):
        x, c = double(photos[i : i + 1]), int(target.index[i])
        features = model.features(x).requires_grad_(True)
        (grad,) = torch.autograd.grad(model.head(features)[0, c], features)
        base, start = first_mask(features.detach(), grad, size=8, **hint)
        np.testing.assert_allclose(result.trace["base"][i], base[0, 0], atol=1e-5)
        mask, trace = naive_igos(
            model,
            x,
            double(fill[i : i + 1]),
            c,
            start=start,
            weak=double(weak[i : i + 1]),
            warmup=warmup,
            **options,
        )
        np.testing.assert_allclose(1 - result.native[i], mask[0, 0], atol=1e-3)
        losses = np.array(trace.losses)
        known = np.isfinite(losses)
        np.testing.assert_allclose(result.trace["loss"][i, known], losses[known], atol=1e-4)


def test_follows_the_naive_implementation_on_a_network(tmp_path):
    backend = pytest.importorskip("pysal.backends.ort")
    path = write_network(tmp_path / "n.onnx")
    net = backend.OrtClassifier(path, threads=1)
    target = Target(2 + np.arange(len(X)) % 2)
    fill, weak = np.zeros_like(X), make_baseline("weak_blur", X, net.preprocess)
    options = {"size": 5, "l1": 0.1, "l2": 0.2, "iterations": 5}
    result = sigcam(
        net,
        X,
        target,
        layer="r2",
        noise="off",
        steps=6,
        warmup=2,
        baseline=fill,
        weak=weak,
        **options,
    )
    judge = to_torch(path, torch.float64)
    found = net.activations(X, ["r2"])["r2"]
    _, slopes = net.value_and_grad(X, Target(target.index, "logit"), wrt="r2")
    for i in range(2):
        rows = slice(i, i + 1)
        base, start = first_mask(double(found[rows]), double(slopes[rows]), 0.7, 0.15, 5)
        np.testing.assert_allclose(result.trace["base"][i], base[0, 0], atol=1e-5)
        mask, _ = naive_igos(
            judge,
            double(X[rows]),
            double(fill[rows]),
            int(target.index[i]),
            points=6,
            start=start,
            weak=double(weak[rows]),
            warmup=2,
            **options,
        )
        np.testing.assert_allclose(1 - result.native[i], mask[0, 0], atol=2e-3)


def test_first_masks():
    maps = np.array([[[0.0, 0.69], [0.7, 1.0]]], np.float32)
    np.testing.assert_allclose(from_maps(maps, 0.7, 0.15, (2, 2)), [[[1, 1], [0.895, 0.85]]])
    large = from_maps(maps, 0.7, 0.15, (9, 7))
    assert large.shape == (1, 9, 7)
    assert 0.85 - 1e-6 <= large.min() <= large.max() <= 1


def test_without_hint_and_warm_up_it_is_igos(clf, photos):
    target = clf.top(photos)
    options = {**QUICK, "warmup": 0, "lam": 0.0}
    hinted = sigcam(clf, photos, target, **options)
    plain = igos(clf, photos, target, **{k: v for k, v in QUICK.items() if k != "warmup"})
    np.testing.assert_array_equal(hinted.native, plain.native)
    np.testing.assert_array_equal(hinted.trace["loss"], plain.trace["loss"])


def test_warm_up_is_the_weak_baseline(clf, photos):
    """To its end it is I-GOS on that baseline; the known objective is taken anew after it."""
    target = clf.top(photos)
    weak = make_baseline("weak_blur", photos, clf.preprocess)
    short = sigcam(clf, photos, target, **QUICK)
    whole = sigcam(clf, photos, target, **{**QUICK, "warmup": 5})
    plain = sigcam(clf, photos, target, **{**QUICK, "warmup": 0, "baseline": weak})
    np.testing.assert_array_equal(whole.native, plain.native)
    np.testing.assert_array_equal(short.trace["loss"][:, :3], whole.trace["loss"][:, :3])
    assert not np.array_equal(short.native, whole.native)


VARIANTS = [
    {},
    {"layer": "features", "theta": 0.0, "lam": 1.0, "weak": "mean"},
    {"momentum": 0.6, "warm_start": True, "l1_schedule": True},
    {"preset": "fast", "iterations": 4},
    {"search": "fixed", "step_size": 3.0, "noise": "off"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=lambda o: "-".join(map(str, o)) or "default")
class TestEveryVariant:
    def run(self, clf, batch, options, **more):
        return sigcam(clf, batch, clf.top(batch), **{**QUICK, **options, **more})

    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        result = self.run(clf, photos, options)
        assert result.passes == clf.passes

    def test_batch_is_its_images(self, clf, photos, options):
        seeds = [5, 6, 7, 8]
        together = self.run(clf, photos, options, seed=seeds)
        for i in range(4):
            alone = self.run(clf, photos[i : i + 1], options, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.trace["base"][0], together.trace["base"][i])

    def test_same_seed_same_map(self, clf, photos, options):
        first, second = (self.run(clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


def test_a_map_without_evidence_starts_at_one(clf, photos):
    """The target's gradient is 0 at the layer: said aloud, and the mask starts at 1."""
    clf.place[2] = 0
    clf.place[[0, 1, 3]] *= 0.1
    with pytest.warns(UserWarning, match="4 of 4 activation maps .* start at 1"):
        result = sigcam(clf, photos, Target(np.full(4, 2)), **QUICK)
    assert not result.trace["base"].any()


def test_layers(clf, photos):
    target = clf.top(photos)
    assert sigcam(clf, photos[:1], target[:1], **QUICK).options["layer"] == "features"
    for layer, message in (("feature", "did you mean features"), ("logits", "before the pooling")):
        with pytest.raises(OptionError, match=message):
            sigcam(clf, photos, target, layer=layer, **QUICK)
    with pytest.raises(OptionError, match=r"no default layer .* features"):
        sigcam(clf.without_default(), photos, target, **QUICK)


def test_no_images(clf):
    result = sigcam(clf, clf.photos(0), Target(np.zeros(0, np.int64)), **QUICK)
    assert result.native.shape == (0, 6, 6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("theta", -0.1),
        ("theta", 1.1),
        ("lam", 2),
        ("warmup", -1),
        ("warmup", 6),
        ("warmup", 1.5),
        ("weak", "fog"),
        ("size", 17),
        ("l1", -1),
        ("layer", "conv"),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    clf.passes = Passes()
    with pytest.raises(OptionError) as error:
        sigcam(clf, photos, clf.top(photos), **{**QUICK, name: value})
    assert "\n" not in str(error.value)
    assert name in str(error.value) or value in str(error.value)
    assert clf.passes == Passes()


def test_registry_line():
    assert METHODS["sigcam"].load() is sigcam
    defaults = option_defaults(sigcam)
    hint = {"layer": None, "theta": 0.7, "lam": 0.15, "warmup": 5, "weak": "weak_blur"}
    assert defaults == {**DEFAULTS["igos"], **hint, "seed": 0}
    assert METHODS["sigcam"].needs == {"grad", "activations"}
    assert ToyClassifier().info.cam_layer == ""
