"""What int8 does to explanations: the real networks against their quantized forms.

    python benchmarks/bench_quantized.py [--photos N] [--minutes M]

The networks are quantized in a temporary folder (static, QDQ, uint8 activations, int8 weights per
channel, calibrated on the last photos), and compared with `pysal.compare_models` on the first ones;
agreement of the top class is over all photos that took no part in the calibration, for scales per
tensor too. First it is checked that probabilities are those of the file within the steps of its
softmax, and that gradient sessions have the scores of forward sessions to the bit. Photos that do
not fit into the minutes are left out; a row says how many there are. Photos and networks:
PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from timing import environment, write_json

from pysal.backends.ort import OrtClassifier
from pysal.photos import load_photos
from pysal.studies import ModelComparison, compare_models
from pysal.types import Target

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("PYSAL_DATA", ROOT.parent / "shared" / "data"))
RESULTS = Path(__file__).parent / "results" / "quantized.json"
NETWORKS = ("squeezenet1.1", "mobilenet_v2")
CALIBRATION = 12
OPTIONS: dict[str, dict[str, Any]] = {
    "gradcam": {},
    "integrated_gradients": {},
    "igos": {"preset": "fast"},
    "rise": {"samples": 200},
}
STEP = 1 / 256
"""Of the quantized softmax in the file."""


class Photos(CalibrationDataReader):
    """A batch, image by image."""

    def __init__(self, name: str, batch: np.ndarray) -> None:
        self._rows = iter([{name: batch[i : i + 1]} for i in range(len(batch))])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed; None at the end."""
        return next(self._rows, None)


def quantize(path: Path, out: Path, batch: np.ndarray, per_channel: bool) -> Path:
    """Write the QDQ form of a network."""
    model = onnx.load(path)
    if model.opset_import[0].version < 13:  # scales per channel
        model = onnx.version_converter.convert_version(model, 13)
    ready = out.with_suffix(".ready.onnx")
    quant_pre_process(model, str(ready))
    quantize_static(
        str(ready),
        str(out),
        Photos(model.graph.input[0].name, batch),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    return out


def check(clf: OrtClassifier, path: Path, batch: np.ndarray) -> dict[str, float]:
    """Scores against the file in a session of its own, and of the gradient session."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: batch[i : i + 1]})[0].ravel() for i in range(len(batch))]
    found, logits = clf.score(batch), clf.score(batch, "logit")
    target = Target(logits.argmax(1), "logit")
    values, grads = zip(
        *(
            clf.value_and_grad(batch, target, rules=rules)
            for rules in ("gradient", "gradient_unclipped")
        ),
        strict=True,
    )
    facts = {
        "probability, from the file": float(np.abs(found - np.stack(rows)).max()),
        "logit, from the forward session": float(np.abs(np.stack(values) - logits.max(1)).max()),
    }
    assert facts["probability, from the file"] < 1.5 * STEP, facts
    assert facts["logit, from the forward session"] == 0, facts
    one, two = (g.reshape(len(batch), -1).astype(np.float64) for g in grads)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return {**facts, "cosine without clipping": float(((one * two).sum(1) / norms).mean())}


def agreement(clf: OrtClassifier, other: OrtClassifier, batch: np.ndarray) -> dict[str, float]:
    """Top class over many photos."""
    a, b = clf.score(batch), other.score(batch)
    rows, top = np.arange(len(batch)), a.argmax(1)
    return {
        "photos": len(batch),
        "top-1 agreement": float((top == b.argmax(1)).mean()),
        "absolute score change": float(np.abs(a[rows, top] - b[rows, top]).mean()),
    }


def merged(parts: list[ModelComparison]) -> dict[str, Any]:
    """Means over photos, per method."""
    rows: dict[str, Any] = {}
    for method in OPTIONS:
        found = [part.summary()[method] for part in parts]
        values = {key: np.array([row[key] for row in found]) for key in found[0]}
        row = {key: round(float(np.nanmean(v)), 4) for key, v in values.items() if key != "images"}
        row["least correlation"] = round(float(np.nanmin(values["least correlation"])), 4)
        if len(found) > 1:
            error = values["loss"].std(ddof=1) / np.sqrt(len(found))
            row["loss, standard error"] = round(float(error), 4)
        rows[method] = {"photos": len(found), **row}
    return rows


def compare(
    clf: OrtClassifier, other: OrtClassifier, batch: np.ndarray, deadline: float
) -> list[ModelComparison]:
    """Photo by photo, until the time is over."""
    parts: list[ModelComparison] = []
    for i in range(len(batch)):
        if parts and time.monotonic() > deadline:
            break
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # incomplete: rounding is no part of the gradient
            parts.append(
                compare_models(clf, other, batch[i : i + 1], methods=list(OPTIONS), options=OPTIONS)
            )
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=3.5)
    options = parser.parse_args()
    begin = time.monotonic()
    paths = sorted((DATA / "photos").glob("*.jpg"))
    record: dict[str, Any] = {"environment": environment(), "options": OPTIONS}
    record["calibration photos"] = CALIBRATION
    for number, network in enumerate(NETWORKS):
        model = DATA / "models" / f"{network}.onnx"
        clf = OrtClassifier(model)
        batch = load_photos(paths, clf.preprocess).batch
        used, tested = batch[-CALIBRATION:], batch[:-CALIBRATION]
        rows: dict[str, Any] = {}
        with tempfile.TemporaryDirectory() as folder:
            for form in ("per tensor", "per channel"):
                out = quantize(model, Path(folder) / f"{form}.onnx", used, form == "per channel")
                other = OrtClassifier(out, preprocess=clf.preprocess)
                checks = check(other, out, tested[:4])
                rows[form] = {**agreement(clf, other, tested), "checked": checks}
                print(network, form, rows[form], flush=True)
            deadline = begin + 60 * options.minutes * (number + 1) / len(NETWORKS)
            rows["maps, per channel"] = merged(
                compare(clf, other, tested[: options.photos], deadline)
            )
        for method, row in rows["maps, per channel"].items():
            print(network, method, row, flush=True)
        record[network] = rows
        write_json(RESULTS, record)


if __name__ == "__main__":
    main()
