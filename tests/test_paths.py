"""Paths on an analytic network: against naive ones, on any array, complete."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_paths import naive_blur, naive_blur_ig, naive_guided, naive_idgi, naive_ig

from pysal.errors import OptionError
from pysal.paths import PATHS, Straight, blur_path, guided_path, straight_path
from pysal.paths.gaussian import bands
from pysal.paths.integral import CHUNK


class Smooth:
    """f = tanh(sum(a x + b x^2 / 2)) with its gradient; takes tensors, too; counts points."""

    def __init__(self, shape, seed=0):
        rng = np.random.default_rng(seed)
        scale = 1 / math.sqrt(np.prod(shape))
        self.a, self.b = scale * rng.normal(size=shape), scale * rng.normal(size=shape)
        self.grads = self.scores = 0

    def f(self, x):
        return np.tanh((self.a * x + self.b * x * x / 2).sum(axis=(-3, -2, -1)))

    def g(self, x):
        return (1 - self.f(x)[..., None, None, None] ** 2) * (self.a + self.b * x)

    def value_and_grad(self, x, images):
        assert len(x) == len(images)
        self.grads += len(x)
        like = torch.from_numpy if isinstance(x, torch.Tensor) else np.asarray
        x = np.asarray(x, np.float64)
        return like(self.f(x).astype(np.float32)), like(self.g(x).astype(np.float32))

    def score_at(self, x, images):
        assert len(x) == len(images)
        self.scores += len(x)
        return self.f(np.asarray(x, np.float64)).astype(np.float32)


def images_of(shape, count=3, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, *shape)).astype(np.float32)
    origin = rng.normal(size=(count, *shape)).astype(np.float32)
    origin[:, :, 0] = x[:, :, 0]  # features that need not move
    return x, origin


def run(path, network, x, origin, **options):
    """Integrals joined over all rows."""
    found = list(path.integrals(network, x, origin, np.arange(len(x)), **options))
    assert [r for i in found for r in range(i.rows.start, i.rows.stop)] == list(range(len(x)))
    scores = np.concatenate([i.scores for i in found])
    idgi = None if found[0].idgi is None else np.concatenate([i.idgi for i in found])
    return np.concatenate([i.riemann for i in found]), idgi, scores


shapes = st.tuples(st.integers(1, 3), st.integers(2, 9), st.integers(1, 9))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(shape=shapes, steps=st.integers(2, 2 * CHUNK + 3))
def test_straight_is_the_naive_one(shape, steps):
    network, (x, origin) = Smooth(shape), images_of(shape)
    riemann, idgi, scores = run(straight_path("t", steps=steps), network, x, origin, idgi=True)
    assert (network.grads, network.scores) == (3 * steps, 0)
    for i in range(3):
        expected = naive_ig(x[i].astype(float), origin[i].astype(float), network.g, steps)
        np.testing.assert_allclose(riemann[i], expected, atol=1e-5)
        way = [origin[i] + t * (x[i] - origin[i]).astype(float) for t in np.linspace(0, 1, steps)]
        np.testing.assert_allclose(idgi[i], naive_idgi(way, network.f, network.g), atol=1e-5)
        np.testing.assert_allclose(scores[i], [network.f(p) for p in way], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 7, CHUNK + 1])
def test_straight_without_the_baseline_among_its_points(steps):
    """Right-hand points: a gradient belongs to the interval before it, and nothing is lost."""
    shape = (2, 5, 6)
    network, (x, origin) = Smooth(shape), images_of(shape)
    nodes = np.arange(1, steps + 1, dtype=np.float32) / np.float32(steps)
    path = Straight(nodes, np.full(steps, 1 / steps, np.float32))
    riemann, idgi, scores = run(path, network, x, origin, idgi=True)
    assert scores.shape == (3, steps + 1) == (3, path.num_scores(True))
    assert (network.grads, network.scores) == (3 * steps, 3)
    for i in range(3):
        way = [origin[i] + t * (x[i] - origin[i]).astype(float) for t in [0, *nodes]]
        mean = sum(network.g(p) for p in way[1:]) / steps
        np.testing.assert_allclose(riemann[i], (x[i] - origin[i]) * mean, atol=1e-5)
        # from the image to the baseline, every change has the other sign
        expected = -naive_idgi(way[::-1], network.f, network.g)
        np.testing.assert_allclose(idgi[i], expected, atol=1e-5)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    shape=shapes,
    steps=st.integers(1, 40),
    fraction=st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0]),
    max_dist=st.sampled_from([0.0, 0.02, 0.3, 1.0]),
)
def test_guided_is_the_naive_one(shape, steps, fraction, max_dist):
    network, (x, origin) = Smooth(shape), images_of(shape)
    path = guided_path("t", steps=steps, fraction=fraction, max_dist=max_dist)
    riemann, idgi, scores = run(path, network, x, origin, idgi=True)
    assert (network.grads, network.scores) == (3 * steps, 3)

    def g(at):  # what the network sees
        return network.g(at.astype(np.float32).astype(float)).astype(np.float32)

    for i in range(3):
        start, stop = origin[i].astype(float), x[i].astype(float)
        expected, points = naive_guided(stop, start, g, steps, fraction, max_dist)
        np.testing.assert_allclose(riemann[i], expected, atol=1e-5)
        np.testing.assert_allclose(points[-1], stop, atol=1e-6)
        np.testing.assert_allclose(idgi[i], naive_idgi(points, network.f, g), atol=1e-5)
        np.testing.assert_allclose(scores[i], [network.f(p) for p in points], atol=1e-5)


def test_guided_ends_where_rounding_leaves_nothing_to_choose():
    """A step whose length stays above its goal by rounding would go on for ever."""
    shape = (3, 30, 30)
    network, (x, origin) = Smooth(shape), images_of(shape, 1)
    x, origin = x * 1e6, origin * 1e6
    riemann, _, scores = run(guided_path("t", steps=7, max_dist=0.0), network, x, origin)
    assert np.isfinite(riemann).all()
    assert scores.shape == (1, 7)


def test_guided_stays_near_the_line_and_avoids_large_gradients():
    shape = (1, 8, 8)
    network, (x, origin) = Smooth(shape), images_of(shape, 1)
    seen = []

    class Spy(Smooth):
        def value_and_grad(self, points, images):
            seen.append(points[0].copy())
            return super().value_and_grad(points, images)

    run(guided_path("t", steps=10, max_dist=0.1), Spy(shape), x, origin)
    way = np.where(x == origin, 1, x - origin)
    for t, point in enumerate(seen):
        position = ((point - origin) / way)[0][x[0] != origin[0]]
        assert (np.abs(position - t / 10) <= 0.1 + 1e-5).all()
        moved = np.abs(point - origin).sum() / np.abs(x - origin).sum()
        assert moved == pytest.approx(t / 10, abs=1e-5)
    first = network.g(seen[0].astype(float))
    ahead = np.abs(seen[1] - seen[0]) > 0
    assert np.abs(first[ahead]).mean() < np.abs(first[~ahead & (x[0] != origin[0])]).mean()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    shape=shapes,
    steps=st.integers(1, CHUNK + 3),
    sigma_max=st.sampled_from([0.3, 2.0, 7.0]),
    spacing=st.sampled_from(["linear", "sqrt"]),
)
def test_blur_is_the_naive_one(shape, steps, sigma_max, spacing):
    network, (x, _) = Smooth(shape), images_of(shape)
    black = np.full_like(x, -1.5)
    path = blur_path("t", steps=steps, sigma_max=sigma_max, spacing=spacing)
    riemann, idgi, scores = run(path, network, x, black, idgi=True)
    assert (network.grads, network.scores) == (3 * steps, 3)
    for i in range(3):
        image = x[i].astype(float)
        root = spacing == "sqrt"
        expected, blurred = naive_blur_ig(image, -1.5, network.g, steps, sigma_max, 0.01, root)
        np.testing.assert_allclose(riemann[i], expected, atol=2e-5)
        # the loop's own order is sharp to blurred: the sign turns
        order = -naive_idgi(blurred, network.f, network.g)
        np.testing.assert_allclose(idgi[i], order, atol=1e-5)
        np.testing.assert_allclose(scores[i], [network.f(b) for b in blurred[::-1]], atol=1e-5)


def test_blur_goes_from_the_last_scale_to_the_image():
    """On a linear score the sum has the sign of image minus blurred, and nearly its value."""
    shape = (1, 12, 12)
    network, (x, _) = Smooth(shape), images_of(shape, 1)
    network.f = lambda z: (network.a * z).sum(axis=(-3, -2, -1))
    network.g = lambda z: np.broadcast_to(network.a, z.shape)
    path = blur_path("t", steps=4000, sigma_max=6.0, epsilon=1e-4)
    riemann, _, scores = run(path, network, x, np.zeros_like(x))
    change = network.f(x[0]) - network.f(naive_blur(x[0].astype(float), 0.0, 6.0))
    assert riemann.sum() == pytest.approx(change, rel=0.02)
    assert scores[0, -1] - scores[0, 0] == pytest.approx(change, rel=1e-3)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(length=st.integers(1, 30), sigma=st.floats(0, 12))
def test_bands_are_the_naive_kernel(length, sigma):
    (found,) = bands(length, np.array([sigma]))
    impulse = np.zeros((1, 2 * length - 1, 1))
    impulse[0, length - 1] = 1
    reach = int(4 * sigma + 0.5)
    expected = naive_blur(impulse, 0.0, sigma)[0, :, 0] if reach else impulse[0, :, 0]
    # the axis of one element keeps the central weight only
    column = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2) if reach else np.ones(1)
    np.testing.assert_allclose(found, expected * column.sum() / column.max(), atol=1e-12)


@pytest.mark.parametrize("name", PATHS)
def test_tensors_give_what_arrays_give(name):
    shape = (3, 9, 7)
    network, (x, origin) = Smooth(shape), images_of(shape, CHUNK + 2)
    path = PATHS[name]("t", steps=9)
    host = run(path, network, x, origin, idgi=True)
    device = run(path, network, torch.from_numpy(x), torch.from_numpy(origin), idgi=True)
    for one, other in zip(host, device, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", PATHS)
def test_inputs_do_not_see_each_other(name):
    shape = (2, 6, 5)
    network, (x, origin) = Smooth(shape), images_of(shape, 4)
    path = PATHS[name]("t", steps=CHUNK + 5)
    together = run(path, network, x, origin, idgi=True)
    for i in range(4):
        alone = run(path, network, x[i : i + 1], origin[i : i + 1], idgi=True)
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[i])


@pytest.mark.parametrize("name", PATHS)
def test_an_image_that_is_its_own_origin_gets_nothing(name):
    shape = (2, 6, 5)
    network, (x, _) = Smooth(shape), images_of(shape, 2)
    if name == "blur_ig":
        x[:] = 0.5
    for found in run(PATHS[name]("t", steps=5), network, x, x.copy(), idgi=True)[:2]:
        np.testing.assert_array_equal(found, 0)


@pytest.mark.parametrize(
    ("make", "options", "text"),
    [
        (straight_path, {"steps": 1}, "t: steps is 1; expected a whole number from 2 on"),
        (guided_path, {"steps": 0}, "t: steps is 0; expected a whole number from 1 on"),
        (guided_path, {"fraction": 0.0}, "t: fraction is 0.0; expected a number above 0"),
        (guided_path, {"max_dist": 1.5}, "t: max_dist is 1.5; expected a number from 0 to 1"),
        (blur_path, {"sigma_max": 0}, "t: sigma_max is 0; expected a positive number"),
        (blur_path, {"epsilon": -1}, "t: epsilon is -1; expected a positive number"),
        (blur_path, {"spacing": "log"}, "t: spacing is 'log'; use one of linear, sqrt"),
    ],
)
def test_options(make, options, text):
    with pytest.raises(OptionError, match=text):
        make("t", **options)
