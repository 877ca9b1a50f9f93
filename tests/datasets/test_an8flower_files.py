import json

import numpy as np
import pytest
from PIL import Image

from pysal.datasets import an8flower, open_dataset
from pysal.datasets.an8flower_files import view_names
from pysal.errors import InputError, OptionError
from pysal.preprocess import Preprocess

pytest.importorskip("pyvista")

VARIANT = "single-6c"
SMALL = Preprocess(size=(112, 112), resize_shorter_side=112)


@pytest.fixture(scope="module")
def look():
    return an8flower.VARIANTS[VARIANT]


@pytest.fixture(scope="module")
def written(tmp_path_factory, look):
    """Two classes, in one frame of each of the first two folds."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(an8flower.VARIANTS, "small", {name: look[name] for name in ("red", "blue")})
        assert an8flower.write_dataset(folder, "small", frames=[3, 9]) == 100
    return folder


def test_write_dataset_resumes(tmp_path, monkeypatch, look):
    monkeypatch.setitem(an8flower.VARIANTS, "small", {"red": look["red"]})
    assert an8flower.write_dataset(tmp_path, "small", frames=[3]) == 25
    assert an8flower.write_dataset(tmp_path, "small", frames=[3]) == 0
    lost = tmp_path / "masks/red/img4/p2/r5.png"
    lost.unlink()
    with pytest.raises(InputError, match="masks of red/img4 are missing"):
        open_dataset(tmp_path)
    assert an8flower.write_dataset(tmp_path, "small", frames=[3]) == 25
    pairs = list(an8flower.augment(*an8flower.render(VARIANT, "red", 3)))
    np.testing.assert_array_equal(np.asarray(Image.open(lost)) > 0, pairs[9][1])
    image = Image.open(tmp_path / "images/red/img4/p2/r5.png")
    np.testing.assert_array_equal(np.asarray(image), pairs[9][0])
    assert an8flower.write_dataset(tmp_path / "plain", "small", frames=[3], augmented=False) == 1
    assert [sample.name for sample in open_dataset(tmp_path / "plain")] == ["red/img4"]
    assert json.loads((tmp_path / "dataset.json").read_text())["classes"] == ["red"]
    assert not list(tmp_path.rglob("*.part"))
    with pytest.raises(OptionError, match="holds an8Flower-small, rendered by pysal; give another"):
        an8flower.write_dataset(tmp_path, "part-2c", frames=[3])


def test_masks_are_the_truth(written):
    found = open_dataset(written)
    assert found.name == "an8Flower-small"
    expected = [name for cls in ("red", "blue") for k in (3, 9) for name in view_names(cls, k)]
    assert [sample.name for sample in found] == expected
    assert found.labels == [0] * 50 + [1] * 50
    pairs = list(an8flower.augment(*an8flower.render(VARIANT, "blue", 3)))
    for sample, (_, mask) in list(zip(found[50:], pairs, strict=False))[::8]:
        truth = sample.truth(SMALL)
        assert (truth.size, truth.label) == ((250, 250), 1)
        region = truth.region(1)
        np.testing.assert_array_equal(region.mask, mask)
        rows, columns = np.nonzero(mask)
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        np.testing.assert_array_equal(region.boxes, [box])
        assert truth.region(0) is None


def test_folds_split_by_frame(written):
    tests = [
        [s.name for s in an8flower.read_dataset(written, fold=fold, split="test")]
        for fold in (0, 1)
    ]
    assert {name.split("/")[1] for name in tests[0]} == {"img4"}
    assert {name.split("/")[1] for name in tests[1]} == {"img10"}
    train = [s.name for s in an8flower.read_dataset(written, fold=0, split="train")]
    assert train == tests[1]
    with pytest.raises(InputError, match="has 0 images"):
        an8flower.read_dataset(written, fold=4)
    with pytest.raises(OptionError, match="fold is 5"):
        an8flower.read_dataset(written, fold=5)
    with pytest.raises(OptionError, match='split is "val"'):
        an8flower.read_dataset(written, split="val")


def test_classes_may_be_those_of_another_model(written):
    found = open_dataset(written, classes=["green", "blue", "red"])
    assert found.labels == [2] * 50 + [1] * 50
    assert found[0].truth(SMALL).regions[0].classes == {2}
    with pytest.raises(InputError, match='class "red" is unknown'):
        open_dataset(written, classes=["blue"])


def test_a_crop_without_region_has_none(written, tmp_path):
    for kind in ("images", "masks"):
        pixels = np.zeros((250, 250, 3) if kind == "images" else (250, 250), np.uint8)
        for name in view_names("red", 0, augmented=False):
            path = tmp_path / kind / f"{name}.png"
            path.parent.mkdir(parents=True)
            Image.fromarray(pixels).save(path)
    (tmp_path / "dataset.json").write_text('{"dataset": "x", "classes": ["red"]}')
    (sample,) = open_dataset(tmp_path)
    assert sample.truth(SMALL).regions == ()
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "masks/red/img1.png")
    with pytest.raises(InputError, match=r"has size \(9, 9\)"):
        sample.truth(SMALL)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="make it with write_dataset"):
        an8flower.read_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text("[1]")
    with pytest.raises(InputError, match="make it with write_dataset"):
        an8flower.read_dataset(tmp_path)
