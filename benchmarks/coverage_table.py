"""The coverage record as a table in Markdown."""

from __future__ import annotations

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
Other rule tables: `built` means that the graph was built and its numbers are finite; how right they
are is compared with replicas in `tests/export/test_rule_tables.py`. Excitation backpropagation is
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
    """Markdown of a record."""
    rows = [_row(*key.split(" "), cell) for key, cell in sorted(record["cells"].items())]
    good = sum(
        "error" in cell.get("rules", {}).get("gradient", {}) for cell in record["cells"].values()
    )
    networks = {key.split(" ")[0] for key in record["cells"]}
    lines = [
        f"{len(rows)} exports of {len(networks)} networks; {good} exports have a gradient.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * len(COLUMNS),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return HEAD + "\n".join(lines) + "\n"


def _row(name: str, way: str, cell: dict[str, Any]) -> tuple[str, ...]:
    """One export."""
    failed = cell.get("failed") or cell.get("prepare")
    if cell.get("export", "ok") != "ok":
        failed = f"export: {cell['export']}"
    if failed:
        return name, way, _plain(failed), *[""] * 5
    gradient = cell["rules"].get("gradient", {})
    others = [_other(rules, found) for rules, found in cell["rules"].items() if rules != "gradient"]
    if "refused" in gradient:
        return name, way, _plain(gradient["refused"]), *[""] * 5
    engines = gradient.get("tensorrt", {})
    built = [key for key, state in engines.items() if state == "ok"]
    wrong = [f"{key}: {state}" for key, state in engines.items() if state != "ok"]
    return (
        *(name, way, _number(_rounding(cell)), _number(gradient["error"])),
        *(_number(gradient["portable"]), _number(gradient.get("openvino", ""))),
        *(_plain(", ".join([*built, *wrong])), _plain("; ".join(others))),
    )


def _rounding(cell: dict[str, Any]) -> float:
    return float(max(cell["torch_float32"], cell.get("rounded_weights", 0.0)))


def _other(rules: str, found: dict[str, Any]) -> str:
    if "refused" in found:
        return f"{rules}: {found['refused']}"
    return f"{rules}: {'built' if found['finite'] else 'not finite'}"


def _number(value: object) -> str:
    return f"{value:.1e}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Text that cannot break a table."""
    return text.replace("|", "/").replace("\n", " ")
