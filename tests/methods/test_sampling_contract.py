"""What every sampling method keeps to, whatever its formula."""

from __future__ import annotations

import numpy as np
import pytest
from tensor_toy import TensorToy
from toy import ToyClassifier

from pysal.errors import CapabilityError, OptionError
from pysal.methods import METHODS
from pysal.types import Passes, Target

QUICK = {
    "sliding_patch": {"patch": 5, "stride": 4},
    "sp_g": {"patch": 5, "stride": 4, "filler": "local_mean"},
    "occlusion": {"patch": 5, "stride": 3, "baseline": "blur"},
    "rise": {"samples": 70, "cells": 4},
    "lime": {"samples": 70, "num_segments": 9, "sigma": 0.0},
    "lime_g": {"samples": 70, "num_segments": 9, "filler": "local_mean"},
}
VERSIONS = {"sliding_patch": 9, "sp_g": 9, "occlusion": 16, "rise": 70, "lime": 70, "lime_g": 70}
pytestmark = [pytest.mark.parametrize("name", QUICK)]


@pytest.fixture
def clf():
    return ToyClassifier()


def run(name, clf, batch, target=None, **options):
    target = clf.top(batch, METHODS[name].kind) if target is None else target
    return METHODS[name].load()(clf, batch, target, **{**QUICK[name], **options})


def test_result(name, clf):
    batch = clf.photos(3)
    clf.passes = Passes()
    result = run(name, clf, batch)
    assert result.passes == clf.passes == Passes(3 * (VERSIONS[name] + 1), 0)
    assert result.method == name
    assert result.map.shape == (3, 16, 16)
    assert result.native.dtype == result.map.dtype == np.float32
    assert np.ptp(result.native, axis=(1, 2)).min() > 0
    assert result.target.kind == "probability"
    scores = clf.score(batch)[np.arange(3), result.target.index]
    np.testing.assert_array_equal(result.score, scores)
    assert {key: len(value) for key, value in result.trace.items()} == dict.fromkeys(
        result.trace, 3
    )
    assert METHODS[name].needs == frozenset()


def test_finds_where_the_class_looks(name, clf):
    batch = clf.photos(4)
    result = run(name, clf, batch, **({"samples": 400} if "samples" in QUICK[name] else {}))
    for image, c in enumerate(result.target.index):
        evidence = (batch[image] * clf.linear[c]).sum(0)
        inside = evidence > np.quantile(evidence, 0.9)
        assert result.map[image][inside].mean() > result.map[image][~inside].mean()


def test_options_are_listed_with_their_values(name, clf):
    result = run(name, clf, clf.photos(1))
    assert set(QUICK[name]) <= set(result.options)
    assert "progress" not in result.options
    given = dict(result.options)
    if "filler" in given:
        given["filler"] = QUICK[name]["filler"]
    again = METHODS[name].load()(clf, clf.photos(1), result.target, **given)
    np.testing.assert_array_equal(again.native, result.native)


def test_batch_is_its_images(name, clf):
    batch = clf.photos(5)
    together = run(name, clf, batch)
    for i in range(5):
        alone = run(name, clf, batch[i : i + 1])
        np.testing.assert_array_equal(alone.native[0], together.native[i])
        np.testing.assert_array_equal(alone.map[0], together.map[i])
        for key, value in alone.trace.items():
            own = together.trace[key][i]
            if own.ndim:  # padded with NaN to the longest of the batch
                assert np.isnan(own[value.shape[1] :]).all()
                own = own[: value.shape[1]]
            np.testing.assert_array_equal(value[0], own)


def test_same_seed_same_map(name, clf):
    batch, target = clf.photos(3), clf.top(clf.photos(3))
    if "seed" not in run(name, clf, batch).options:
        first, second = (run(name, clf, batch).native for _ in range(2))
        np.testing.assert_array_equal(first, second)
        return
    one, two, again = (run(name, clf, batch, target, seed=s).native for s in (1, 2, 1))
    np.testing.assert_array_equal(one, again)
    if QUICK[name].get("samples"):
        assert not np.array_equal(one, two)
    mixed = run(name, clf, batch, target, seed=[1, 2, 1]).native
    for image, seed in enumerate((1, 2, 1)):
        np.testing.assert_array_equal(mixed[image], (one, two)[seed - 1][image])


def test_chunks_change_nothing(name, clf, monkeypatch):
    whole = run(name, clf, clf.photos(2))
    for chunk in (1, 7):
        monkeypatch.setattr("pysal.classifier.CHUNK", chunk)
        parts = run(name, clf, clf.photos(2))
        np.testing.assert_array_equal(whole.native, parts.native)


def test_tensors_give_what_arrays_give(name, clf):
    batch = clf.photos(3)
    host, device = (run(name, c, batch) for c in (clf, TensorToy()))
    assert host.passes == device.passes
    for key, value in {"native": host.native, **host.trace}.items():
        other = device.native if key == "native" else device.trace[key]
        np.testing.assert_array_equal(other, value, err_msg=key)


def test_the_target_says_the_score_space(name, clf):
    batch = clf.photos(2)
    maps = [run(name, clf, batch, clf.top(batch, kind)).native for kind in ("probability", "logit")]
    assert not np.allclose(*maps)


def test_one_channel(name):
    clf = ToyClassifier(channels=1)
    assert np.isfinite(run(name, clf, clf.photos(2)).native).all()


def test_no_images(name, clf):
    result = run(name, clf, clf.photos(0), Target(np.zeros(0, np.int64)))
    assert result.map.shape == (0, 16, 16)
    assert result.native.shape[1:] == run(name, clf, clf.photos(1)).native.shape[1:]
    assert result.passes == Passes()


def test_progress_counts_versions(name, clf):
    calls = []
    run(name, clf, clf.photos(2), progress=lambda *c: calls.append(c))
    done = [d for d, _ in calls]
    assert done == sorted(done)
    assert calls[-1] == (2 * VERSIONS[name], 2 * VERSIONS[name])


class Broken(ToyClassifier):
    """Gives NaN for versions of one image."""

    calls = 0

    def score(self, batch, kind="probability"):
        scores = super().score(batch, kind)
        self.calls += 1
        if self.calls == 2:  # the first call is on the images themselves
            scores[-1] = np.nan
        return scores


def test_bad_numbers_are_an_error(name, monkeypatch):
    clf = Broken()
    with pytest.raises(CapabilityError, match="perturbed version of image 0 is NaN"):
        run(name, clf, clf.photos(2))


def test_low_probability_warns(name, clf):
    photos = clf.photos(3) * 3
    worst = Target(clf.score(photos).argmin(axis=1))
    with pytest.warns(UserWarning, match=r"below 0.01"):
        run(name, clf, photos, worst)


def test_bad_options_fail_before_any_work(name, clf, monkeypatch):
    photos, target = clf.photos(2), clf.top(clf.photos(2))

    def work(*_, **__):
        raise AssertionError("a score was asked for")

    monkeypatch.setattr(ToyClassifier, "score", work)
    for option, values in BAD.items():
        if option not in METHODS[name].load().__kwdefaults__:
            continue
        for value in values:
            with pytest.raises(OptionError, match=name):
                run(name, clf, photos, target, **{option: value})


BAD = {
    "patch": [0, 17, (5, 17), 2.5, True, "big", (1, 2, 3)],
    "stride": [0, -1, 1.5, (2,), None],
    "upsampling": ["bicubic"],
    "overlap": ["sum"],
    "border": ["wrap"],
    "samples": [1, 0, 2.0, None],
    "cells": [0, 17, 3.5],
    "keep": [0, 1, -0.1, float("nan"), "half"],
    "normalization": ["none"],
    "errors": [1],
    "segments": ["watershed", 7],
    "num_segments": [0, 1.5],
    "compactness": [0, -1],
    "sigma": [-0.1],
    "kernel_size": [0],
    "max_dist": [0],
    "ratio": [1.5],
    "segment_seed": [-1],
    "kernel_width": [0.0],
    "alpha": [0.0, -1],
    "labels": ["yes"],
    "seed": [-1, 1.5, [1], [1, -2]],
    "filler": ["nothing_like_it", 5],
}
