import json
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pysal.datasets import open_dataset
from pysal.datasets.coco_imagenet import COCO_TO_IMAGENET
from pysal.errors import InputError, MissingDependencyError, OptionError
from pysal.preprocess import Preprocess

pytest.importorskip("pycocotools")

WHOLE = Preprocess(size=(8, 8), resize_shorter_side=None, crop="none")
CENTRE = Preprocess(size=(20, 20), resize_shorter_side=20)


def annotation(key, image, category, box, segmentation, crowd=0):
    return {
        "id": key,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "segmentation": segmentation,
        "iscrowd": crowd,
    }


def rectangle(left, top, right, bottom):
    return [left, top, right, top, right, bottom, left, bottom]


def runs(mask):
    """Uncompressed run lengths, column by column, zeros first."""
    flat = np.concatenate([[False], mask.ravel(order="F")])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    return {"size": list(mask.shape), "counts": counts}


TWO_PIECES = [rectangle(20, 5, 40, 11), rectangle(2, 14, 6, 18)]
CROWD = np.zeros((20, 40), bool)
CROWD[2:7, 30:38] = CROWD[10, 33] = True


@pytest.fixture
def record():
    return {
        "images": [
            {"id": 7, "file_name": "b.png", "width": 40, "height": 20},
            {"id": 3, "file_name": "a.png", "width": 40, "height": 20},
        ],
        "categories": [
            {"id": 18, "name": "dog"},
            {"id": 1, "name": "person"},
            {"id": 53, "name": "apple"},
        ],
        "annotations": [
            annotation(1, 7, 18, [4, 2, 10, 6], [rectangle(4, 2, 14, 8)]),
            annotation(
                2, 7, 18, [20, 5, 30, 6], [rectangle(20, 5, 40, 11), rectangle(2, 14, 6, 18)]
            ),
            annotation(3, 7, 1, [30, 2, 8, 9], runs(CROWD), crowd=1),
            annotation(4, 3, 53, [0, 0, 5, 5], []),
        ],
    }


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / name)
    return tmp_path


def save(folder, record):
    path = folder / "instances.json"
    path.write_text(json.dumps(record))
    return path


def test_boxes_and_masks_per_category(folder, record):
    found = open_dataset(save(folder, record))
    assert [(s.name, s.label) for s in found] == [("b", None), ("a", None)]
    truth = found[0].truth(WHOLE)
    assert truth.size == (20, 40)
    person, dog = truth.regions
    # Categories in the order of their ids are the classes.
    assert (person.name, person.classes, dog.name, dog.classes) == ("person", {0}, "dog", {1})
    np.testing.assert_array_equal(dog.boxes, [[4, 2, 14, 8], [20, 5, 40, 11]])
    expected = np.zeros((20, 40), bool)
    expected[2:8, 4:14] = expected[5:11, 20:40] = expected[14:18, 2:6] = True
    np.testing.assert_array_equal(dog.mask, expected)
    np.testing.assert_array_equal(person.mask, CROWD)
    assert (person.difficult, dog.difficult) == (True, False)


def test_compressed_run_lengths(folder, record):
    from pycocotools import mask as coding

    packed = coding.encode(np.asfortranarray(CROWD.astype(np.uint8)))
    packed["counts"] = packed["counts"].decode()
    record["annotations"] = [annotation(1, 7, 18, [30, 2, 8, 9], packed)]
    (dog,) = open_dataset(save(folder, record))[0].truth(WHOLE).regions
    np.testing.assert_array_equal(dog.mask, CROWD)


def test_instances_without_outline_have_boxes_only(folder, record):
    truth = open_dataset(save(folder, record))[1].truth(WHOLE)
    assert truth.region(2).mask is None
    assert truth.region(2).pixels((20, 40)).sum() == 25


def test_truth_is_cut_to_what_is_seen(folder, record):
    truth = open_dataset(save(folder, record))[0].truth(CENTRE)
    # Of 40 x 20 pixels, columns 10 to 30 are seen: the crowd is not.
    (dog,) = truth.regions
    np.testing.assert_array_equal(dog.boxes, [[0, 2, 4, 8], [10, 5, 20, 11]])
    assert dog.mask.sum() == 6 * 4 + 6 * 10


def test_meanings_of_categories(folder, record):
    path = save(folder, record)
    (dog,) = open_dataset(path, classes="imagenet")[0].truth(WHOLE).regions
    assert dog.classes == set(range(151, 269))
    (dog,) = open_dataset(path, classes={"dog": [4, 5]})[0].truth(WHOLE).regions
    assert dog.classes == {4, 5}
    (dog,) = open_dataset(path, classes=["fox", "dog"])[0].truth(WHOLE).regions
    assert dog.classes == {1}
    with pytest.raises(OptionError, match="classes has doog; expected categories"):
        open_dataset(path, classes={"doog": 1, "dog": 2})
    with pytest.raises(OptionError, match="classes has none of the categories"):
        open_dataset(path, classes=["fox", "wolf"])


def test_labels_choose_photos(folder, record):
    (folder / "labels.csv").write_text("a.png,200\n")
    found = open_dataset(
        folder, annotations=save(folder, record), labels=folder / "labels.csv", classes="imagenet"
    )
    assert [(s.name, s.label) for s in found] == [("a", 200)]
    assert found[0].truth(WHOLE).region(948).classes == {948}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("categories"), 'has no list "categories"'),
        (lambda r: r["images"][0].pop("width"), 'an entry of "images" lacks width'),
        (lambda r: r["annotations"][0].pop("bbox"), 'an entry of "annotations" lacks bbox'),
        (lambda r: r["images"].append(r["images"][0]), r"b\.png is listed twice"),
        (lambda r: r["images"][0].update(id=3), "two images have the same id"),
        (lambda r: r["images"][0].update(file_name="c.png"), r"c\.png is not in"),
        (lambda r: r["annotations"][0].update(image_id=8), "annotation 1 is for image 8"),
        (
            lambda r: r["annotations"][0].update(bbox=[1, 2, 3]),
            r"annotation 1 has bbox \[1, 2, 3\]",
        ),
        (lambda r: r["annotations"][0].update(bbox=[1, 2, 3, "4"]), "annotation 1 has bbox"),
        (lambda r: r["annotations"][0].update(bbox=[1, 2, -3, 4]), "annotation 1 has bbox"),
        (lambda r: r["annotations"][0].update(category_id=2), "image 7 and category 2"),
    ],
)
def test_files_that_are_wrong_are_named(folder, record, change, message):
    change(record)
    path = save(folder, record)
    with pytest.raises(InputError, match=message) as caught:
        open_dataset(path)
    assert str(caught.value).startswith(str(path))


def test_text_that_is_not_json(folder):
    (folder / "x.json").write_text("{")
    with pytest.raises(InputError, match=r"x\.json: is not JSON"):
        open_dataset(folder / "x.json")
    with pytest.raises(InputError, match=r"absent\.json: No such file or directory") as caught:
        open_dataset(folder, annotations=folder / "absent.json")
    assert "JSON" not in str(caught.value)


def test_what_is_wrong_with_one_photo_is_said_when_it_is_read(folder, record):
    record["images"][0]["width"] = 50
    with pytest.raises(InputError, match="has 40 x 20 pixels, its annotations are for 50 x 20"):
        open_dataset(save(folder, record))[0].truth(WHOLE)
    record["images"][0]["width"] = 40
    record["annotations"][0]["segmentation"] = [[1, 2, 3]]
    with pytest.raises(InputError, match=r"segmentation of annotation 1 cannot be read"):
        open_dataset(save(folder, record))[0].truth(WHOLE)


def test_missing_package_is_named(folder, record, monkeypatch):
    found = open_dataset(save(folder, record))
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(MissingDependencyError, match=r"pysal-saliency\[coco\]"):
        found[0].truth(WHOLE)
    assert found[1].truth(WHOLE).region(2) is not None


def test_table_of_imagenet_is_disjoint_and_complete():
    assert len(COCO_TO_IMAGENET) == 80
    rows = [row for found in COCO_TO_IMAGENET.values() for row in found]
    assert len(rows) == len(set(rows))
    assert all(0 <= row < 1000 for row in rows)


def test_real_photos(data):
    found = open_dataset(
        data / "photos", annotations=data / "photos" / "instances.json", classes="imagenet"
    )
    assert len(found) == 60
    record = json.loads((data / "photos" / "instances.json").read_text())
    names = {entry["id"]: entry["name"] for entry in record["categories"]}
    assert set(names.values()) == set(COCO_TO_IMAGENET)
    for sample, image in list(zip(found, record["images"], strict=True))[:8]:
        size = image["height"], image["width"]
        for region in sample.truth(WHOLE).regions:
            rows = [
                row
                for row in record["annotations"]
                if row["image_id"] == image["id"] and names[row["category_id"]] == region.name
            ]
            drawn = Image.new("1", size[::-1])
            for polygon in (polygon for row in rows for polygon in row["segmentation"]):
                ImageDraw.Draw(drawn).polygon(polygon, fill=1)
            drawn = np.asarray(drawn)
            assert (drawn & region.mask).sum() > 0.9 * (drawn | region.mask).sum()
            assert len(region.boxes) == len(rows)
            # Masks lie in the boxes, up to rounding.
            grown = np.round(np.add(region.boxes, (-1, -1, 1, 1)))
            inside = np.zeros(size, bool)
            for left, top, right, bottom in np.clip(grown, 0, None).astype(int):
                inside[top:bottom, left:right] = True
            assert not (region.mask & ~inside).any()
