from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest
from PIL import Image

from pysal.errors import InputError, MissingDependencyError, OptionError, ShapeError
from pysal.heatmap import ConstantMapWarning
from pysal.report.figure import explanation_figure
from pysal.types import Attribution, MetricResult, ModelInfo, Passes, Target

pytest.importorskip("matplotlib")


def attribution() -> Attribution:
    rng = np.random.default_rng(0)
    return Attribution(
        map=rng.normal(size=(2, 24, 24)).astype(np.float32),
        native=rng.normal(size=(2, 6, 6)).astype(np.float32),
        target=Target(np.array([0, 1])),
        score=np.array([0.9, 0.1], np.float32),
        method="igos",
        options={},
        passes=Passes(2, 2),
        seconds=0.1,
        images=rng.random((2, 24, 24, 3)).astype(np.float32),
        model=ModelInfo("net", (3, 24, 24), 2, labels=("price in $ and _", "x" * 90)),
    )


def curves(metric="insertion_deletion", count=2) -> MetricResult:
    fraction = np.linspace(0, 1, 9)
    rows = np.tile(fraction, (count, 1))
    return MetricResult(
        metric=metric,
        values={"insertion": rows.mean(axis=1), "deletion": 1 - rows.mean(axis=1)},
        curves={"fraction": fraction, "insertion": rows, "deletion": 1 - rows},
        options={},
        passes=Passes(),
        seconds=0.0,
    )


def test_three_panels_or_five(tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules  # by another test of this process
    mask = np.zeros((24, 24), bool)
    mask[4:10, 5:15] = True
    plain = explanation_figure(attribution(), 0, tmp_path / "new" / "a.png")
    assert plain == str(tmp_path / "new" / "a.png")
    wide = explanation_figure(
        attribution(), 1, tmp_path / "b.png", curves=curves(), mask=mask, signed=True
    )
    with Image.open(plain) as three, Image.open(wide) as five:
        assert five.width * 3 == three.width * 5
        assert np.asarray(five.convert("L")).std() > 10
    assert ("matplotlib.pyplot" in sys.modules) == loaded


def test_a_constant_map_is_drawn_and_said_once(tmp_path):
    flat = dataclasses.replace(attribution(), map=np.ones((2, 24, 24), np.float32))
    with pytest.warns(ConstantMapWarning) as said:
        explanation_figure(flat, 0, tmp_path / "a.png")
    assert len(said) == 1


def test_wrong_use_is_refused(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(OptionError, match="0 to 1"):
        explanation_figure(attribution(), 2, path)
    with pytest.raises(ShapeError, match="mask"):
        explanation_figure(attribution(), 0, path, mask=np.zeros((3, 3)))
    with pytest.raises(ShapeError, match="same batch"):
        explanation_figure(attribution(), 0, path, curves=curves(count=3))
    other = dataclasses.replace(curves("iou"), curves={})
    with pytest.raises(OptionError, match="insertion_deletion"):
        explanation_figure(attribution(), 0, path, curves=other)
    with pytest.raises(InputError, match="images"):
        explanation_figure(dataclasses.replace(attribution(), images=None), 0, path)
    with pytest.raises(InputError, match="cannot be written"):
        explanation_figure(attribution(), 0, tmp_path)
    assert not path.exists()


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="viz"):
        explanation_figure(attribution(), 0, tmp_path / "a.png")
