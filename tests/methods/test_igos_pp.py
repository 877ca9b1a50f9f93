"""iGOS++ and iGOS+ against a naive torch implementation; cost, batches, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_bilateral import naive_bilateral, to_array
from naive_igos import blur51
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from pooled import BATCH, X, write_network
from toy import ToyClassifier
from toy_torch import ToyLogits, double

from pysal.baselines import make_baseline
from pysal.errors import OptionError
from pysal.kernels import reference
from pysal.maskopt.options import DEFAULTS
from pysal.maskopt.terms import PathPoints
from pysal.methods import METHODS
from pysal.methods.igos_plus import igos_plus
from pysal.methods.igos_pp import igos_pp
from pysal.options import option_defaults
from pysal.types import Passes, Target

METHOD = {"igos_plus": igos_plus, "igos_pp": igos_pp}
EVERY = pytest.mark.parametrize("name", METHOD)
QUICK = {"size": 6, "iterations": 4, "steps": 3, "l1": 0.1, "l2": 0.2}
SEEN = 2 + np.arange(BATCH) % 2
"""Classes that the network sees."""


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def follow(naive, result, image, atol):
    """Masks and objectives of one image are those of the naive run."""
    mask, trace = naive
    np.testing.assert_allclose(1 - result.native[image], to_array(mask), atol=atol)
    losses = np.array(trace.losses)
    known = np.isfinite(losses)
    np.testing.assert_allclose(result.trace["loss"][image, known], losses[known], atol=1e-4)


@EVERY
@pytest.mark.parametrize("objective", ["end", "path"])
@pytest.mark.parametrize("product", ["image", "mask"])
def test_follows_the_naive_implementation(clf, photos, name, objective, product):
    if name == "igos_plus" and product == "mask":
        pytest.skip("one mask has no product")
    extra = {"product": product} if name == "igos_pp" else {}
    target, fill = clf.top(photos), make_baseline("blur", photos, clf.preprocess)
    # In ImageNet-normalized units the model space of the toy is what it is.
    options = {"size": 8, "l1": 0.1, "l2": 0.2, "objective": objective, "iterations": 8}
    result = METHOD[name](clf, photos, target, noise="off", **options, **extra)
    for i in range(2):
        naive = naive_bilateral(
            ToyLogits(clf),
            double(photos[i : i + 1]),
            double(fill[i : i + 1]),
            int(target.index[i]),
            masks=2 if name == "igos_pp" else 1,
            product=product,
            **options,
        )
        follow(naive, result, i, 2e-3)


@EVERY
def test_follows_the_naive_implementation_under_the_same_noise(clf, photos, name):
    """The naive run adds the package's own draws, per part, at the objective of the path, too."""
    target, fill = clf.top(photos), make_baseline("blur", photos, clf.preprocess)
    options = {"size": 5, "l1": 0.1, "l2": 0.2, "iterations": 3, "objective": "path"}
    result = METHOD[name](clf, photos, target, noise_std=0.3, steps=4, seed=11, **options)
    std = clf.preprocess.noise_std(0.3)
    points = PathPoints(np.ones(4), np.ones(4), std, np.array([11], np.uint64))

    def noise(step, part, point):
        seed = int(points.noise(0, 4).seed[part])
        z = [reference.normal((16, 16), c, seed, point, step) for c in range(3)]
        return double(std[:, None, None] * np.stack(z))[None]

    naive = naive_bilateral(
        ToyLogits(clf),
        double(photos[:1]),
        double(fill[:1]),
        int(target.index[0]),
        masks=2 if name == "igos_pp" else 1,
        points=4,
        noise=noise,
        **options,
    )
    follow(naive, result, 0, 2e-3)


@EVERY
def test_follows_the_naive_implementation_on_a_network(tmp_path, name):
    backend = pytest.importorskip("pysal.backends.ort")
    path = write_network(tmp_path / "n.onnx")
    clf = backend.OrtClassifier(path, threads=1)
    options = {"size": 5, "l1": 0.1, "l2": 0.2, "iterations": 4}
    fill = blur51_small(X)
    result = METHOD[name](
        clf, X, Target(SEEN), noise="off", steps=5, baseline=fill.astype(np.float32), **options
    )
    judge = to_torch(path, torch.float64)
    for i in range(2):
        naive = naive_bilateral(
            judge,
            double(X[i : i + 1]),
            double(fill[i : i + 1]),
            int(SEEN[i]),
            masks=2 if name == "igos_pp" else 1,
            points=5,
            **options,
        )
        follow(naive, result, i, 3e-3)


def blur51_small(batch: np.ndarray) -> np.ndarray:
    """The judge's blur needs images larger than its radius: mirrored outwards first."""
    large = np.pad(batch, ((0, 0), (0, 0), (19, 19), (19, 19)), mode="reflect")
    found = blur51(double(large)).numpy()
    return found[:, :, 19:-19, 19:-19].astype(np.float32).astype(np.float64)


@EVERY
def test_finds_where_the_class_looks(clf, photos, name):
    result = METHOD[name](clf, photos, clf.top(photos), size=8, l1=1.0, l2=0.2)
    for image, c in enumerate(result.target.index):
        evidence = (photos[image] * clf.linear[c]).sum(0)
        inside = evidence > np.quantile(evidence, 0.9)
        saliency = result.map[image]
        assert saliency[inside].mean() > 2 * saliency[~inside].mean()


VARIANTS = [
    {},
    {"noise": "off", "objective": "path"},
    {"noise": "legacy", "objective": "path"},
    {"search": "fixed", "step_size": 3.0},
    {"momentum": 0.6, "warm_start": True, "chunk": 3},
    {"nodes": "gauss-legendre", "l2": 0, "sigma": 0.5},
    {"preset": "fast", "iterations": 3},
]


@EVERY
@pytest.mark.parametrize("options", VARIANTS, ids=lambda o: "-".join(map(str, o)) or "default")
class TestEveryVariant:
    def run(self, name, clf, batch, options, **more):
        extra = {"size": 6} if "preset" in options else QUICK
        return METHOD[name](clf, batch, clf.top(batch), **{**extra, **options, **more})

    def test_passes_are_those_counted(self, clf, photos, name, options):
        clf.passes = Passes()
        result = self.run(name, clf, photos, options)
        assert result.passes == clf.passes
        parts = 4 if name == "igos_pp" else 2
        steps = result.options["iterations"] * result.options["steps"]
        assert result.passes.backward == 4 * parts * steps

    def test_batch_is_its_images(self, clf, photos, name, options):
        seeds = [5, 6, 7, 8]
        together = self.run(name, clf, photos, options, seed=seeds)
        for i in range(4):
            alone = self.run(name, clf, photos[i : i + 1], options, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.trace["loss"][0], together.trace["loss"][i])

    def test_same_seed_same_map(self, clf, photos, name, options):
        first, second = (self.run(name, clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


@EVERY
def test_armijo_never_raises_the_objective(clf, photos, name):
    result = METHOD[name](clf, photos, clf.top(photos), noise="off", **QUICK)
    tested = result.trace["step"] >= result.options["step_min"]
    assert (np.diff(result.trace["loss"])[tested] <= 0).all()


@EVERY
def test_no_images(clf, name):
    result = METHOD[name](clf, clf.photos(0), Target(np.zeros(0, np.int64)), **QUICK)
    assert result.native.shape == (0, 6, 6)
    assert result.trace["loss"].shape == (0, 5)


@EVERY
@pytest.mark.parametrize(
    ("option", "value"),
    [("objective", "start"), ("sigma", 0), ("size", 17), ("step_max", -1), ("seed", -1)],
)
def test_wrong_options_are_one_line(clf, photos, name, option, value):
    clf.passes = Passes()
    with pytest.raises(OptionError, match=f"{name}: {option} is") as error:
        METHOD[name](clf, photos, clf.top(photos), **{**QUICK, option: value})
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


def test_product_is_one_of_two(clf, photos):
    with pytest.raises(OptionError, match="igos_pp: product is"):
        igos_pp(clf, photos, clf.top(photos), size=6, product="outer")


@EVERY
def test_registry_line(name):
    assert METHODS[name].load() is METHOD[name]
    assert {**DEFAULTS[name], "seed": 0} == option_defaults(METHOD[name])
