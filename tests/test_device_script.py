"""The script for GPU machines: its bytes, percentiles and report, and a dry run of all of it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
STEPS = ("machine", "build", "check", "tests", "kernels", "explain", "gradient", "methods", "ort")
STEPS += ("tensorrt",)


@pytest.fixture
def load(monkeypatch):
    """Import a module of benchmarks/."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("size", [5, 12])
def test_bytes_are_those_of_the_arrays(load, size, last):
    torch = pytest.importorskip("torch")
    cases = load("device.kernel_cases")
    n, s, side = 2, 3, 12
    cpu = torch.device("cpu")
    for case in (
        cases.blend_case(cpu, side, n, s, size, noise=False, last=last),
        cases.path_case(cpu, side, n, s, size, last=last),
        cases.tv_case(cpu, n, size),
    ):
        arrays = (*case.inputs[0], *cases.as_tuple(case.ours[0]()))
        assert case.num_bytes == sum(array.nbytes for array in arrays), case.name


@pytest.mark.parametrize("kind", ["patches", "segments", "ranked", "grids", "sums"])
def test_kernels_of_sampling_methods_agree_with_their_peers(load, kind):
    torch = pytest.importorskip("torch")
    cases, kernels = load("device.sampling_cases"), load("device.kernels")
    case = getattr(cases, f"{kind}_case")(torch.device("cpu"), 40, 2, 3)
    assert kernels.check(case) < 1e-5
    upsampling = 4 * 7 * (40 + 32) if kind in ("grids", "sums") else 0  # of the peer only
    arrays = (*case.inputs[0], case.ours[0]())
    assert case.num_bytes == sum(array.nbytes for array in arrays) - upsampling


def test_resampled_deconvolution_agrees_with_its_peer(load):
    torch = pytest.importorskip("torch")
    cases, kernels = load("device.sampling_cases"), load("device.kernels")
    case = cases.deconv_case(torch.device("cpu"), 1, "ResNet 3 x 3 / 2")
    assert kernels.check(case) < 1e-5
    assert case.num_bytes == sum(a.nbytes for a in (*case.inputs[0], case.ours[0]()))


def test_bytes_of_a_published_path(load):
    cases = load("device.kernel_cases")
    image = 4 * 3 * 224 * 224
    assert cases.blend_bytes(16, 20, 224, 28) == 16 * (22 * image + 4 * 28 * 28) + 80
    assert cases.path_bytes(1, 20, 224, 224) == 22 * image + 4 * 224 * 224 + 80
    assert cases.tv_bytes(3, 10) == 3 * (2 * 400 + 8)


@pytest.mark.parametrize(
    ("count", "part", "rank"), [(1, 0.99, 0), (20, 0.99, 19), (101, 0.99, 99), (101, 0.5, 50)]
)
def test_percentile_is_a_measured_value(load, count, part, rank):
    assert load("timing").percentile(list(range(count)), part) == rank


def test_measure_takes_a_timer_and_a_limit(load):
    timing = load("timing")
    seconds = iter([9.0, 3.0, 1.0, 2.0])
    found = timing.measure({"a": None}, repeats=3, warmup=1, timer=lambda _: next(seconds))["a"]
    assert (found.median, found.best, found.p99, found.repeats) == (2.0, 1.0, 3.0, 3)
    once = timing.measure({"a": None}, repeats=9, warmup=0, timer=lambda _: 1.0, limit=0)["a"]
    assert once.repeats == 1


def test_launches_queue_up_behind_a_wait(load, monkeypatch):
    torch = pytest.importorskip("torch")
    clock = load("device.clock")
    seen = []

    class Event:
        def __init__(self, enable_timing):
            self.at = None

        def record(self):
            self.at = len(seen)

        def synchronize(self):
            seen.append("wait")

        def elapsed_time(self, last):
            return 1000.0 * seen[self.at : last.at].count("call")

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: seen.append("idle"))
    monkeypatch.setattr(torch.cuda, "_sleep", lambda cycles: seen.append(f"sleep {cycles > 0}"))
    timer = clock.launch_timer(torch.device("cuda"))
    assert timer([lambda: seen.append("call")] * 3) == 1.0
    launches = ["call"] * clock.ROUND
    assert seen == ["idle", *launches, "idle", "sleep True", *launches, "wait"]


def test_one_case_that_raises_does_not_end_a_step(load, tmp_path):
    setting = load("device.setting").Setting("step", tmp_path, dry=True, until=float("inf"))
    assert not setting.attempt("bad", lambda: 1 / 0)
    assert not setting.attempt("peer", lambda: 1 / 0, required=False)
    assert setting.attempt("good", lambda: {"value": np.float32(1)})
    setting.until = 0
    assert not setting.attempt("late", dict)
    assert setting.failed == ["bad"]
    with pytest.raises(SystemExit) as ended:
        setting.end()
    assert ended.value.code == 1
    rows = load("device.report").read_rows(tmp_path / "rows.jsonl")
    assert [row["case"] for row in rows] == ["bad", "peer", "good", "late"]
    assert "ZeroDivisionError" in rows[0]["error"]
    assert rows[2]["value"] == 1
    assert rows[3]["skipped"]


def test_a_wrong_kernel_is_not_timed(load):
    torch = pytest.importorskip("torch")
    cases, kernels = load("device.kernel_cases"), load("device.kernels")
    case = cases.tv_case(torch.device("cpu"), 2, 9)
    assert kernels.check(case) < 1e-6
    value, grad = case.ours[0]()
    case.ours[0] = lambda: (value, grad * 1.001)
    with pytest.raises(AssertionError, match="relative error"):
        kernels.check(case)
    case.ours[0] = lambda: (value, torch.full_like(grad, torch.nan))
    with pytest.raises(AssertionError, match="written"):
        kernels.check(case)


def test_runs_that_part_must_still_end_together(load):
    agreement = load("device.agreement")
    mask, loss, step = np.zeros((4, 4)), np.array([1.0, 0.5, 0.2]), np.array([8.0, 1.6])
    run = agreement.Run(mask, loss, step)
    assert agreement.compare(run, run)["same_steps"] == 2
    other = agreement.Run(mask + 0.1, np.add(loss, [0, 0, 0.01]), step * [1, 5])
    assert agreement.compare(run, other)["same_steps"] == 1
    for wrong in (
        agreement.Run(mask + 0.1, loss, step),
        agreement.Run(mask, np.add(loss, [0, 0.1, 0]), step),
        agreement.Run(mask, np.add(loss, [0, 0, 0.1]), step * [1, 5]),
    ):
        with pytest.raises(AssertionError):
            agreement.compare(run, wrong)


def test_report_of_a_run_that_was_cut_short(load, tmp_path, monkeypatch, capsys):
    report = load("device.report")
    rows = [
        {"step": "kernels", "case": "tv", "seconds": {"pysal": {"median": 1e-6}}, "per_s": 1e9},
        {"step": "kernels", "case": "path", "error": "AssertionError: off", "required": True},
        {"step": "kernels", "whole": True, "rc": 124, "seconds": 70, "required": True, "limit": 70},
    ]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, lines[0][:20]]))
    monkeypatch.setattr(sys, "argv", ["report", "--out", str(tmp_path)])
    report.main()
    record = json.loads((tmp_path / "results.json").read_text())
    assert not record["passed"]
    assert [row["case"] for row in record["kernels"]] == ["tv", "path"]
    text = capsys.readouterr().out
    assert text == "\n" + (tmp_path / "table.txt").read_text()
    assert "STOPPED" in text
    assert "FAILED kernels: path: AssertionError: off" in text
    assert text.endswith("NOT all required steps passed\n")


@pytest.mark.slow
def test_dry_run(tmp_path):
    """Every step, on the CPU with tiny sizes; nothing is written outside the folder of results."""
    results = ROOT / "benchmarks" / "results"
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*")}
    environment = {**os.environ, "PYTHON": sys.executable, "OUT": str(tmp_path)}
    done = subprocess.run(
        ["bash", str(ROOT / "benchmarks" / "device.sh"), "--dry-run"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*")} == before
    record = json.loads((tmp_path / "results.json").read_text())
    assert record["passed"]
    assert record["note"] == "dry run: figures mean nothing"
    assert [step["step"] for step in record["steps"]] == list(STEPS)
    for name in set(STEPS) - {"build", "tests"}:
        assert record[name], f"no rows of {name}"
        assert not [row for row in record[name] if row.get("required") and "error" in row]
    table = done.stdout[done.stdout.index("none: dry run") :].splitlines()
    assert table[-1].startswith("all required steps passed")
    assert all(line.endswith("[dry run: figures mean nothing]") for line in table)
