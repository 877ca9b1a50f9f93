"""GradCAM, GradCAM++, WGradCAM, and guided backpropagation where they are, against torch."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pooled import BATCH, INDEX, SIZE, X, write_network
from pooled_torch import pooled_module
from toy_layers import LayeredToy

import pysal
from pysal.backends.ort import OrtClassifier
from pysal.errors import OptionError
from pysal.methods.gradcam import gradcam, gradcam_pp, wgradcam
from pysal.methods.guided_gradcam import guided_gradcam, guided_gradcam_pp
from pysal.types import Target

METHODS = {"gradcam": gradcam, "gradcam_pp": gradcam_pp, "wgradcam": wgradcam}
TARGET = Target(INDEX, "logit")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("net") / "net.onnx")


@pytest.fixture(scope="module")
def clf(path):
    return OrtClassifier(path, threads=2)


@pytest.fixture(autouse=True)
def _quiet():
    """Some classes of the random network have empty maps."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*speaks for the class")
        yield


def naive(path, name: str, image: int) -> np.ndarray:
    """Map of one image, written out with loops."""
    net = pooled_module(path).double()
    x = torch.from_numpy(X[image : image + 1]).double()
    a = torch.relu(net.c2(F.max_pool2d(torch.relu(net.c1(x)), 3, 2))).detach().requires_grad_()
    z = net.z(a.mean(dim=(2, 3)))[0, INDEX[image]]
    (g,) = torch.autograd.grad(z, a)
    a, g = a[0].detach().numpy(), g[0].numpy()
    total = np.zeros(a.shape[1:])
    for k in range(len(a)):
        if name == "gradcam":
            weight = g[k].mean()
        elif name == "wgradcam":
            weight = (g[k] * a[k]).mean()
        else:
            weight = 0.0
            for i, j in np.ndindex(g[k].shape):
                if g[k, i, j] != 0:
                    below = 2 * g[k, i, j] ** 2 + a[k].sum() * g[k, i, j] ** 3 + 1e-6
                    weight += g[k, i, j] ** 2 / below * max(g[k, i, j], 0)
        total += weight * a[k]
    return np.maximum(total, 0)


def stretched(maps: np.ndarray) -> np.ndarray:
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / np.where(high > low, high - low, 1)


def enlarged(maps: np.ndarray) -> np.ndarray:
    large = F.interpolate(
        torch.from_numpy(maps)[:, None], size=(SIZE, SIZE), mode="bilinear", align_corners=False
    )
    return large[:, 0].numpy()


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_those_of_loops(path, clf, name: str) -> None:
    expected = np.stack([naive(path, name, i) for i in range(BATCH)])
    plain = METHODS[name](clf, X, TARGET, layer="r2", normalize=False)
    np.testing.assert_allclose(plain.native, expected, rtol=1e-3, atol=1e-5 * expected.max())
    result = METHODS[name](clf, X, TARGET)
    np.testing.assert_allclose(result.native, stretched(expected), atol=1e-3)
    np.testing.assert_allclose(result.map, stretched(enlarged(expected)), atol=1e-3)
    assert result.options == {"layer": "r2", "normalize": True}
    assert (result.passes.forward, result.passes.backward) == (BATCH, BATCH)


@pytest.mark.parametrize("name", [*METHODS, "guided_gradcam", "guided_gradcam_pp"])
def test_a_batch_gives_what_its_images_give_alone(clf, name: str) -> None:
    method = {**METHODS, "guided_gradcam": guided_gradcam, "guided_gradcam_pp": guided_gradcam_pp}
    together = method[name](clf, X, TARGET).native
    for i in range(BATCH):
        alone = method[name](clf, X[i : i + 1], TARGET[i : i + 1]).native
        np.testing.assert_array_equal(alone[0], together[i])


@pytest.mark.parametrize("name", METHODS)
def test_passes_reported_are_passes_made(name: str) -> None:
    toy = LayeredToy()
    batch = toy.photos(3)
    result = METHODS[name](toy, batch, toy.top(batch, "logit"))
    assert result.passes == toy.passes


def test_the_default_score_is_the_logit(clf) -> None:
    result = pysal.explain(clf, X, method="gradcam", target=INDEX)
    assert result.target.kind == "logit"
    np.testing.assert_array_equal(result.score, clf.score(X, "logit")[np.arange(BATCH), INDEX])


def test_guided_maps_are_the_product(path, clf) -> None:
    """Guided backpropagation by hooks on a copy, times the enlarged map, reduced by step 5."""
    net = pooled_module(path).double()
    net.r1.inplace = False
    for relu in (net.r1, net.r2):
        relu.register_full_backward_hook(lambda _, before, after: (before[0].clamp(min=0),))
    x = torch.from_numpy(X).double().requires_grad_()
    (raw,) = torch.autograd.grad(net(x)[torch.arange(BATCH), torch.from_numpy(INDEX)].sum(), x)
    for name, method in (("gradcam", guided_gradcam), ("gradcam_pp", guided_gradcam_pp)):
        cam = stretched(enlarged(np.stack([naive(path, name, i) for i in range(BATCH)])))
        product = cam[:, None] * raw.numpy()
        size = np.sqrt((np.maximum(product, 0) ** 2).sum(axis=1))
        size[product.sum(axis=1) == 0] = 0
        found = method(clf, X, TARGET, layer="r2")
        np.testing.assert_allclose(found.native, stretched(size), atol=2e-3)
        assert (found.passes.forward, found.passes.backward) == (2 * BATCH, 2 * BATCH)


def test_an_empty_map_is_said(clf) -> None:
    never = Target(np.full(BATCH, int(np.argmin(clf.score(X, "logit").sum(axis=0)))), "logit")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = gradcam(clf, X, never, normalize=False)
    empty = ~result.native.any(axis=(1, 2))
    assert empty.any() == any("zero everywhere" in str(w.message) for w in caught)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"layer": "r3"}, 'gradcam: layer "r3" is not in net.onnx; did you mean r2'),
        ({"layer": "a"}, None),
        ({"layer": "f"}, 'gradcam: layer "f" has shape (8,); expected channels, height'),
        ({"normalize": 1}, "gradcam: normalize is 1; expected true or false"),
    ],
)
def test_mistakes(clf, options, line) -> None:
    if line is None:  # one pixel is a size, too
        assert gradcam(clf, X, TARGET, **options).native.shape == (BATCH, 1, 1)
        return
    with pytest.raises(OptionError) as error:
        gradcam(clf, X, TARGET, **options)
    assert str(error.value).startswith(line)
