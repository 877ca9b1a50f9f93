"""Every mask optimizer at any resolution, image shape, channel count and score space."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import ToyClassifier

from pysal.maskopt import groups, perturb
from pysal.methods import METHODS, fido
from pysal.types import Passes, Target

RUNS = {
    "igos": {"iterations": 2, "steps": 2},
    "igos_plus": {"iterations": 2, "steps": 2},
    "igos_pp": {"iterations": 2, "steps": 2},
    "mp": {"iterations": 3},
    "mp_g": {"iterations": 3, "filler": "local_mean"},
    "mp2": {"cells": 7, "chance": 0.4},
    "mp2_g": {"cells": 7, "chance": 0.4, "filler": "local_mean"},
    "fido": {"steps": 3, "samples": 2, "filler": "local_mean"},
    "aop": {"base": np.eye(3)[None].repeat(2, 0)},
}
LOWEST = {"fido": -0.5}


@pytest.mark.parametrize("name", RUNS)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    size=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    channels=st.sampled_from([1, 3]),
    kind=st.sampled_from(["probability", "logit"]),
    seed=st.integers(0, 2**64 - 1),
)
def test_shapes_ranges_and_batches(name, size, channels, kind, seed):
    method = METHODS[name].load()
    clf = ToyClassifier(size=12, channels=channels, seed=seed % 50)
    photos = clf.photos(2, seed % 50)
    target = clf.top(photos, kind)
    options = dict(RUNS[name])
    if name == "aop":
        options["settings"] = {"size": size, "iterations": 2, "steps": 2}
    else:
        options["size"] = size
    clf.passes = Passes()
    result = method(clf, photos, target, seed=seed, **options)
    assert result.passes == clf.passes
    assert result.native.shape == (2, *size)
    assert result.map.shape == (2, 12, 12)
    assert result.native.dtype == result.map.dtype == np.float32
    low = LOWEST.get(name, 0.0)
    for maps in (result.native, result.map):
        assert np.isfinite(maps).all()
        assert low - 1e-5 <= maps.min() <= maps.max() <= low + 1 + 1e-5
    if name == "aop":
        options["base"] = options["base"][1:]
    alone = method(clf, photos[1:], target[1:], seed=seed, **options)
    np.testing.assert_array_equal(alone.native[0], result.native[1])
    np.testing.assert_array_equal(alone.map[0], result.map[1])


@pytest.mark.parametrize("name", [*RUNS, "sigcam"])
def test_signatures_are_those_of_methods(name):
    parameters = list(inspect.signature(METHODS[name].load()).parameters.values())
    assert [p.name for p in parameters[:3]] == ["clf", "batch", "target"]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[3:])
    assert {"seed", "progress"} <= {p.name for p in parameters}


@pytest.mark.parametrize("name", RUNS)
def test_low_probability_warns(name):
    clf = ToyClassifier()
    photos = 3 * clf.photos(2)
    worst = Target(clf.score(photos).argmin(axis=1))
    options = dict(RUNS[name])
    if name == "aop":
        options["settings"] = {"size": 4, "iterations": 2, "steps": 2}
    else:
        options["size"] = 4
    with pytest.warns(UserWarning, match="below 0.01"):
        METHODS[name].load()(clf, photos, worst, **options)


@pytest.mark.parametrize("name", RUNS)
def test_groups_change_nothing_and_progress_ends(name, monkeypatch):
    clf = ToyClassifier(size=12)
    photos = clf.photos(3)
    target = clf.top(photos)
    options = dict(RUNS[name])
    if name == "aop":
        options["base"] = np.eye(3)[None].repeat(3, 0)
        options["settings"] = {"size": 4, "iterations": 2, "steps": 2}
    else:
        options["size"] = 4
    whole = METHODS[name].load()(clf, photos, target, **options)
    monkeypatch.setattr(groups, "GROUP", 2)
    monkeypatch.setattr(perturb, "SHARE", 2)
    monkeypatch.setattr(fido, "DRAWN", 2)
    calls = []
    parts = METHODS[name].load()(
        clf, photos, target, progress=lambda *call: calls.append(call), **options
    )
    np.testing.assert_array_equal(whole.native, parts.native)
    assert whole.passes == parts.passes
    assert whole.trace.keys() == parts.trace.keys()
    for key, values in whole.trace.items():
        np.testing.assert_array_equal(values, parts.trace[key])
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert calls[-1][0] == calls[-1][1]
    assert len({total for _, total in calls}) == 1
