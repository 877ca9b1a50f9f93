import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from pysal.demo import load_pictures, run_demo


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    pytest.importorskip("matplotlib")
    return run_demo(tmp_path_factory.mktemp("demo"))


def test_every_picture_is_recognized(rows):
    assert [row["label"] for row in rows] == [picture.name for picture in load_pictures()]
    assert min(row["probability"] for row in rows) > 0.5


def test_maps_find_the_flower(rows):
    assert np.mean([row["iou"] for row in rows]) > 0.3
    assert np.mean([row["iou_auc"] for row in rows]) > 15


def test_inserting_scores_higher_than_deleting(rows):
    assert np.mean([row["insertion"] for row in rows]) > np.mean([row["deletion"] for row in rows])
    assert all(row["insertion"] > row["deletion"] for row in rows)


def test_figures_are_written(rows):
    with Image.open(rows[0]["figure"]) as sheet:
        assert sheet.height > 300
    assert all(row["seconds"] > 0 for row in rows)


def test_fewer_pictures_and_progress(tmp_path):
    pytest.importorskip("matplotlib")
    seen = []
    rows = run_demo(tmp_path, images=2, size=7, progress=lambda done, total: seen.append(done))
    assert len(rows) == 2
    assert seen[-1] == 2
    assert seen == sorted(seen)


def test_needs_neither_torch_nor_pyvista(tmp_path):
    pytest.importorskip("matplotlib")
    code = f"""
        import sys
        sys.modules["torch"] = sys.modules["pyvista"] = None
        from pysal.demo import run_demo
        assert run_demo({str(tmp_path)!r}, images=1, size=7)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
