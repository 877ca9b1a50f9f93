"""The coverage record as a table in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

HEAD = """# Coverage

Which classifiers have a gradient, and how right it is. Written by `python benchmarks/coverage.py`,
which goes on where it was and fills in what is missing (`--help`); do not edit.

Networks have random weights and batch-norm statistics of one batch; two images. `error` is the
largest relative error of an image's gradient against torch in float64, on ONNX Runtime in float32.
`rounding` is what float32 costs torch itself: the larger of its own float32's error, and of
float64's with weights off by one rounding of float32 (exporters fold constants). A ReLU or a pool
that flips dominates both, so a network with an error of 0.001 here is not worse than one of 1e-6.
`portable` is the lowering for other engines, on ONNX Runtime; `OpenVINO` the same on OpenVINO.
TensorRT: parsed, and engines built without a GPU for these compute capabilities; none was run.
Other rule tables (guided backpropagation, deconvnet, stride-1 deconv, excitation backpropagation):
how many graphs could be built and have finite numbers; how right these are is compared with
replicas in `tests/export/test_rule_tables.py`. Excitation backpropagation is
defined for activations that are not negative: behind GELU or SiLU it divides by sums near zero, and
`not finite` says so.

"""
COLUMNS = (
    "network",
    "export",
    "rounding",
    "error",
    "portable",
    "OpenVINO",
    "TensorRT",
    "other tables",
)


def write_table(record: dict[str, Any]) -> str:
    """Markdown of a record: what has no gradient, then a row per gradient."""
    cells = [(*key.split(" "), cell) for key, cell in sorted(record["cells"].items())]
    failed = [(name, way, why) for name, way, cell in cells if (why := _failure(cell))]
    good = [(name, way, cell) for name, way, cell in cells if not _failure(cell)]
    networks, able = ({name for name, *_ in rows} for rows in (cells, good))
    lines = [
        f"{len(cells)} exports of {len(networks)} networks; {len(good)} exports of {len(able)} "
        "networks have a gradient.",
        "",
        *_table(("no gradient", "export", "why"), failed),
        "",
        *_table(COLUMNS, [_row(*entry) for entry in good]),
    ]
    return HEAD + "\n".join(lines) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    body = ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *body]


def _failure(cell: dict[str, Any]) -> str:
    """Why an export has no gradient; empty where it has one."""
    if cell.get("export", "ok") != "ok":
        return f"no export: {cell['export']}"
    early = cell.get("failed") or cell.get("prepare")
    gradient = cell.get("rules", {}).get("gradient", {"refused": "not asked for"})
    return str(early or gradient.get("refused", ""))


def _row(name: str, way: str, cell: dict[str, Any]) -> tuple[str, ...]:
    """One export that has a gradient."""
    gradient = cell["rules"]["gradient"]
    others = {rules: found for rules, found in cell["rules"].items() if rules != "gradient"}
    engines = gradient.get("tensorrt", {})
    built = [key for key, state in engines.items() if state == "ok"]
    wrong = [f"{key}: {state}" for key, state in engines.items() if state != "ok"]
    return (
        *(name, way, _number(_rounding(cell)), _number(gradient["error"])),
        *(_number(gradient["portable"]), _number(gradient.get("openvino", ""))),
        *(", ".join([*built, *wrong]), _others(others)),
    )


def _rounding(cell: dict[str, Any]) -> float:
    return float(max(cell["torch_float32"], cell.get("rounded_weights", 0.0)))


def _others(tables: dict[str, dict[str, Any]]) -> str:
    """Which of the other tables are built, and what is wrong with the rest."""
    wrong = {
        rules: found.get("refused", "not finite")
        for rules, found in tables.items()
        if not found.get("finite")
    }
    built = f"{len(tables) - len(wrong)} of {len(tables)}" if tables else ""
    return "; ".join([built, *(f"{rules}: {why}" for rules, why in wrong.items())])


def _number(value: object) -> str:
    return f"{value:.1e}" if isinstance(value, float) else str(value)


def _plain(text: str) -> str:
    """Text that cannot break a table."""
    return text.replace("|", "/").replace("\n", " ")
