import numpy as np
import pytest
from PIL import Image

from pysal.datasets import open_dataset
from pysal.errors import InputError
from pysal.preprocess import Preprocess
from pysal.truth import box_mask

WHOLE = Preprocess(size=(8, 8), resize_shorter_side=None, crop="none")
CENTRE = Preprocess(size=(20, 20), resize_shorter_side=20)
PLAIN = (
    "file,label,left,top,right,bottom",
    "a.JPEG,1,2,3,12,13.5",
    "b,dog,0,0,5,5",
    "a,1,20,0,44,9",
    "b,cat,3,4,5,6",
    "b,dog,6,6,9,9",
)
KAGGLE = (
    "ImageId,PredictionString",
    "a,n00000001 2 3 12 13.5 n00000001 20 0 44 9 ",
    "b,n00000002 0 0 5 5 n00000000 3 4 5 6 n00000002 6 6 9 9",
)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "val").mkdir()
    for name in ("a.JPEG", "val/b.JPEG"):
        Image.fromarray(rng.integers(0, 255, (20, 40, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "synsets.txt").write_text(
        "n00000000 cat\nn00000001 fox, Vulpes vulpes\nn00000002 dog\n"
    )
    return tmp_path


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(params=[PLAIN, PLAIN[1:], KAGGLE], ids=["plain", "no header", "kaggle"])
def found(request, folder):
    table = write(folder / "boxes.csv", *request.param)
    return open_dataset(folder, annotations=table, classes=folder / "synsets.txt")


def test_boxes_become_regions_by_class(found):
    assert [(s.name, s.label) for s in found] == [("a", 1), ("val/b", None)]
    truth = found[0].truth(WHOLE)
    assert (truth.size, truth.label) == ((20, 40), 1)
    (region,) = truth.regions
    # The second box is cut to the photo.
    np.testing.assert_array_equal(region.boxes, [[2, 3, 12, 13.5], [20, 0, 40, 9]])
    assert region.classes == {1}
    assert region.mask is None
    assert not region.difficult
    both = found[1].truth(WHOLE)
    assert both.region(0).boxes.tolist() == [[3, 4, 5, 6]]
    assert both.region(2).boxes.tolist() == [[0, 0, 5, 5], [6, 6, 9, 9]]
    assert both.region(1) is None


def test_truth_is_cut_to_what_is_seen(found):
    # Of 40 x 20 pixels, columns 10 to 30 are seen.
    truth = found[0].truth(CENTRE)
    assert truth.size == (20, 20)
    np.testing.assert_array_equal(truth.regions[0].boxes, [[0, 3, 2, 13.5], [10, 0, 20, 9]])
    whole = box_mask(found[0].truth(WHOLE).regions[0].boxes, (20, 40))
    np.testing.assert_array_equal(truth.regions[0].pixels((20, 20)), whole[:, 10:30])
    assert found[1].truth(CENTRE).regions == ()


def test_boxes_turn_with_the_photo(folder):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = np.zeros((20, 40, 3), np.uint8)
    image[3:14, 2:12] = 255
    Image.fromarray(image).save(folder / "a.JPEG", exif=exif)
    table = write(folder / "boxes.csv", "a.JPEG,0,2,3,12,14")
    truth = open_dataset(folder, annotations=table)[0].truth(WHOLE)
    assert truth.size == (40, 20)
    np.testing.assert_array_equal(truth.regions[0].boxes, [[6, 2, 17, 12]])


def test_labels_choose_photos_and_classes(folder):
    boxes = write(folder / "boxes.csv", *PLAIN)
    labels = write(folder / "labels.csv", "b,cat")
    options = {"labels": labels, "classes": folder / "synsets.txt"}
    found = open_dataset(folder, annotations=boxes, **options)
    assert [(s.name, s.label) for s in found] == [("val/b", 0)]
    assert open_dataset(boxes, **options).labels == [0]
    assert found[0].truth(WHOLE).region(2).boxes.shape == (2, 4)


def test_a_photo_without_boxes_is_kept(folder):
    table = write(folder / "boxes.csv", KAGGLE[0], "a,")
    (sample,) = open_dataset(folder, annotations=table)
    assert sample.label is None
    assert sample.truth(WHOLE).regions == ()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("a,1,2,3,4",), "line 1: has 5 fields; expected 6"),
        (("a,1,2,3,4,5", "b,1,2,3,x,5"), "line 2: box is 2 3 x 5; expected four numbers"),
        (("a,1,2,3,2,5",), "line 1: box is 2 3 2 5; expected left < right"),
        (("a,1,2,3,nan,5",), "line 1: box is 2 3 nan 5; expected left < right"),
        (("c,1,2,3,4,5",), "line 1: c is not in"),
        (("a,3,2,3,4,5",), "line 1: label is 3; expected 0 to 2"),
        ((KAGGLE[0], "a,n00000001 2 3 4"), "line 2: has 4 words; expected"),
        ((KAGGLE[0], "a,n00000001 2 3 4 5,6"), "line 2: has 3 fields; expected"),
        ((KAGGLE[0], "a,n00000009 2 3 4 5"), 'line 2: class "n00000009" is unknown'),
        ((KAGGLE[0], KAGGLE[1], KAGGLE[1]), "line 3: a is listed twice"),
        ((), "is empty"),
    ],
)
def test_rows_that_are_wrong_are_named(folder, lines, message):
    table = write(folder / "boxes.csv", *lines)
    with pytest.raises(InputError, match=message):
        open_dataset(folder, annotations=table, classes=folder / "synsets.txt")


def test_boxes_outside_of_the_photo_are_refused(folder):
    table = write(folder / "boxes.csv", "a,1,50,3,60,5")
    found = open_dataset(folder, annotations=table)
    with pytest.raises(InputError, match="box 50 3 60 5 is outside of the photo of 40 x 20"):
        found[0].truth(WHOLE)
