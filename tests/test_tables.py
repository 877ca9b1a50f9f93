"""The programs behind the tables of results, on a tiny network and tiny photos."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tiny
from PIL import Image

from pysal.backends.ort import OrtClassifier
from pysal.datasets import Sample, open_dataset
from pysal.preprocess import Preprocess
from pysal.truth import Region

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NETWORKS = ("first", "second")
SIDE = 176
"""MS-SSIM takes 161 pixels and more."""
small = pytest.mark.parametrize("recognized", [40], indirect=True)
"""For programs without MS-SSIM."""


def open_tables(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[ModuleType]:
    """Modules of benchmarks/tables, as a plain call of a program finds them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.syspath_prepend(str(BENCHMARKS / "tables"))
    return [importlib.import_module(name) for name in names]


@pytest.fixture
def recognized(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> ModuleType:
    """Two networks and two photos, in each of which a thing is that all classes mean."""
    record, module = open_tables(monkeypatch, "record", "recognized")
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(tiny, "SIZE", getattr(request, "param", SIDE))
    networks = {}
    for name, activation in zip(NETWORKS, ("Relu", "Sigmoid"), strict=True):
        path = tiny.write_model(tmp_path / f"{name}.onnx", activation)
        networks[name] = OrtClassifier(path, threads=1)

    def regions(size: tuple[int, int]) -> tuple[Region, ...]:
        mask = np.zeros(size, bool)
        mask[8:32, 12:36] = True
        return (Region("thing", frozenset(range(tiny.CLASSES)), [[12, 8, 36, 32]], mask),)

    samples = []
    for seed in range(2):
        # Detail, so that the blurred copy is the smaller file.
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
        Image.fromarray(pixels).save(path := tmp_path / f"{seed}.png")
        samples.append(Sample(path, path.stem, None, regions))
    monkeypatch.setattr(module, "open_samples", lambda given=None: samples)
    monkeypatch.setattr(module, "networks", lambda: networks, raising=False)
    return module


def run(program: ModuleType, name: str, monkeypatch: pytest.MonkeyPatch, *given: str) -> Any:
    """What a program writes when it is called with some arguments."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *given])
    program.main()
    return json.loads((sys.modules["record"].RESULTS / f"{name}.json").read_text())


def known(table: dict[str, Any], rows: set[str], columns: set[str]) -> None:
    """Check that a table has these rows and columns, and numbers in all of them."""
    assert set(table["ours"]) == rows
    for row in table["ours"].values():
        assert set(row) >= columns
        assert all(math.isfinite(row[column]) for column in columns)


@pytest.fixture
def gmethods(
    recognized: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ModuleType, ModuleType]:
    program, cells, tables, histograms = open_tables(
        monkeypatch, "gmethods", "gmethods_cells", "gmethods_tables", "histograms"
    )
    small = {"samples": 3, "stride": 147, "size": 4, "iterations": 2, "steps": 1}
    methods = {}
    for row, (name, options) in cells.METHODS.items():
        keep = {key: options[key] for key in options if key in ("variant", "output", "filler")}
        also = {
            **{m: ("samples",) for m in ("lime", "lime_g")},
            **{m: ("stride",) for m in ("sliding_patch", "sp_g")},
            **{m: ("size",) for m in ("mp2", "mp2_g")},
            "mp": ("iterations",),
            "fido": ("size", "steps", "samples"),
        }[name]
        methods[row] = (name, keep | {key: small[key] for key in also})
    monkeypatch.setattr(cells, "METHODS", methods)
    sensitive = {}
    for row, (name, _, settings, scale) in cells.SENSITIVITY.items():
        options = {"samples": 5, "num_segments": 9} if "lime" in name else {}
        fewer = [{**s, "stride": 57} if "patch" in s else s for s in settings[:2]]
        fewer = [{"size": 4 * k, "cells": 4 * k} for k in (1, 2)] if "mp2" in name else fewer
        sensitive[row] = (name, options, fewer, scale)
    monkeypatch.setattr(cells, "SENSITIVITY", sensitive)
    monkeypatch.setattr(cells, "SENSITIVE_NETWORK", NETWORKS[0])
    monkeypatch.setattr(cells, "SAMPLES", 3)
    monkeypatch.setattr(tables, "PICTURE", tmp_path / "labels.png")
    monkeypatch.setattr(histograms, "DATA", tmp_path)
    monkeypatch.setattr(program, "open_networks", recognized.networks)
    return program, tables


class TestGMethods:
    def test_tables_are_whole_and_no_cell_is_made_twice(
        self,
        gmethods: tuple[ModuleType, ModuleType],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        program, tables = gmethods
        given = ("--photos", "2", "--minutes", "9", "--sensitivity", "1")
        made = run(program, "gmethods", monkeypatch, *given)
        paper = tables.paper
        rows = {*paper.ACCURACY, "MP2, ranked", "MP2-G, ranked"}
        expected = {
            f"{network}/{row}/{photo}"
            for network in NETWORKS
            for row in (*rows, "fillers", "labels")
            for photo in "01"
        }
        expected |= {f"first/sensitivity {row}/0" for row in paper.SENSITIVITY}
        assert set(made["cells"]) == expected
        assert [k for k, cell in made["cells"].items() if "error" in cell] == []
        found = made["tables"]
        for title in [key for key in found if key[:7] in ("Table 2", "Table 3", "Table 4")]:
            known(found[title], rows, set(NETWORKS))
        for network in NETWORKS:
            table = found[f"Table 1. Fillers, {network}"]
            known(table, set(paper.FILLERS), {"accuracy, %", "MS-SSIM"})
            assert table["ours"]["real"]["accuracy, %"] == 100
        assert set(found["Table S1"]["ours"]) == set(paper.SENSITIVITY)
        assert len(found["Figure 8"]["ours"]) == 4
        assert len(found["differences"]["ours"]) == 4
        assert (tmp_path / "labels.png").is_file()
        assert run(program, "gmethods", monkeypatch, *given)["cells"] == made["cells"]

    def test_a_run_without_time_makes_empty_tables(
        self, gmethods: tuple[ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = run(gmethods[0], "gmethods", monkeypatch, "--photos", "1", "--minutes", "0")
        assert made["cells"] == {}
        assert made["tables"]["Table S1"]["ours"] == {}


@pytest.fixture
def idgi(recognized: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (program,) = open_tables(monkeypatch, "idgi")
    monkeypatch.setattr(program, "LEVELS", 3)
    monkeypatch.setattr(sys.modules["bokeh_images"], "SHARES", (0.0, 1.0))
    monkeypatch.setattr(program, "PICTURES", tmp_path)
    monkeypatch.setattr(program, "open_networks", recognized.networks)
    return program


class TestIdgi:
    def test_tables_are_whole_and_no_cell_is_made_twice(
        self, idgi: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        given = ("--photos", "1", "--minutes", "9", "--steps", "3")
        made = run(idgi, "idgi", monkeypatch, *given)
        assert set(made["cells"]) == {
            f"{network}/3 steps/{row}/0" for network in NETWORKS for row in idgi.ROWS
        }
        assert [k for k, cell in made["cells"].items() if "error" in cell] == []
        for title in idgi.TITLES:
            known(made["tables"][title], set(idgi.ROWS), set(NETWORKS))
        assert len(made["tables"]["gain"]["ours"]) == 6
        levels = made["tables"]["Figure 4"]
        assert levels["entropy"]["IG, first"][0] == 0
        assert levels["MS-SSIM"]["IG, first"][-1] == 1
        for name in ("idgi.levels.png", "idgi.bokeh.first.png", "idgi.bokeh.second.png"):
            assert (tmp_path / name).is_file()
        assert run(idgi, "idgi", monkeypatch, *given)["cells"] == made["cells"]

    def test_a_run_without_time_makes_empty_tables(
        self, idgi: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = run(idgi, "idgi", monkeypatch, "--photos", "1", "--minutes", "0", "--steps", "2")
        assert made["cells"] == {}
        assert all(made["tables"][title]["ours"] == {} for title in idgi.TITLES)


@pytest.fixture
def igos(recognized: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    program, cells, attacks, judged = open_tables(
        monkeypatch, "igos", "igos_cells", "adversarial", "judged"
    )
    few = {"igos": {"iterations": 2, "steps": 2}, "mp": {"iterations": 3}}
    few |= {"integrated_gradients": {"steps": 3}, "rise": {"samples": 4}}
    for name in ("SIZED", "SPREAD", "ABLATION"):
        rows = getattr(cells, name)
        short = {row: v.but(**few.get(v.method, {})) for row, v in rows.items()}
        monkeypatch.setattr(cells, name, short)
    for name, value in {"SIZES": (16, 8, 4), "MIDDLE": 8, "COARSE": 4}.items():
        monkeypatch.setattr(cells, name, value)
    monkeypatch.setattr(attacks, "IGOS", judged.Variant("igos", {"size": 8, **few["igos"]}))
    monkeypatch.setattr(program, "PICTURES", tmp_path / "strips")
    monkeypatch.setattr(program, "open_networks", recognized.networks)
    return program


@small
class TestIgos:
    def test_tables_are_whole_and_no_cell_is_made_twice(
        self, igos: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        given = ("--photos", "2", "--minutes", "9")
        made = run(igos, "igos", monkeypatch, *given)
        assert [k for k, cell in made["cells"].items() if "error" in cell] == []
        # 1 own, 2 masks and 4 spread maps at 3 sizes, 2 that only point; then 1 attacked, and
        # 3 ablations at 2 sizes, and 2 pairs of coefficients that are not the defaults of 2 rows.
        assert len(made["cells"]) == 2 * (2 * (1 + 6 * 3 + 2) + 1 + 3 * 2 + 2 * 2)
        found = made["tables"]
        sized = {f"{size} {value}" for size in (16, 8, 4) for value in ("DEL", "INS")}
        for title in ("Table 1", "Table 2"):
            rows = found[title]["ours"]
            assert set(rows) == {*found["Table 1"]["paper"], "MWP"}
            assert all(set(row) == sized for row in rows.values())
            whole = {row: values for row, values in rows.items() if row != "GradCAM"}
            known({"ours": whole}, set(whole), sized)
            assert sum(math.isfinite(value) for value in rows["GradCAM"].values()) == 2
            assert set(found[title]["differences"]["ours"]) == {"16", "8", "4"}
        seconds = found["Table 3"]["ours"]
        assert set(seconds["I-GOS"]) == {"16", "8", "4"}
        ratio = seconds["Mask (MP)"]["8"] / seconds["Mask (MP) as run"]["8"]
        assert ratio == pytest.approx(5)
        both = {f"{size} {value}" for size in (16, 8) for value in ("DEL", "INS")}
        known(found["Table 4"], set(found["Table 4"]["paper"]), both)
        known(found["Table 5"], set(found["Table 5"]["paper"]), {"total loss", "DEL", "INS"})
        pointed = {"AM", "Deconv", "MWP", "Excitation BP", "RISE", "GradCAM"}
        pointed |= {f"{name} {size}" for name in ("Mask", "I-GOS") for size in (4, 8)}
        known(found["Table 6"], {*pointed, "(middle of the photo)"}, set(NETWORKS))
        assert 0 <= found["adversarial"]["success"] <= 1
        assert run(igos, "igos", monkeypatch, *given)["cells"] == made["cells"]

    def test_a_run_without_time_makes_empty_tables(
        self, igos: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = run(igos, "igos", monkeypatch, "--photos", "1", "--minutes", "0")
        assert made["cells"] == {}
        assert all(made["tables"][f"Table {n}"]["ours"] == {} for n in range(1, 7))

    def test_total_loss_is_the_objective_that_igos_ends_with(
        self, igos: ModuleType, recognized: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cells, judged = open_tables(monkeypatch, "igos_cells", "judged")
        networks = recognized.networks()
        photo = recognized.recognized(networks, 1)[0]["first"]
        options = {"size": 8, "iterations": 3, "steps": 3, "l1": 0.5, "l2": 7.0}
        found = judged.Variant("igos", options).explain(networks["first"], photo)
        terms = cells.terms(networks["first"], photo, found.native)
        total = terms["masked score"] + 0.5 * terms["mask size"] + 7 * terms["variation"]
        assert total == pytest.approx(found.trace["loss"][0, -1], rel=1e-4)


@small
class TestAdversarial:
    def test_one_step_follows_the_gradient_of_the_cross_entropy(
        self, recognized: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (attacks,) = open_tables(monkeypatch, "adversarial")
        clf = recognized.networks()["second"]
        photo = recognized.recognized(recognized.networks(), 1)[0]["second"]
        found = attacks.attack(clf, photo.batch, photo.target, epsilon=0.02, steps=1)
        rgb = clf.preprocess.denormalize(photo.batch)
        moved = clf.preprocess.denormalize(found) - rgb
        _, gradient = clf.value_and_grad(photo.batch, photo.target)
        inside = (rgb > 0.03) & (rgb < 0.97)
        sign = np.sign(-gradient.transpose(0, 2, 3, 1))
        assert inside.mean() > 0.3
        assert moved[inside] == pytest.approx(0.02 * sign[inside], abs=1e-5)

    def test_changes_stay_in_bounds_and_lower_the_score(
        self, recognized: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (attacks,) = open_tables(monkeypatch, "adversarial")
        clf = recognized.networks()["first"]
        photo = recognized.recognized(recognized.networks(), 1)[0]["first"]
        found = attacks.attack(clf, photo.batch, photo.target)
        rgb = clf.preprocess.denormalize(found, clip=False)
        before = clf.preprocess.denormalize(photo.batch, clip=False)
        assert np.abs(rgb - before).max() <= 16 / 255 + 1e-5
        assert rgb.min() >= -1e-5
        assert rgb.max() <= 1 + 1e-5
        assert clf.score(found)[0, photo.index] < clf.score(photo.batch)[0, photo.index]

    def test_gradients_reach_rgb_in_the_order_of_the_colours(
        self, recognized: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (attacks,) = open_tables(monkeypatch, "adversarial")
        record = Preprocess(channels="BGR", scale=255.0, mean=(1, 2, 3), std=(1.0, 2.0, 4.0))
        found = attacks.to_rgb(np.ones((1, 3, 2, 2), np.float32), record)
        assert found[0, 0, 0] == pytest.approx([255 / 4, 255 / 2, 255])


@pytest.fixture
def aop(recognized: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (program,) = open_tables(monkeypatch, "aop")
    few = {"iterations": 2, "steps": 2, "size": 8}
    mask = {"variant": "gildenblat", "iterations": 2, "size": 8}

    def short(variant: Any) -> Any:
        options = {
            **{m: {**few, "warmup": 1} for m in ("sigcam",)},
            "igos": few,
            "mp": mask,
            "xrai": {"steps": 3},
            "aop": {"settings": mask if "optimizer" in variant.options else few},
        }
        return variant.but(**options.get(variant.method, {}))

    for name in ("METHODS", "PARTS", "POINTED"):
        rows = {row: short(variant) for row, variant in getattr(program, name).items()}
        monkeypatch.setattr(program, name, rows)
    monkeypatch.setattr(program, "open_networks", recognized.networks)
    return program


@small
class TestAop:
    def test_tables_are_whole_and_no_cell_is_made_twice(
        self, aop: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = ("--photos", "2", "--minutes", "9")
        made = run(aop, "aop", monkeypatch, *given)
        assert [k for k, cell in made["cells"].items() if "error" in cell] == []
        found = made["tables"]
        known(found["Table 1"], set(found["Table 1"]["paper"]), {"DEL", "INS", "over-all"})
        assert len(found["Table 1"]["differences"]["ours"]) == 3
        columns = {f"{value} {network}" for value in ("DEL", "INS") for network in NETWORKS}
        known(found["Table 2"], set(found["Table 2"]["paper"]), {*columns, "over-all"})
        row = found["Table 2"]["ours"]["SIGCAM"]
        gaps = [row[f"INS {network}"] - row[f"DEL {network}"] for network in NETWORKS]
        assert row["over-all"] == pytest.approx(sum(gaps) / 2)
        assert set(found["Table 3"]["ours"]) == {*aop.POINTED, "(middle of the photo)"}
        assert run(aop, "aop", monkeypatch, *given)["cells"] == made["cells"]

    def test_a_run_without_time_makes_empty_tables(
        self, aop: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = run(aop, "aop", monkeypatch, "--photos", "1", "--minutes", "0")
        assert made["cells"] == {}
        assert all(made["tables"][f"Table {n}"]["ours"] == {} for n in range(1, 4))


def test_a_data_set_of_the_callers_counts_by_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, module = open_tables(monkeypatch, "record", "recognized")
    monkeypatch.setattr(record, "ROOT", tmp_path)
    path = tiny.write_model(tmp_path / "net.onnx")
    clf = OrtClassifier(path, threads=1)
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(4):
        tiny.write_photo(folder / f"p{number}.png", number)
    tops = [module.show(clf, s).index for s in open_dataset(folder)]
    wrong = (tops[1] + 1) % tiny.CLASSES
    labels = [tops[0], wrong, *tops[2:]]
    lines = [f"p{number}.png,{label}\n" for number, label in enumerate(labels)]
    (tmp_path / "labels.csv").write_text("".join(lines))
    given = ["x.py", "--images", str(folder), "--labels", str(tmp_path / "labels.csv")]
    monkeypatch.setattr(sys, "argv", given)
    options = record.arguments("doc", photos=2)
    found = module.recognized({"net": clf}, options.photos, options)
    assert [photo["net"].name for photo in found] == ["p0", "p2"]
    apart = record.Record("idgi", 1.0, options.images)
    assert apart.path == tmp_path / "build" / "tables" / "idgi.mine.json"
