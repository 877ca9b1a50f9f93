"""What counts as the images of an evaluation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import write_photo

import pysal
from pysal.evaluation.images import as_items, digest


@dataclasses.dataclass(frozen=True)
class Sample:
    path: Path
    name: str
    label: int | None = None


def test_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.png", ".hidden.png", "notes.txt", "a.JPG"):
        (tmp_path / name).write_text("")
    items = as_items(tmp_path)
    assert [(i.image, i.name, i.label, i.has_truth) for i in items] == [
        (tmp_path / "a.JPG", "a", None, False),
        (tmp_path / "b.png", "b", None, False),
    ]
    assert [item.name for item in as_items(str(tmp_path), 1)] == ["a"]


def test_folders_of_classes_and_tables(tmp_path: Path) -> None:
    for name in ("7/a.png", "3/b.png"):
        (tmp_path / name).parent.mkdir()
        write_photo(tmp_path / name)
    assert [(i.name, i.label) for i in as_items(tmp_path)] == [("3/b", 3), ("7/a", 7)]
    (tmp_path / "boxes.csv").write_text("7/a.png,1,20,15,30,25\n")
    (found,) = as_items(tmp_path / "boxes.csv")
    assert found.has_truth
    assert len(found.truth(pysal.Preprocess()).regions) == 1


def test_one_file_is_one_image(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "p.png")
    assert [(i.image, i.name, i.has_truth) for i in as_items(path)] == [(path, "p.png", False)]


def test_lists_samples_and_arrays() -> None:
    array, picture = np.zeros((3, 4, 4), np.float32), Image.new("RGB", (4, 4))
    items = as_items(["x/a.jpg", Path("b.jpg"), array, picture, Sample(Path("c.jpg"), "c", 7)])
    assert [i.name for i in items] == ["x/a.jpg", "b.jpg", "image_2", "image_3", "c"]
    assert [i.label for i in items] == [None] * 4 + [7]
    assert items[2].image is array
    assert items[4].image == Path("c.jpg")


def test_limit_reads_no_more_than_it_needs() -> None:
    asked = []

    class Endless:
        def __iter__(self):
            while True:
                asked.append(len(asked))
                yield f"{len(asked)}.jpg"

    assert [i.name for i in as_items(Endless(), 3)] == ["1.jpg", "2.jpg", "3.jpg"]
    assert len(asked) == 3


def test_digest_sees_names_labels_and_pixels() -> None:
    def of(*entries: object) -> str:
        return digest(as_items(list(entries)))

    one, other = np.zeros((3, 4, 4)), np.ones((3, 4, 4))
    different = {
        of("a.jpg"), of("b.jpg"), of("a.jpg", "b.jpg"), of("b.jpg", "a.jpg"), of(one), of(other),
        of(Sample(Path("a.jpg"), "a.jpg", 1)), of(Sample(Path("a.jpg"), "a.jpg", 2)),
    }  # fmt: skip
    assert len(different) == 8
    assert of("a.jpg") == of("a.jpg")


def test_mistakes(tmp_path: Path) -> None:
    for images, line in (
        (tmp_path / "none", "no such folder"),
        (tmp_path, "0 images"),
        ([], "0 images"),
        (7, "images is a int"),
    ):
        with pytest.raises(pysal.InputError, match=line):
            as_items(images)
