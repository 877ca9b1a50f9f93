"""What every gradient and path method keeps to, whatever its formula."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_toy import TensorToy
from toy import ToyClassifier

from pysal.errors import CapabilityError, OptionError
from pysal.methods import METHODS
from pysal.types import Passes, Target

QUICK = {
    "gradient": {},
    "input_x_gradient": {},
    "smoothgrad": {"samples": 23},
    "smoothgrad_squared": {"samples": 4},
    "vargrad": {"samples": 4, "base": "input_x_gradient"},
    "integrated_gradients": {"steps": 43},
    "idgi": {"steps": 43, "nodes": "right"},
    "guided_ig": {"steps": 9, "fraction": 0.5},
    "idgi_guided_ig": {"steps": 9, "max_dist": 0.3},
    "blur_ig": {"steps": 25, "sigma_max": 5.0},
    "idgi_blur_ig": {"steps": 7, "sigma_max": 5.0, "spacing": "sqrt"},
}
every = pytest.mark.parametrize("name", QUICK)
pytestmark = pytest.mark.filterwarnings("ignore::pysal.paths.IncompleteWarning")


@pytest.fixture
def clf():
    return ToyClassifier(size=12)


def run(name, clf, batch, target=None, **options):
    target = clf.top(batch, METHODS[name].kind) if target is None else target
    return METHODS[name].load()(clf, batch, target, **{**QUICK[name], **options})


@every
def test_result(name, clf):
    batch = clf.photos(3)
    clf.passes = Passes()
    result = run(name, clf, batch)
    assert result.passes == clf.passes
    assert result.passes.backward % 3 == 0
    assert result.method == name
    assert result.native.shape == result.map.shape == (3, 12, 12)
    assert result.native.dtype == np.float32
    assert np.ptp(result.native, axis=(1, 2)).min() > 0
    np.testing.assert_array_equal(result.map, result.native)
    scores = clf.score(batch, METHODS[name].kind)[np.arange(3), result.target.index]
    np.testing.assert_allclose(result.score, scores, rtol=1e-6)
    assert {key: len(value) for key, value in result.trace.items()} == dict.fromkeys(
        result.trace, 3
    )


@every
def test_options_are_listed_with_their_values(name, clf):
    result = run(name, clf, clf.photos(1))
    assert set(QUICK[name]) <= set(result.options)
    assert {"reduce", "channels"} <= set(result.options)
    assert "progress" not in result.options
    again = METHODS[name].load()(clf, clf.photos(1), result.target, **result.options)
    np.testing.assert_array_equal(again.native, result.native)


@every
def test_batch_is_its_images(name, clf):
    batch = clf.photos(22)
    together = run(name, clf, batch)
    for i in (0, 19, 20, 21):
        alone = run(name, clf, batch[i : i + 1])
        np.testing.assert_array_equal(alone.native[0], together.native[i])
        for key, value in alone.trace.items():
            np.testing.assert_array_equal(value[0], together.trace[key][i])


@every
def test_tensors_give_what_arrays_give(name, clf):
    batch = clf.photos(3)
    options = {"channels": True} | ({"both": True} if "ig" in name else {})
    host, device = (run(name, c, batch, **options) for c in (clf, TensorToy(size=12)))
    assert host.trace.keys() == device.trace.keys()
    assert host.passes == device.passes
    for key, value in {"native": host.native, **host.trace}.items():
        other = device.native if key == "native" else device.trace[key]
        assert isinstance(other, np.ndarray)
        scale = max(np.abs(value).max(), 1e-3)
        np.testing.assert_allclose(other / scale, value / scale, atol=2e-4, err_msg=key)


@every
def test_channels_reduce_to_the_map(name, clf):
    for rule, reduce in (("sum", lambda a: a.sum(1)), ("max_abs", lambda a: np.abs(a).max(1))):
        result = run(name, clf, clf.photos(2), reduce=rule, channels=True)
        kept = result.trace["channels"]
        assert kept.shape == (2, 3, 12, 12)
        np.testing.assert_allclose(result.native, reduce(kept), atol=1e-6)


@every
def test_the_target_says_the_score_space(name, clf):
    batch = clf.photos(2)
    maps = []
    for kind in ("probability", "logit"):
        result = run(name, clf, batch, clf.top(batch, kind))
        assert result.target.kind == kind
        maps.append(result.native)
    assert not np.allclose(*maps)


@every
def test_one_channel_and_other_sides(name):
    clf = ToyClassifier(size=12, channels=1)
    assert run(name, clf, clf.photos(2)).native.shape == (2, 12, 12)


@every
def test_no_images(name, clf):
    result = run(name, clf, clf.photos(0), Target(np.zeros(0, np.int64)))
    assert result.native.shape == result.map.shape == (0, 12, 12)
    assert result.passes == Passes()
    full = run(name, clf, clf.photos(1))
    for key, value in full.trace.items():
        assert result.trace[key].shape == (0, *value.shape[1:])


@pytest.mark.parametrize("name", [n for n in QUICK if "x_grad" not in n and n != "gradient"])
def test_progress(name, clf):
    calls = []
    run(name, clf, clf.photos(2), progress=lambda *c: calls.append(c))
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("where", ["value", "gradient"])
@every
def test_bad_numbers_are_an_error(name, where):
    class Broken(ToyClassifier):
        def value_and_grad(self, batch, target, **options):
            value, grad = super().value_and_grad(batch, target, **options)
            bad = target.index == 3
            value[bad if where == "value" else []] = np.nan
            grad[bad if where == "gradient" else [], 0, 0, 0] = np.inf
            return value, grad

    clf = Broken(size=12)
    with pytest.raises(CapabilityError, match="of image 1 is NaN or infinite"):
        run(name, clf, clf.photos(3), Target(np.array([0, 3, 0])))


WRONG = [("reduce", "mean"), ("channels", 1), ("both", "yes"), ("steps", 2.5), ("baseline", "red")]
WRONG += [("samples", 0), ("noise_level", -0.1), ("base", "cam"), ("seed", -1), ("nodes", "left")]
WRONG += [("epsilon", 0.0), ("fraction", 2), ("base_options", {"steps": 3}), ("idgi", None)]
CASES = [
    (name, option, value)
    for name in QUICK
    for option, value in WRONG
    if option in METHODS[name].load().__kwdefaults__
]


@pytest.mark.parametrize(("name", "option", "value"), CASES)
def test_bad_options_cost_nothing(name, clf, option, value):
    batch = clf.photos(2)
    with pytest.raises(OptionError, match=r"mean|red|expected|use one of|takes no") as error:
        run(name, clf, batch, Target(np.zeros(2, int)), **{option: value})
    assert "\n" not in str(error.value)
    assert clf.passes == Passes()


@every
def test_needs_a_gradient(name, clf, monkeypatch):
    monkeypatch.delattr(ToyClassifier, "value_and_grad")
    with pytest.raises(CapabilityError, match="no gradients"):
        run(name, clf, clf.photos(1), Target(np.zeros(1, int)))
    assert METHODS[name].needs == {"grad"}


@every
def test_a_map_of_zeros_is_said(name):
    clf = ToyClassifier(size=12)
    batch = clf.photos(2)
    clf.linear[:] = clf.quadratic[:] = 0.0
    with pytest.warns(UserWarning, match=f"{name}: the maps of 2 of 2 images .* zero everywhere"):
        result = run(name, clf, batch, Target(np.zeros(2, int)))
    np.testing.assert_array_equal(result.native, 0)
