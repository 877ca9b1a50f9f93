"""`pysal.study` gives what the functions give for the images, labels and masks of a data set."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pooled import CLASSES, SIZE, write_network

import pysal
from pysal.backends.ort import OrtClassifier
from pysal.features import select_features
from pysal.studies import compare_fillers, feature_reconstruction, filter_ablation
from pysal.truth import Region, Truth
from pysal.types import Array, Passes

RNG = np.random.default_rng(3)
PHOTOS = RNG.normal(size=(16, 3, SIZE, SIZE)).astype(np.float32)
LABELS = np.arange(16) % 4
HALVES = (
    np.arange(16).reshape(-1, 2, 4)[:, 0].ravel(),
    np.arange(16).reshape(-1, 2, 4)[:, 1].ravel(),
)
BOX = np.array([[4.0, 5.0, 12.0, 15.0]])


@dataclasses.dataclass(frozen=True)
class Sample:
    """An image of a data set, as an array; one region shows class `shows`."""

    path: Array
    name: str
    label: int | None
    shows: int | None = None

    @property
    def regions(self) -> tuple[()] | None:
        return None if self.shows is None else ()

    def truth(self, preprocess: pysal.Preprocess) -> Truth:
        assert self.shows is not None
        big = 2 * SIZE  # boxes are known at another resolution than the network's
        region = Region("thing", frozenset({self.shows}), 2 * BOX)
        return Truth((big, big), self.label, (region,))


@pytest.fixture(scope="module")
def clf(tmp_path_factory: pytest.TempPathFactory) -> OrtClassifier:
    path = write_network(tmp_path_factory.mktemp("net") / "net.onnx")
    preprocess = pysal.Preprocess.default((3, SIZE, SIZE))
    return OrtClassifier(path, threads=1, preprocess=preprocess)


@pytest.fixture
def samples() -> list[Sample]:
    return [Sample(photo, f"p{i}", int(LABELS[i])) for i, photo in enumerate(PHOTOS)]


def same(a: Any, b: Any) -> None:
    """The same figures, whatever time they took."""
    np.testing.assert_equal(a.table(), b.table())
    assert a.passes == b.passes
    assert a.count == b.count


def test_ablation_selects_on_half_of_each_class(clf: OrtClassifier, samples: list[Sample]) -> None:
    train, test = HALVES
    options: dict[str, Any] = {"points": 2, "draws": 1, "seed": 4}
    found = pysal.study("filter_ablation", clf, samples, mu=5.0, **options)
    features = select_features(clf, PHOTOS[train], LABELS[train], mu=5.0)
    same(found, filter_ablation(clf, PHOTOS[test], LABELS[test], features, **options))
    first = found.table()["all 0"]
    assert first["mca"] == first["random_mca"]
    alone = pysal.study("filter_ablation", clf, samples, features=features, draws=0)
    assert alone.count == 16  # nothing is selected, so all images are judged
    assert np.isnan(alone.table()["all 0"]["random_mca"])


def test_saved_features_and_a_set_of_their_own(
    clf: OrtClassifier, samples: list[Sample], tmp_path: Path
) -> None:
    features = select_features(clf, PHOTOS[:8], LABELS[:8], mu=5.0)
    features.save(tmp_path / "f.npz")
    a = pysal.study("filter_ablation", clf, samples[8:], features=str(tmp_path / "f.npz"), points=2)
    b = pysal.study("filter_ablation", clf, samples[8:], train=samples[:8], mu=5.0, points=2)
    same(a, b)


@pytest.mark.filterwarnings("ignore:mu-lasso")
def test_reconstruction(clf: OrtClassifier, samples: list[Sample]) -> None:
    train, test = HALVES
    found = pysal.study("feature_reconstruction", clf, samples, mu=[1, 4])
    same(
        found,
        feature_reconstruction(
            clf, PHOTOS[train], LABELS[train], PHOTOS[test], LABELS[test], mu=[1, 4]
        ),
    )
    assert set(found.table()) == {"mu 1", "mu 4"}


def test_fillers_fill_what_shows_the_label_or_the_top_class(clf: OrtClassifier) -> None:
    top = clf.score(PHOTOS[:4]).argmax(axis=1).tolist()
    samples = [
        Sample(PHOTOS[0], "labelled", 2, shows=2),
        Sample(PHOTOS[1], "top", None, shows=top[1]),
        Sample(PHOTOS[2], "shows another", None, shows=(top[2] + 1) % CLASSES),
        Sample(PHOTOS[3], "unknown", 1),
    ]
    found = pysal.study(
        "compare_fillers", clf, samples, fillers=["mean"], measures=["accuracy"], batch_size=2
    )
    masks = np.zeros((4, SIZE, SIZE), bool)
    masks[:2, 5:15, 4:12] = True
    expected = compare_fillers(
        clf, PHOTOS[:4], [2, top[1], top[2], 1], masks, fillers=["mean"], measures=["accuracy"]
    )
    np.testing.assert_equal(found.table(), expected.table())
    assert found.count == 2
    assert found.passes == expected.passes + Passes(2, 0)  # two top classes were searched


@pytest.mark.parametrize(
    ("name", "given", "line"),
    [
        ("filter", {}, 'study "filter" is unknown; did you mean filter_ablation'),
        ("filter_ablation", {"mux": 1}, 'study "filter_ablation" has no option "mux"'),
        ("filter_ablation", {"labels": [1]}, "filter_ablation: labels come from the data set"),
        (
            "filter_ablation",
            {"features": "f.npz", "mu": 2},
            "filter_ablation: features are given and mu too",
        ),
        (
            "compare_fillers",
            {"train": ["p0"]},
            "compare_fillers: train is given and no features are selected",
        ),
        ("compare_fillers", {}, "compare_fillers fills what the images show, and of these 16"),
        ("feature_reconstruction", {"limit": 3}, "feature_reconstruction: class 0 has 1 image"),
        (
            "feature_reconstruction",
            {"train": ["a.jpg"]},
            "feature_reconstruction: 1 of 1 train have no label, the first a.jpg",
        ),
    ],
)
def test_refusals_are_one_line(
    name: str, given: dict[str, Any], line: str, clf: OrtClassifier, samples: list[Sample]
) -> None:
    with pytest.raises(pysal.OptionError) as caught:
        pysal.study(name, clf, samples, **given)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
