"""Plans are built once: what they are kept under, what is built again, where the folder is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pooled import X, write_network
from trt_host import OnHost, use

from pysal.backends import tensorrt_cache
from pysal.backends.tensorrt_cache import cache_folder
from pysal.errors import InputError


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch, "tensorrt")


@pytest.fixture
def rtx(monkeypatch: pytest.MonkeyPatch) -> Any:
    return use(monkeypatch, "tensorrt_rtx")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_plans_are_built_once(trt: Any, path: Path, cache: Path, tmp_path: Path) -> None:
    OnHost(path, rows=4, cache=cache).prepare({"grad"})
    assert len(trt.built) == 2
    OnHost(path, rows=4, cache=cache).prepare({"grad"})
    assert len(trt.built) == 2
    copied = shutil.copy(path, tmp_path / "other-name.onnx")
    OnHost(copied, rows=4, cache=cache).prepare(())
    names = sorted(file.suffix for file in cache.iterdir())
    assert not [name for name in names if name == ".tmp"]
    for more in ({"rows": 5}, {"precision": "tf32"}, {"workspace": 2**20}, {"precision": "bf16"}):
        before = len(trt.built)
        OnHost(path, **{"rows": 4, "cache": cache, "cuda_graph": False, **more})._plans.forward(())
        assert len(trt.built) == before + 1, more
    assert trt.built[-2].workspace == 2**20
    before = len(trt.built)
    OnHost(path, rows=4, cache=False).prepare(())
    assert len(trt.built) == before + 1


def test_plans_of_another_version_flavour_or_model_are_built_again(
    monkeypatch: pytest.MonkeyPatch, path: Path, cache: Path, tmp_path: Path
) -> None:
    wider = write_network(tmp_path / "wide.onnx", width=9)
    for flavour, version, file in (
        ("tensorrt", "99.1", path),
        ("tensorrt", "99.2", path),
        ("tensorrt_rtx", "99.1", path),
        ("tensorrt", "99.1", wider),
    ):
        module = use(monkeypatch, flavour, version)
        OnHost(file, rows=4, cache=cache).prepare(())
        assert len(module.built) == 1, (flavour, version, file.name)


@pytest.mark.parametrize("harm", ["cut", "other", "record", "lost"])
def test_a_damaged_plan_is_built_again(trt: Any, path: Path, cache: Path, harm: str) -> None:
    OnHost(path, rows=4, cache=cache).prepare(())
    (plan,), (record,) = cache.glob("*.plan"), cache.glob("*.json")
    data = plan.read_bytes()
    if harm == "cut":
        plan.write_bytes(data[:-9])
    elif harm == "other":
        plan.write_bytes(data[:-1] + b"?")
    elif harm == "record":
        record.write_text("{")
    else:
        record.unlink()
    net = OnHost(path, rows=4, cache=cache)
    net.score(X)
    assert len(trt.built) == 2
    assert plan.read_bytes() == data


def test_timings_are_kept_and_those_of_another_gpu_are_not_used(
    trt: Any, path: Path, cache: Path
) -> None:
    net = OnHost(path, rows=4, cache=cache)
    net.prepare({"grad"})
    assert [config.timing for config in trt.built] == [[b""], [b"t"]]
    (file,) = cache.glob("timing-*.cache")
    assert file.read_bytes() == b"tt"
    file.write_bytes(b"other GPU")
    net.activations(X, ["r1"])
    assert trt.built[-1].timing == [b"other GPU", b""]
    assert file.read_bytes() == b"t"


def test_rtx_has_no_timings_and_builds_for_the_gpu_here(rtx: Any, path: Path, cache: Path) -> None:
    OnHost(path, rows=4, cache=cache, precision="tf32").prepare(())
    (config,) = rtx.built
    assert [c.name for c in config.capabilities] == ["CURRENT"]
    assert [flag.name for flag in config.flags] == ["TF32"]
    assert config.timing == []
    assert not list(cache.glob("timing-*"))


@pytest.mark.parametrize(
    ("platform", "variable", "rest"),
    [
        ("linux", "XDG_CACHE_HOME", "base/pysal/tensorrt"),
        ("win32", "LOCALAPPDATA", "base/pysal/tensorrt"),
        ("linux", "", "home/.cache/pysal/tensorrt"),
        ("darwin", "", "home/Library/Caches/pysal/tensorrt"),
        ("win32", "", "home/AppData/Local/pysal/tensorrt"),
    ],
)
def test_the_default_cache_is_where_the_system_has_caches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, rest: str
) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "base"))
    monkeypatch.setattr(tensorrt_cache.sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder(None) == cache_folder(True) == tmp_path / rest
    assert cache_folder(False) is None
    assert cache_folder(str(tmp_path)) == tmp_path


def test_a_cache_that_cannot_be_written_is_said_before_the_work(
    trt: Any, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="cannot make the cache"):
        OnHost(path, rows=2, cache=file / "inside").score(X)
    monkeypatch.setattr("pysal.backends.tensorrt_cache.os.access", lambda *_: False)
    with pytest.raises(InputError, match="cannot write to the cache"):
        OnHost(path, rows=2, cache=tmp_path / "cache").score(X)
    assert trt.built == []
