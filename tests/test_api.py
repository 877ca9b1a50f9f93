"""`explain`, `Explainer` and `measure` on the toy classifier: chunks, targets, names, errors."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny import write_model
from toy import ToyClassifier

import pysal
from pysal import api, explainer
from pysal.registry import Entry
from pysal.types import Array, Attribution, Passes, Target

FAST = {"preset": "fast", "iterations": 2, "size": 4}


def fake_method(
    clf: ToyClassifier, batch: Array, target: Target, *, gain: float = 1.0, seed: Any = 0
) -> Attribution:
    """A method that needs nothing and remembers its seed."""
    score = clf.score(batch, target.kind)[np.arange(len(batch)), target.index]
    native = gain * batch.mean(axis=1)
    seeds = np.broadcast_to(np.asarray(seed), len(batch)).copy()
    options = {"gain": gain, "seed": seed}
    passes = Passes(len(batch), 0)
    return Attribution(
        native, native, target, score, "fake", options, passes, 0.1, trace={"seed": seeds}
    )


@pytest.fixture
def clf() -> ToyClassifier:
    return ToyClassifier()


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Entry]:
    """Methods with different needs; `fake` is this module's."""
    methods = {
        "fake": Entry("fake:fake", "", frozenset()),
        "needs_layers": Entry("fake:fake", "", frozenset({"activations"})),
    }
    monkeypatch.setattr(Entry, "load", lambda self: fake_method)
    monkeypatch.setattr(explainer, "METHODS", methods)
    return methods


def photo(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_one_photo_keeps_its_axis(clf: ToyClassifier, tmp_path: Path) -> None:
    a = pysal.explain(clf, photo(tmp_path / "cat.png", 0), **FAST)
    assert a.map.shape == (1, 16, 16)
    assert a.native.shape == (1, 4, 4)
    assert a.names == ("cat",)
    assert a.images is not None
    assert a.images.shape == (1, 16, 16, 3)
    assert (a.method, a.model) == ("igos", clf.info)


def test_top_class_is_explained_and_its_pass_counted(clf: ToyClassifier, registries: Any) -> None:
    batch = clf.photos(5)
    top = clf.top(batch)
    clf.passes = Passes()
    a = pysal.explain(clf, batch, method="fake", batch_size=2)
    assert a.target.index.tolist() == top.index.tolist()
    assert a.target.kind == "probability"
    assert a.passes == clf.passes == Passes(10, 0)


@pytest.mark.parametrize(
    ("target", "expected"),
    [(2, [2, 2, 2]), ([0, 1, 2], [0, 1, 2]), (np.array([3]), [3, 3, 3])],
)
def test_targets_in_all_forms(
    clf: ToyClassifier, registries: Any, target: Any, expected: list[int]
) -> None:
    a = pysal.explain(clf, clf.photos(3), method="fake", target=target, kind="logit", batch_size=2)
    assert a.target.index.tolist() == expected
    assert a.target.kind == "logit"
    assert a.passes == Passes(3, 0)


def test_a_target_brings_its_kind(clf: ToyClassifier, registries: Any) -> None:
    target = Target(np.array([1, 2]), "logit")
    assert pysal.explain(clf, clf.photos(2), method="fake", target=target).target.kind == "logit"
    with pytest.raises(pysal.OptionError, match="leave one of them out"):
        pysal.explain(clf, clf.photos(2), method="fake", target=target, kind="probability")


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_result_does_not_depend_on_the_batch_size(clf: ToyClassifier, batch_size: int) -> None:
    batch = clf.photos(5)
    whole = pysal.explain(clf, batch, **FAST)
    parts = pysal.explain(clf, batch, batch_size=batch_size, **FAST)
    np.testing.assert_array_equal(parts.map, whole.map)
    np.testing.assert_array_equal(parts.native, whole.native)
    np.testing.assert_array_equal(parts.trace["loss"], whole.trace["loss"])
    assert parts.names == whole.names == tuple(f"image_{i}" for i in range(5))


def test_seeds_per_image_follow_the_chunks(clf: ToyClassifier, registries: Any) -> None:
    a = pysal.explain(clf, clf.photos(3), method="fake", seed=[7, 8, 9], batch_size=2)
    assert a.trace["seed"].tolist() == [7, 8, 9]


def test_arrays_per_image_follow_the_chunks(clf: ToyClassifier) -> None:
    batch, base = clf.photos(5), np.random.default_rng(1).random((5, 16, 16)).astype(np.float32)
    segments = np.broadcast_to(
        np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int)), (5, 16, 16)
    )
    options = {"method": "xrai", "base": base, "segments": segments, "dilation": 0, "min_area": 1}
    whole = pysal.explain(clf, batch, **options)
    parts = pysal.explain(clf, batch, batch_size=2, **options)
    np.testing.assert_array_equal(parts.map, whole.map)
    with pytest.raises(pysal.ShapeError, match="base has 4 entries for 5 images"):
        pysal.explain(clf, batch, **{**options, "base": base[:4]})


def test_progress_counts_images(clf: ToyClassifier) -> None:
    seen: list[tuple[float, float]] = []
    report = lambda done, total: seen.append((done, total))  # noqa: E731
    pysal.explain(clf, clf.photos(3), batch_size=2, progress=report, **FAST)
    done = [d for d, _ in seen]
    assert {total for _, total in seen} == {3}
    assert done == sorted(done)
    assert len(done) > 4
    assert (done[-1], 2 in done) == (3, True)


def test_options_of_a_call_go_before_those_of_the_explainer(
    clf: ToyClassifier, registries: Any
) -> None:
    ready = pysal.Explainer(clf, "fake", gain=2.0)
    batch = clf.photos(1)
    np.testing.assert_array_equal(ready(batch, gain=6.0).native, 3 * ready(batch).native)


def test_threads_share_an_explainer(clf: ToyClassifier) -> None:
    ready = pysal.Explainer(clf, "igos", **FAST)
    batch = clf.photos(4)
    expected = [ready(batch[i]).native for i in range(4)]
    found: dict[int, Array] = {}

    def work(i: int) -> None:
        found[i] = ready(batch[i]).native

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_array_equal(found[i], expected[i])


def test_explainer_is_a_context_manager(clf: ToyClassifier, monkeypatch: Any) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(clf, "close", lambda: closed.append(True), raising=False)
    with pysal.Explainer(clf) as ready:
        assert ready.classifier is clf
    assert closed == []  # the caller opened it


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"method": "igoss"}, 'method "igoss" is unknown; did you mean igos, '),
        ({"siz": 4}, 'method "igos" has no option "siz"; did you mean size'),
        ({"batch_size": 0}, "batch_size is 0; expected an integer of at least 1"),
        ({"target": 4}, "target 4 is outside the classes of toy; use 0 to 3"),
        ({"target": -1}, "target -1 is outside"),
        ({"target": [0, 1, 2]}, "3 targets for 2 images"),
        ({"target": 1.5}, "target has dtype float64"),
        ({"kind": "prob"}, 'score kind "prob" is unknown'),
        ({"size": 0}, "size"),
        ({"progress_": 1}, 'has no option "progress_"'),
    ],
)
def test_wrong_options(clf: ToyClassifier, arguments: dict[str, Any], line: str) -> None:
    with pytest.raises(pysal.OptionError) as caught:
        pysal.explain(clf, clf.photos(2), **arguments)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_targets_cost_no_pass(clf: ToyClassifier) -> None:
    with pytest.raises(pysal.OptionError):
        pysal.explain(clf, clf.photos(2), target=9)
    assert clf.passes == Passes()


def test_missing_needs_name_methods_that_work(clf: ToyClassifier, registries: Any) -> None:
    import dataclasses

    clf.info = dataclasses.replace(clf.info, supports=frozenset())
    with pytest.raises(pysal.CapabilityError) as caught:
        pysal.explain(clf, clf.photos(1), method="needs_layers")
    assert "needs activations" in str(caught.value)
    assert str(caught.value).endswith("use fake")


def test_bad_images_are_named(clf: ToyClassifier, tmp_path: Path) -> None:
    good = photo(tmp_path / "good.png", 0)
    (tmp_path / "bad.jpg").write_text("no photo")
    nan = np.full((3, 16, 16), np.nan, np.float32)
    for images, name in (
        ([good, tmp_path / "bad.jpg"], "bad.jpg"),
        ([good, tmp_path / "none.jpg"], "none.jpg"),
        ([good, nan], "image_1"),
        (np.zeros((1, 3, 8, 8), np.float32), "image_0"),
        ([np.zeros((20, 20, 5), np.uint8)], "image_0"),
    ):
        with pytest.raises((pysal.InputError, pysal.ShapeError)) as caught:
            pysal.explain(clf, images, **FAST)
        assert name in str(caught.value).partition(": ")[0]
        assert "\n" not in str(caught.value)


def test_errors_inside_a_method_get_the_names(
    clf: ToyClassifier, registries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise pysal.ShapeError("something is 0; expected 1")

    monkeypatch.setattr(Entry, "load", lambda self: fail)
    with pytest.raises(pysal.ShapeError, match="image_0 to image_1: something is 0; expected 1"):
        pysal.explain(clf, clf.photos(2), method="fake")


def test_measure_in_chunks(clf: ToyClassifier) -> None:
    batch = clf.photos(3)
    a = pysal.explain(clf, batch, **FAST)
    whole = pysal.measure("insertion_deletion", clf, batch, a.native, targets=a.target)
    parts = pysal.measure(
        "insertion_deletion", clf, batch, a.native, targets=a.target, batch_size=1
    )
    assert whole.metric == "insertion_deletion"
    for key, values in whole.values.items():
        assert values.shape == (3,)
        np.testing.assert_array_equal(values, parts.values[key])
    for key, curve in whole.curves.items():
        np.testing.assert_array_equal(curve, parts.curves[key])
    assert whole.passes == parts.passes


def test_measure_takes_one_bare_map(clf: ToyClassifier) -> None:
    batch = clf.photos(1)
    one = pysal.measure("insertion_deletion", clf, batch, np.eye(4))
    same = pysal.measure("insertion_deletion", clf, batch, np.eye(4)[None])
    np.testing.assert_array_equal(one.values["deletion"], same.values["deletion"])


@pytest.mark.parametrize(
    ("name", "maps", "options", "line"),
    [
        ("insertion_delet", np.zeros((2, 4, 4)), {}, "did you mean insertion_deletion"),
        ("insertion_deletion", np.zeros((3, 4, 4)), {}, "expected (2, h, w)"),
        ("insertion_deletion", np.zeros((4, 4)), {}, "expected (2, h, w)"),
        ("insertion_deletion", np.zeros((2, 4, 4)), {"protocl": "igos"}, "did you mean protocol"),
    ],
)
def test_measure_refuses(
    clf: ToyClassifier, name: str, maps: Array, options: dict[str, Any], line: str
) -> None:
    with pytest.raises(pysal.PysalError) as caught:
        pysal.measure(name, clf, clf.photos(2), maps, **options)
    assert line in str(caught.value)
    assert clf.passes == Passes()


def test_concat_pads_traces_that_stopped_early() -> None:
    def part(length: int) -> Attribution:
        zeros = np.zeros((1, 2, 2), np.float32)
        target = Target(np.array([length]))
        trace = {"loss": np.ones((1, length))}
        score = np.ones(1, np.float32)
        return Attribution(zeros, zeros, target, score, "m", {}, Passes(1, 1), 0.5, trace)

    both = Attribution.concat([part(2), part(3)])
    assert np.isnan(both.trace["loss"]).sum() == 1
    assert both.passes == Passes(2, 2)
    assert both.seconds == 1.0
    assert both.target.index.tolist() == [2, 3]
    with pytest.raises(pysal.OptionError, match="at least one"):
        Attribution.concat([])


def test_assumed_preprocessing_is_said_once(tmp_path: Path, clf: ToyClassifier) -> None:
    model = write_model(tmp_path / "tiny.onnx")
    batch = clf.photos(2)
    with pytest.warns(UserWarning, match="no preprocessing") as caught:
        a = pysal.explain(model, batch, batch_size=1, **FAST)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="no preprocessing"):
        pysal.measure("insertion_deletion", model, batch, a.native)
    record = pysal.Preprocess.default((3, 16, 16)).to_dict()
    pysal.explain(model, batch, preprocess=record, **FAST)


def test_registries() -> None:
    assert pysal.methods() is api.methods()
    assert pysal.metrics() is api.metrics()
    for entry in [*pysal.methods().values(), *pysal.metrics().values()]:
        assert callable(entry.load())
        assert entry.summary
        assert entry.cost
        assert entry.source
