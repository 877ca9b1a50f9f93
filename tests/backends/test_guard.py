"""Reduced precision is compared with float32 first; the rule is the same for every engine."""

from __future__ import annotations

import copy
import itertools
import json
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from toy import ToyClassifier

from pysal.backends.guard import Guarded, Tolerance, compare, probe_images
from pysal.classifier import Classifier
from pysal.errors import OptionError, ShapeError
from pysal.preprocess import Preprocess

NET = ToyClassifier(size=12)
PROBE = NET.photos(3)


class Off(ToyClassifier):
    """The toy with gradients that are turned by an angle and stretched, and scores that are off."""

    def __init__(self, angle: float = 0.0, stretch: float = 1.0, score: float = 0.0) -> None:
        super().__init__(size=12)
        self.angle, self.stretch, self.shift = angle, stretch, np.float32(score)

    def score(self, batch, kind="probability"):
        return super().score(batch, kind) + self.shift

    def value_and_grad(self, batch, target, **options):
        value, grad = super().value_and_grad(batch, target, **options)
        flat = grad.reshape(len(grad), -1)
        other = np.random.default_rng(0).normal(size=flat.shape)
        other -= flat * ((other * flat).sum(1) / (flat**2).sum(1))[:, None]
        other *= np.sqrt((flat**2).sum(1) / (other**2).sum(1))[:, None]
        turned = np.cos(self.angle) * flat + np.sin(self.angle) * other
        return value, (self.stretch * turned).reshape(grad.shape).astype(np.float32)


class Engine(Guarded, Off):
    """An engine whose bf16 is off."""

    def __init__(self, precision="bf16", probe=None, tolerance=None, **off: float) -> None:
        Off.__init__(self, **off)
        self.made: list[str] = []
        self.guard(precision, probe, tolerance)

    def twin(self, precision: str) -> Classifier:
        self.made.append(precision)
        exact = {"angle": 0.0, "stretch": 1.0, "shift": np.float32(0)}
        other = copy.copy(self)
        other.__dict__ |= exact if precision == "fp32" else {}
        other._settled = {"score", "gradient"}
        return other

    def adopt(self, twin: Classifier, precision: str) -> None:
        self.angle, self.stretch, self.shift = twin.angle, twin.stretch, twin.shift

    def score(self, batch, kind="probability"):
        self.settle(gradient=False)
        return super().score(batch, kind)

    def value_and_grad(self, batch, target, **options):
        self.settle(gradient=True)
        return super().value_and_grad(batch, target, **options)


def check(gradient: bool = True, tolerance: Tolerance | None = None, **off: float):
    return compare(
        Off(**off),
        NET,
        PROBE,
        precision="bf16",
        gradient=gradient,
        tolerance=tolerance or Tolerance(),
    )


@pytest.mark.parametrize(("angle", "stretch"), [(0.0, 1.0), (0.3, 1.0), (0.3, 1.2), (2.0, 0.5)])
def test_figures_are_those_of_the_geometry(angle: float, stretch: float) -> None:
    found = check(angle=angle, stretch=stretch, score=0.01)
    assert found.cosine == pytest.approx(np.cos(angle), abs=1e-4)
    law_of_cosines = 1 + stretch**2 - 2 * stretch * np.cos(angle)
    assert found.relative == pytest.approx(np.sqrt(law_of_cosines), abs=1e-4)
    assert found.score == pytest.approx(0.01, abs=1e-6)
    assert found.images == 3
    assert found.passed == (found.cosine >= 0.9 and found.relative <= 0.5)
    assert found.used == ("bf16" if found.passed else "fp32")


def test_each_limit_counts() -> None:
    off = {"angle": 0.3, "stretch": 1.2, "score": 0.01}
    assert check(**off).passed
    for limit in ({"score": 0.005}, {"cosine": 0.99}, {"relative": 0.3}):
        assert not check(tolerance=Tolerance(**limit), **off).passed
    scores_only = check(gradient=False, tolerance=Tolerance(cosine=0.999), **off)
    assert (scores_only.cosine, scores_only.relative) == (None, None)
    assert scores_only.passed


def test_numbers_that_are_none_never_pass() -> None:
    found = check(stretch=float("nan"))
    assert (found.passed, found.relative) == (False, 1.0)
    assert not check(score=float("nan")).passed
    json.dumps(found.to_dict(), allow_nan=False)


def test_what_is_good_enough_is_used_in_silence() -> None:
    net = Engine(angle=0.1, score=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.prepare({"grad"})
        first = net.value_and_grad(PROBE, NET.top(PROBE))[1]
    assert net.angle == 0.1
    assert net.made == ["bf16", "fp32"]
    assert net.info.precision_check["used"] == "bf16"
    assert net.info.precision_check["cosine"] == pytest.approx(np.cos(0.1), abs=1e-3)
    assert np.abs(first - NET.value_and_grad(PROBE, NET.top(PROBE))[1]).max() > 0


def test_what_is_too_far_off_falls_back_with_one_line() -> None:
    net = Engine(angle=1.0, score=0.02)
    with pytest.warns(UserWarning, match=r"toy: bf16 is off .*0\.02.*cosine 0\.54.*fp32") as caught:
        net.prepare({"grad"})
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    np.testing.assert_array_equal(net.score(PROBE), NET.score(PROBE))
    target = NET.top(PROBE)
    expected = NET.value_and_grad(PROBE, target)[1]
    np.testing.assert_array_equal(net.value_and_grad(PROBE, target)[1], expected)
    assert net.info.precision_check["used"] == "fp32"
    assert net.made == ["bf16", "fp32"]  # and is not asked again


def test_gradients_are_compared_when_they_are_first_asked_for() -> None:
    net = Engine(angle=1.0, score=0.02)
    assert np.abs(net.score(PROBE) - NET.score(PROBE)).max() == pytest.approx(0.02, abs=1e-6)
    assert net.info.precision_check["cosine"] is None
    with pytest.warns(UserWarning, match="cosine"):
        net.value_and_grad(PROBE, NET.top(PROBE))
    np.testing.assert_array_equal(net.score(PROBE), NET.score(PROBE))
    assert len(net.made) == 4


def test_float32_is_compared_with_nothing() -> None:
    net = Engine("fp32")
    net.prepare({"grad"})
    net.value_and_grad(PROBE, NET.top(PROBE))
    assert (net.made, net.info.precision_check) == ([], {})


def test_threads_wait_for_one_comparison() -> None:
    net, start = Engine(angle=0.1), threading.Barrier(4)

    def work(_: int) -> np.ndarray:
        start.wait()
        return net.value_and_grad(PROBE, NET.top(PROBE))[1]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(work, range(4)))
    assert net.made == ["bf16", "fp32"]
    for grad in found:
        np.testing.assert_array_equal(grad, found[0])


def test_the_callers_images_and_limits_are_taken() -> None:
    net = Engine(angle=1.0, probe=PROBE[:1], tolerance={"cosine": 0.5, "relative": 1.0})
    net.prepare({"grad"})
    check = net.info.precision_check
    assert (check["used"], check["images"]) == ("bf16", 1)
    assert check["tolerance"] == {"score": 0.05, "cosine": 0.5, "relative": 1.0}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"tolerance": {"cosin": 0.5}}, OptionError, "cosine"),
        ({"tolerance": {"cosine": "much"}}, OptionError, "'much'; expected a number"),
        ({"tolerance": {"score": float("nan")}}, OptionError, "expected a number"),
        ({"tolerance": 0.1}, OptionError, "expected a mapping"),
        ({"probe": PROBE[:, :1]}, ShapeError, "(N, 3, 12, 12)"),
        ({"probe": PROBE[:0]}, ShapeError, "0 images"),
        ({"probe": PROBE * np.inf}, ShapeError, "infinite"),
    ],
)
def test_wrong_options_are_one_line(options, error, words: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(error) as caught:
        Engine(**options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 64, 80), (1, 28, 28), (3, 3, 2)])
def test_probe_images_are_the_same_every_time(shape: tuple[int, int, int]) -> None:
    record = Preprocess.default(shape)
    images = probe_images(record, shape)
    assert images.shape == (4, *shape)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, probe_images(record, shape))
    rgb = record.denormalize(images)
    assert rgb.min() > -1e-5
    assert rgb.max() < 1 + 1e-5


def test_probe_images_have_the_spectrum_of_photos() -> None:
    """Amplitudes fall about as 1 / frequency, between 4 and 64 periods per image."""
    shape = (3, 224, 224)
    grey = Preprocess.default(shape).denormalize(probe_images(Preprocess.default(shape), shape))
    power = np.abs(np.fft.fft2(grey.mean(axis=-1)))[:, :112, :112] ** 2
    radius = np.hypot(*np.mgrid[:112, :112])
    edges = 2.0 ** np.arange(2, 7)
    rings = [
        np.sqrt(power[:, (radius >= low) & (radius < high)].mean())
        for low, high in itertools.pairwise(edges)
    ]
    slope = np.polyfit(np.log(edges[:-1]), np.log(rings), 1)[0]
    assert -2.2 < slope < -0.8


def test_a_gradient_of_zeros_has_no_say() -> None:
    class Flat(ToyClassifier):
        def value_and_grad(self, batch, target, **options):
            value, grad = super().value_and_grad(batch, target, **options)
            grad[0] = 0
            return value, grad

    found = compare(
        Off(angle=0.2),
        Flat(size=12),
        PROBE,
        precision="bf16",
        gradient=True,
        tolerance=Tolerance(),
    )
    assert found.cosine == pytest.approx(np.cos(0.2), abs=1e-4)
