"""The same units on a Ray cluster of two workers, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluation_cases
import pyarrow.parquet as pq
import pytest
from evaluation_cases import Deadly, rows
from tiny import write_model, write_photo

import pysal
from pysal.evaluation import on_ray

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """A cluster of two CPUs on this machine."""
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that states its preprocessing, and a folder of photos, one of them broken."""
    place = tmp_path_factory.mktemp("ray")
    write_model(place / "tiny.onnx")
    (place / "tiny.json").write_text(json.dumps(pysal.Preprocess.default((3, 16, 16)).to_dict()))
    (place / "photos").mkdir()
    for number in range(8):
        write_photo(place / "photos" / f"p{number}.png", number)
    (place / "photos" / "p3.png").write_text("no photo")
    return place


def run(folder: Path, out: Path, **options: Any) -> Any:
    given: dict[str, Any] = {
        "methods": ["gradcam", "igos"],
        "metrics": ["insertion_deletion", "average_drop"],
        "options": {"igos": {"size": 4, "iterations": 20}},
        "threads": 1,
        "batch_size": 1,
        "figures": False,
    }
    return pysal.evaluate(folder / "tiny.onnx", folder / "photos", out=out, **{**given, **options})


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The table of a run without Ray."""
    return rows(run(folder, tmp_path_factory.mktemp("whole")).path)


def workers(out: Path) -> list[int]:
    """Processes that made the parts."""
    notes = [pq.read_schema(path).metadata[b"pysal"] for path in (out / "parts").glob("*.parquet")]
    return [json.loads(note)["worker"]["process"] for note in notes]


@pytest.mark.filterwarnings("ignore")
def test_two_workers_give_the_same_table(
    ray: Any, folder: Path, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    seen: list[tuple[float, float]] = []
    found = run(folder, tmp_path, ray=True, workers=2, progress=lambda *p: seen.append(p))
    assert rows(found.path) == whole
    assert found.errors == 4
    assert seen[0] == (0, 16)
    assert seen[-1] == (16, 16)
    assert len(set(workers(tmp_path))) == 2
    assert os.getpid() not in workers(tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_lost_or_done_twice_when_a_worker_is_killed(
    ray: Any, folder: Path, whole: list[dict[str, Any]], tmp_path: Path, monkeypatch: Any
) -> None:
    saved: list[tuple[str, int]] = []
    killed: list[int] = []
    collect = on_ray._collect

    def watched(dataset: Any, left: Any, save: Any) -> str:
        def note(unit: Any, part: bytes) -> None:
            save(unit, part)
            saved.append((unit.method, unit.indices[0]))
            if len(saved) == 3:
                killed.append(workers(tmp_path)[0])
                os.kill(killed[0], signal.SIGKILL)

        return collect(dataset, left, note)

    monkeypatch.setattr(on_ray, "_collect", watched)
    found = run(folder, tmp_path, ray=True, workers=2)
    assert killed
    assert sorted(saved) == sorted((m, i) for m in ("gradcam", "igos") for i in range(8))
    assert len(set(workers(tmp_path))) >= 2
    assert rows(found.path) == whole


@pytest.mark.filterwarnings("ignore")
def test_a_run_that_was_begun_here_goes_on_there(
    ray: Any, folder: Path, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    class Enough(Exception):
        pass

    def stop(done: float, total: float) -> None:
        if done >= 5:
            raise Enough

    with pytest.raises(Enough):
        run(folder, tmp_path, progress=stop)
    before = len(workers(tmp_path))
    assert before >= 4
    found = run(folder, tmp_path, ray=True, workers=2, batch_size=4)
    # Passes are means over the images that ran together, which are others now.
    passes = [f"{side}_{way}" for side in ("method", "metric") for way in ("forward", "backward")]
    left = [{k: v for k, v in row.items() if k not in passes} for row in whole]
    assert rows(found.path, *passes) == left


@pytest.mark.filterwarnings("ignore")
def test_an_image_that_kills_every_worker_is_named(ray: Any, folder: Path, tmp_path: Path) -> None:
    ray.cloudpickle.register_pickle_by_value(evaluation_cases)
    photos = sorted((folder / "photos").iterdir())[:3]
    samples = [Deadly(path, path.stem) for path in photos]
    given: dict[str, Any] = {"batch_size": 1, "figures": False, "threads": 1}
    with pytest.raises(pysal.CapabilityError) as caught:
        pysal.evaluate(
            folder / "tiny.onnx", samples, "gradcam", "pointing_game", tmp_path,
            ray=True, workers=1, **given,
        )  # fmt: skip
    assert "1 of 3 units of work" in str(caught.value)
    assert "each ended 4 workers" in str(caught.value)
    assert "the first gradcam on p2" in str(caught.value)
    assert len(workers(tmp_path)) == 2


@pytest.mark.filterwarnings("ignore")
def test_wrong_options_end_the_run_with_their_line(ray: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(pysal.OptionError, match="size is 99"):
        run(folder, tmp_path, ray=True, workers=1, options={"igos": {"size": 99}})


@pytest.mark.filterwarnings("ignore")
def test_refusals(ray: Any, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(pysal.OptionError, match="workers is 3 of 1 threads"):
        run(folder, tmp_path / "a", ray=True, workers=3)
    clf = pysal.open_classifier(folder / "tiny.onnx")
    with pytest.raises(pysal.OptionError, match="open already"):
        pysal.evaluate(
            clf, folder / "photos", "gradcam", "average_drop", tmp_path / "b", ray=True, workers=1
        )
    with pytest.raises(pysal.OptionError, match="connected to a cluster already"):
        run(folder, tmp_path / "d", ray=True, ray_address="auto")
    with pytest.raises(pysal.OptionError, match='give "cuda"'):
        run(folder, tmp_path / "c", ray=True, device="cuda:1")


def test_missing_ray_names_the_extra(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(pysal.MissingDependencyError, match=r"\[ray\]"):
        run(folder, tmp_path, ray=True)


def test_the_console_starts_a_cluster_of_its_own(
    folder: Path, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("ray.data")
    from command import process

    options = ["--methods", "gradcam,igos", "--metrics", "insertion_deletion,average_drop"]
    igos = ["--option", "igos.size=4", "--option", "igos.iterations=20", "--no-figures"]
    begin = time.monotonic()
    result = process(
        "evaluate", folder / "tiny.onnx", "--images", folder / "photos", *options, *igos,
        "--batch-size", 1, "--threads", 1, "--ray", "--workers", 2, "--json", "--out", tmp_path,
    )  # fmt: skip
    assert time.monotonic() - begin < 110
    assert result.returncode == 2
    assert len(result.stdout.splitlines()) == 4
    assert all(json.loads(line)["images"] == 8 for line in result.stdout.splitlines())
    # Ray's core, which is no Python, writes a line of its own about restarts.
    lines = [line for line in result.stderr.splitlines() if "core_worker.cc" not in line]
    assert len(lines) == 1
    assert "4 of 32 rows" in lines[0]
    assert rows(tmp_path / "results.parquet") == whole
