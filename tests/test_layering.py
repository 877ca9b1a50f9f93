"""Imports point downwards: the layers of ARCHITECTURE.md, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("demo",),
    ("api",),
    ("evaluation",),
    ("studies",),
    ("explainer", "interpretation"),
    ("chunks", "summary"),
    ("methods", "metrics", "backends", "datasets"),
    ("export",),
    ("maskopt", "perturb"),
    ("features", "masking", "optim", "paths", "report", "segments", "work"),
    ("places", "ranking", "similarity"),
    ("fillers", "probe"),
    ("again", "baselines"),
    ("counted", "heatmap"),
    ("cams", "channels", "classifier", "photos", "options", "values"),
    ("checked", "compose", "decode", "finite", "surgery"),
    ("draws", "kernels", "preprocess", "redraw", "resample"),
    ("registry",),
    ("arrays", "fields", "prepared", "progress", "truth", "types"),
    ("errors", "_cuda", "_kernels"),
)
"""From top to bottom. A unit imports itself and units of lower layers, never its neighbours."""

EXCEPTIONS = {
    ("types", "report"): "Attribution.save(), inside the function: the face of the class",
}

OPTIONAL = {"cupy", "matplotlib", "onnx", "onnxruntime", "openvino", "pyvista", "ray", "skimage"}
OPTIONAL |= {"lpips", "pyarrow", "pycocotools", "scipy", "torch", "torchvision"}
OPTIONAL |= {"tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings"}
AT_TOP_LEVEL = {
    "pysal.export": {"onnx"},
    "pysal.backends.ort": {"onnxruntime"},
    "pysal.backends.openvino": {"openvino"},
    "pysal.backends.pytorch": {"torch"},
}
"""Modules, by the start of their name, that exist for a package; only functions import these."""


def sources() -> list[tuple[str, Path]]:
    """Every module of the package: dotted name as installed, file."""
    found = []
    for folder, prefix in ((ROOT / "pysal", "pysal"), (ROOT / "export", "pysal.export")):
        for path in sorted(folder.rglob("*.py")):
            parts = [prefix, *path.relative_to(folder).with_suffix("").parts]
            found.append((".".join(parts).removesuffix(".__init__"), path))
    return found


def imports(module: str, path: Path) -> Iterator[tuple[str, bool]]:
    """Dotted names that a module imports, and whether at module level; typing-only ones are not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    todo: list[tuple[ast.AST, bool]] = [(node, True) for node in tree.body]
    while todo:
        node, top = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            submodules = base == "pysal" or base.endswith(".export")
            names = [f"{base}.{alias.name}" for alias in node.names] if submodules else [base]
            yield from ((name, top) for name in names)
        inner = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        todo.extend((child, top and not inner) for child in ast.iter_child_nodes(node))


def unit(module: str) -> str:
    """First name below `pysal`; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def layer(name: str) -> int:
    """Position from the top; an unknown unit is a failure, so that new ones get their place."""
    for depth, units in enumerate(LAYERS):
        if name in units:
            return depth
    raise AssertionError(f'"{name}" has no layer; add it to LAYERS and to ARCHITECTURE.md')


MODULES = sources()
IDS = [name for name, _ in MODULES]


@pytest.mark.parametrize(("module", "path"), MODULES, ids=IDS)
def test_imports_point_downwards(module: str, path: Path) -> None:
    here = unit(module)
    for name, _ in imports(module, path):
        if not name.startswith("pysal.") or not here:
            continue
        there = unit(name)
        if there == here or (here, there) in EXCEPTIONS or there.startswith("__"):
            continue
        assert layer(there) > layer(here), f"{module} imports {name}"


@pytest.mark.parametrize(("module", "path"), MODULES, ids=IDS)
def test_optional_packages_are_imported_inside_functions(module: str, path: Path) -> None:
    allowed = {
        p for start, names in AT_TOP_LEVEL.items() if module.startswith(start) for p in names
    }
    top = {name.partition(".")[0] for name, at_top in imports(module, path) if at_top}
    assert top & OPTIONAL <= allowed


def test_methods_do_not_know_each_other_nor_the_engines() -> None:
    for module, path in MODULES:
        if unit(module) not in ("methods", "metrics") or module.count(".") < 2:
            continue
        stem = module.rpartition(".")[2].partition("_")[0]
        for name, _ in imports(module, path):
            if unit(name) == unit(module) and name.count(".") >= 2:
                assert name.rpartition(".")[2].startswith(stem), f"{module} imports {name}"


def test_engines_do_not_know_each_other() -> None:
    families = {start.rpartition(".")[2] for start in AT_TOP_LEVEL if ".backends." in start}
    for module, path in MODULES:
        stem = module.rpartition(".")[2].partition("_")[0]
        if unit(module) != "backends" or module.count(".") < 2:
            continue
        for name, _ in imports(module, path):
            other = name.rpartition(".")[2].partition("_")[0]
            if name.startswith("pysal.backends.") and other in families:
                assert other == stem, f"{module} imports {name}"


def test_the_package_itself_imports_nothing() -> None:
    path = ROOT / "pysal" / "__init__.py"
    assert not [name for name, _ in imports("pysal", path) if name.startswith("pysal")]


def test_reader_sees_upward_imports(tmp_path: Path) -> None:
    text = (
        "from .. import cli\nif TYPE_CHECKING:\n    import a\ndef f():\n    from pysal import api\n"
    )
    path = tmp_path / "x.py"
    path.write_text(text)
    assert set(imports("pysal.methods.x", path)) == {("pysal.cli", True), ("pysal.api", False)}
