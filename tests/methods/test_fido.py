"""FIDO against a naive torch implementation with the same draws; cost, batches, options."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from naive_fido import enlarge, naive_fido
from one_thread import one_thread  # noqa: F401
from onnx_torch import to_torch
from pooled import X, write_network
from toy import ToyClassifier
from toy_torch import ToyLogits, double

from pysal.draws import DROPOUT, FILL, child, uniform
from pysal.errors import CapabilityError, OptionError
from pysal.fillers import open_filler
from pysal.fillers.filler import Filler
from pysal.methods import METHODS
from pysal.methods.fido import fido
from pysal.types import Passes, Target

QUICK = {"size": 4, "steps": 6, "samples": 3, "filler": "mean"}


@pytest.fixture
def clf():
    return ToyClassifier()


@pytest.fixture
def photos(clf):
    return clf.photos(4)


def judged(model, clf, photos, result, image, filler):
    """The naive run of one image with the options, draws and fillers of a result."""
    options, seed = result.options, result.options["seed"]
    size = photos.shape[2:]
    opened = open_filler(filler, clf.preprocess)
    one = photos[image : image + 1]

    def fill(keep, step, sample):
        fixed = opened.static and filler != "random_color"
        key = seed if fixed else child(seed, FILL, step=step, index=sample)
        ask = opened.unpasted if options["background"] == "unpasted" else opened.fill
        return double(ask(one, keep[0].numpy(), np.array([key], np.uint64)))

    def draw(step, sample):
        return double(uniform(seed, DROPOUT, size, step=step, index=sample))[None, None]

    names = ("objective", "steps", "samples", "temperature", "weight", "tv", "ramp", "rate", "init")
    return naive_fido(
        model,
        double(one),
        int(result.target.index[image]),
        fill=fill,
        draw=None if options["masks"] == "direct" else draw,
        size=options["size"][0],
        linear=options["decay"] == "linear",
        **{name: options[name] for name in names},
    )


def follow(naive, result, image, photos, atol):
    theta, losses, odds = naive
    sign = 1 if result.options["objective"] == "ssr" else -1
    large = enlarge(theta, double(photos[:1]))
    if result.options["masks"] == "concrete":
        theta, large = torch.sigmoid(-theta), torch.sigmoid(-large)
    np.testing.assert_allclose(result.native[image], sign * (theta[0, 0] - 0.5), atol=atol)
    np.testing.assert_allclose(result.map[image], sign * (large[0, 0] - 0.5), atol=atol)
    np.testing.assert_allclose(result.trace["loss"][image], losses, atol=2e-3)
    np.testing.assert_allclose(result.trace["log_odds"][image], odds, atol=2e-3)


CASES = [
    {},
    {"objective": "sdr", "tv": 0.05, "weight": 1e-2, "ramp": 5},
    {"filler": "local_mean", "temperature": 0.5, "decay": "none"},
    {"filler": "local_mean", "background": "pasted"},
    {"filler": "random_color", "objective": "sdr", "ramp": 0},
    {"masks": "direct", "samples": None, "objective": "sdr", "weight": 1e-2},
    {"masks": "direct", "samples": None, "filler": "local_mean", "init": 0.7, "tv": 0.1},
]


@pytest.mark.parametrize(
    "options", CASES, ids=lambda o: "-".join(map(str, o.values())) or "default"
)
def test_follows_the_naive_implementation(clf, photos, options):
    options = {**QUICK, "steps": 25, **options}
    result = fido(clf, photos, clf.top(photos), seed=9, **options)
    for i in range(2):
        naive = judged(ToyLogits(clf), clf, photos, result, i, options["filler"])
        follow(naive, result, i, photos, 1e-3)


@pytest.mark.parametrize("objective", ["ssr", "sdr"])
def test_follows_the_naive_implementation_on_a_network(tmp_path, objective):
    backend = pytest.importorskip("pysal.backends.ort")
    path = write_network(tmp_path / "n.onnx")
    net = backend.OrtClassifier(path, threads=1)
    target = Target(2 + np.arange(len(X)) % 2)
    options = {"size": 5, "steps": 15, "samples": 4, "filler": "gauss10", "objective": objective}
    result = fido(net, X, target, seed=4, **options)
    judge = to_torch(path, torch.float64)
    for i in range(2):
        follow(judged(judge, net, X, result, i, "gauss10"), result, i, X, 2e-3)


def test_saturated_probabilities_do_not_explode():
    """p = 1 in float32: the slope of the log-odds stays finite and small."""
    clf = ToyClassifier(gain=60.0)
    photos = clf.photos(2)
    assert (clf.score(photos).max(axis=1) == 1).all()
    result = fido(clf, photos, clf.top(photos), **{**QUICK, "steps": 20})
    assert np.isfinite(result.native).all()
    assert np.isfinite(result.trace["loss"]).all()
    assert (np.abs(result.trace["log_odds"]) < 75).all()


def test_keeps_where_the_class_looks(clf, photos):
    """Both objectives find the evidence: large is important in both."""
    for objective in ("ssr", "sdr"):
        options = {"objective": objective, "weight": 0.02, "filler": "mean", "size": 8}
        result = fido(clf, photos, clf.top(photos), steps=120, samples=4, **options)
        for image, c in enumerate(result.target.index):
            evidence = (photos[image] * clf.linear[c]).sum(0)
            inside = evidence > np.quantile(evidence, 0.9)
            assert result.map[image][inside].mean() > result.map[image][~inside].mean() + 0.1


@pytest.mark.parametrize(
    "options", CASES, ids=lambda o: "-".join(map(str, o.values())) or "default"
)
class TestEveryVariant:
    def run(self, clf, batch, options, **more):
        return fido(clf, batch, clf.top(batch), **{**QUICK, **options, **more})

    def test_passes_are_those_counted(self, clf, photos, options):
        clf.passes = Passes()
        result = self.run(clf, photos, options)
        assert result.passes == clf.passes
        assert result.passes.backward == 4 * 6 * result.options["samples"]

    def test_batch_is_its_images(self, clf, photos, options):
        seeds = [5, 6, 7, 8]
        together = self.run(clf, photos, options, seed=seeds)
        for i in range(4):
            alone = self.run(clf, photos[i : i + 1], options, seed=seeds[i])
            np.testing.assert_array_equal(alone.native[0], together.native[i])
            np.testing.assert_array_equal(alone.trace["loss"][0], together.trace["loss"][i])

    def test_same_seed_same_map(self, clf, photos, options):
        first, second = (self.run(clf, photos, options, seed=7) for _ in range(2))
        np.testing.assert_array_equal(first.native, second.native)


def test_static_fillers_that_do_not_draw_are_asked_once(clf, photos, monkeypatch):
    filler = open_filler("mean", clf.preprocess)
    asked = []
    monkeypatch.setattr(filler, "fill", lambda *a: asked.append(a))
    monkeypatch.setattr(filler, "unpasted", lambda *a: asked.append(a))
    fido(clf, photos, clf.top(photos), **{**QUICK, "filler": filler})
    assert not asked


def test_groups_change_nothing(clf, photos, monkeypatch):
    from pysal.methods import fido as module

    whole = fido(clf, photos, clf.top(photos), **QUICK)
    monkeypatch.setattr(module, "DRAWN", 3)
    calls = []
    parts = fido(clf, photos, clf.top(photos), progress=lambda *c: calls.append(c), **QUICK)
    np.testing.assert_array_equal(whole.native, parts.native)
    assert calls[-1] == (24, 24)
    assert calls == sorted(calls)


def test_no_images(clf):
    result = fido(clf, clf.photos(0), Target(np.zeros(0, np.int64)), **QUICK)
    assert result.native.shape == (0, 4, 4)
    assert result.map.shape == (0, 16, 16)
    assert result.trace["loss"].shape == (0, 6)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("objective", "ssp"),
        ("filler", "sand"),
        ("background", "blank"),
        ("masks", "hard"),
        ("size", 17),
        ("steps", 0),
        ("samples", 0),
        ("temperature", 0),
        ("weight", -1),
        ("tv", float("inf")),
        ("ramp", -1),
        ("rate", 0),
        ("decay", "cosine"),
        ("init", 11),
        ("seed", -1),
    ],
)
def test_wrong_options_are_one_line(clf, photos, name, value):
    clf.passes = Passes()
    with pytest.raises(OptionError, match=f"fido: {name}") as error:
        fido(clf, photos, clf.top(photos), **{**QUICK, name: value})
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


def test_background_of_a_filler_that_pastes_only(clf, photos):
    class Shy(Filler):
        name = "shy"

        def _generate(self, images, keep, seeds):
            return np.zeros_like(images)

    filler = Shy(clf.preprocess)
    result = fido(clf, photos, clf.top(photos), **{**QUICK, "filler": filler})
    assert result.options["background"] == "pasted"
    with pytest.raises(CapabilityError, match="no output of its own"):
        fido(clf, photos, clf.top(photos), background="unpasted", **{**QUICK, "filler": filler})


def test_direct_masks_draw_nothing(clf, photos):
    for more in ({"samples": 2}, {"samples": None, "init": 1.5}):
        with pytest.raises(OptionError, match="fido: "):
            fido(clf, photos, clf.top(photos), masks="direct", **{**QUICK, **more})


def test_registry_line():
    assert METHODS["fido"].load() is fido
