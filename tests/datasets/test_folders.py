import numpy as np
import pytest
from PIL import Image

from pysal.datasets import Dataset, Sample, open_dataset
from pysal.errors import InputError, OptionError
from pysal.photos import load_photos
from pysal.preprocess import Preprocess

SMALL = Preprocess(size=(8, 8), resize_shorter_side=10)


def photo(path, width=30, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def flat(tmp_path):
    for name in ("b.png", "a.JPG", "c.jpeg", ".hidden.png"):
        photo(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no photo")
    return tmp_path


def test_flat_folder_is_sorted_and_has_no_labels(flat):
    found = open_dataset(flat)
    assert [sample.name for sample in found] == ["a", "b", "c"]
    assert found.labels == [None] * 3
    assert found.paths == [flat / name for name in ("a.JPG", "b.png", "c.jpeg")]
    assert found.name == flat.name
    assert len(load_photos(found.paths, SMALL)) == 3
    truth = found[0].truth(SMALL)
    assert (truth.size, truth.label, truth.regions) == ((16, 16), None, ())


def test_slices_are_data_sets(flat):
    found = open_dataset(flat)[1:]
    assert isinstance(found, Dataset)
    assert [sample.name for sample in found] == ["b", "c"]
    assert isinstance(found[-1], Sample)
    with pytest.raises(InputError, match="0 images"):
        found[:0]
    with pytest.raises(IndexError):
        found[2]


def test_broken_photos_are_listed_and_refused_later(flat):
    (flat / "d.png").write_text("broken")
    found = open_dataset(flat)
    assert found[3].name == "d"
    with pytest.raises(InputError, match=r"d\.png: cannot be read"):
        found[3].truth(SMALL)


def test_names_differ_even_where_only_the_suffix_does(flat):
    photo(flat / "a.png")
    photo(flat / "B.bmp")
    names = [sample.name for sample in open_dataset(flat)]
    assert sorted(names) == ["B.bmp", "a.JPG", "a.png", "b.png", "c"]


def test_folders_per_class(tmp_path):
    for name in ("dog/2.png", "dog/1.png", "cat/sub/1.png"):
        photo(tmp_path / name)
    found = open_dataset(tmp_path)
    assert [(sample.name, sample.label) for sample in found] == [
        ("cat/sub/1", 0),
        ("dog/1", 1),
        ("dog/2", 1),
    ]
    assert open_dataset(tmp_path, classes={"dog": 7, "cat": 2}).labels == [2, 7, 7]
    assert open_dataset(tmp_path, classes=["fox", "dog", "cat"]).labels == [2, 1, 1]
    with pytest.raises(InputError, match=r'cat: class "cat" is unknown'):
        open_dataset(tmp_path, classes=["fox", "dog"])
    with pytest.raises(InputError, match=r"dog: label is 1; expected 0 to 0"):
        open_dataset(tmp_path, classes=1)
    photo(tmp_path / "stray.png")
    with pytest.raises(InputError, match="holds 1 photos and 3 in sub-folders"):
        open_dataset(tmp_path)


def test_folders_that_are_numbers_are_indices(tmp_path):
    for name in ("10", "2", "0"):
        photo(tmp_path / name / "x.png")
    assert {s.name: s.label for s in open_dataset(tmp_path)} == {"0/x": 0, "10/x": 10, "2/x": 2}


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def test_labels_list_the_photos(flat, tmp_path):
    table = write(tmp_path / "set.csv", "file,label", "c.jpeg,1", "", 'b,"tench, Tinca tinca"')
    found = open_dataset(flat, labels=table, classes=["tench, Tinca tinca", "dog"])
    assert [(s.name, s.label) for s in found] == [("c", 1), ("b", 0)]
    assert found.name == "set"
    assert found[0].truth(SMALL).label == 1
    assert open_dataset(table, classes=["tench, Tinca tinca", "dog"]) == found


def test_labels_find_photos_in_sub_folders(tmp_path):
    photo(tmp_path / "images/val/x.jpg")
    table = write(tmp_path / "set.csv", "x.jpg,3")
    assert open_dataset(tmp_path, labels=table)[0].name == "images/val/x"
    photo(tmp_path / "images/train/x.jpg")
    with pytest.raises(InputError, match=r"line 1: x\.jpg is 2 photos"):
        open_dataset(tmp_path, labels=table)
    table = write(tmp_path / "set.csv", "images/val/x.jpg,3")
    assert open_dataset(tmp_path, labels=table)[0].name == "images/val/x"


def test_labels_may_name_photos_elsewhere(flat, tmp_path):
    (tmp_path / "sub").mkdir()
    photo(tmp_path / "other/b.png")
    lines = "../b.png,3", f"{tmp_path / 'c.jpeg'},1", "../other/b.png,2"
    found = open_dataset(tmp_path / "sub", labels=write(tmp_path / "set.csv", *lines))
    assert [(s.name, s.label) for s in found] == [("b.png", 3), ("c", 1), ("b.png_1", 2)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("b.png", "line 2: has 1 fields; expected 2"),
        ("b.png,1,2", "line 2: has 3 fields; expected 2"),
        ("z.png,1", r"line 2: z\.png is not in"),
        ("b.jpg,1", r"line 2: b\.jpg is not in"),
        ("a.JPG,1", r"line 2: a\.JPG is listed twice"),
        ("b.png,4", "line 2: label is 4; expected 0 to 3"),
        ("b.png,-1", "line 2: label is -1; expected 0 to 3"),
        ("b.png,dog", 'line 2: class "dog" is unknown'),
    ],
)
def test_rows_that_are_wrong_are_named(flat, line, message):
    table = write(flat / "set.csv", "a.JPG,0", line)
    with pytest.raises(InputError, match=message):
        open_dataset(flat, labels=table, classes=4)


def test_folders_and_arguments_that_are_wrong(flat, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        open_dataset(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: has 0 images"):
        open_dataset(tmp_path / "empty")
    with pytest.raises(InputError, match=r"b\.png: is a file; expected a folder"):
        open_dataset(flat / "b.png")
    with pytest.raises(InputError, match="No such file"):
        open_dataset(flat, labels=tmp_path / "none.csv")
    table = write(tmp_path / "set.csv", "a.JPG,0")
    with pytest.raises(OptionError, match="is a table itself"):
        open_dataset(table, labels=table)
    with pytest.raises(OptionError, match=r'has suffix "\.xml"'):
        open_dataset(flat, annotations=tmp_path / "set.xml")
    with pytest.raises(InputError, match="has 0 images"):
        open_dataset(flat, labels=write(tmp_path / "none.csv", ""))
