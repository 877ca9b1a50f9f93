"""What int8 does to explanations: the real networks against their quantized forms.

    python benchmarks/bench_quantized.py [--photos N] [--minutes M]

The networks are quantized in a temporary folder (static, QDQ, uint8 activations, int8 weights per
channel, calibrated on the last photos), and compared with `pysal.compare_models` on the first ones;
agreement of the top class is over all photos that took no part in the calibration, for scales per
tensor too. First it is checked that probabilities are those of the file within the steps of its
softmax, and that gradient sessions have the scores of forward sessions to the bit. Photos that do
not fit into the minutes are left out, and a later run goes on with them; a row says how many there
are. Photos and networks: PYSAL_DATA.
"""

from __future__ import annotations

import argparse
import json
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
from pysal.studies import compare_models
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


def judge(clf: OrtClassifier, other: OrtClassifier, batch: np.ndarray) -> dict[str, Any]:
    """One photo: method -> figures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # incomplete: rounding is no part of the gradient
        found = compare_models(clf, other, batch, methods=list(OPTIONS), options=OPTIONS)
    rows = found.summary()
    for row in rows.values():
        del row["least correlation"], row["images"]
    return rows


def table(known: dict[str, Any]) -> dict[str, Any]:
    """Means over the photos, {network: {method: row}}."""
    rows: dict[str, Any] = {}
    for network in NETWORKS:
        found = [value for key, value in known.items() if key.startswith(f"{network}/")]
        for method in OPTIONS if found else ():
            row: dict[str, Any] = {"photos": len(found)}
            for name in found[0][method]:
                values = np.array([photo[method][name] for photo in found])
                row[name] = round(float(values.mean()), 4)
                if name == "correlation":
                    row["least correlation"] = round(float(values.min()), 4)
                if name == "loss" and len(found) > 1:
                    error = values.std(ddof=1) / np.sqrt(len(found))
                    row["loss, standard error"] = round(float(error), 4)
            rows.setdefault(network, {})[method] = row
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=6)
    parser.add_argument("--minutes", type=float, default=3.5)
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    paths = sorted((DATA / "photos").glob("*.jpg"))
    record = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    known, answers = record.get("photos", {}), record.get("answers", {})
    with tempfile.TemporaryDirectory() as folder:
        pairs = {}
        for network in NETWORKS:
            clf = OrtClassifier(DATA / "models" / f"{network}.onnx")
            pairs[network] = clf, prepared(clf, network, paths, Path(folder), answers)
        for path in paths[: options.photos]:
            for network, (clf, other) in pairs.items():
                key = f"{network}/{path.stem}"
                if key in known or time.monotonic() > deadline:
                    continue
                known[key] = judge(clf, other, load_photos([path], clf.preprocess).batch)
                save(known, answers)
    save(known, answers)
    for network, rows in table(known).items():
        for name, row in {**answers[network], **rows}.items():
            print(f"{network:14} {name:22} {row}")


def prepared(
    clf: OrtClassifier, network: str, paths: list[Path], folder: Path, answers: dict[str, Any]
) -> OrtClassifier:
    """The network with scales per channel; checks and answers are added where they lack."""
    used = load_photos(paths[-CALIBRATION:], clf.preprocess).batch
    for form in ("per tensor", "per channel"):
        if network in answers and form == "per tensor":
            continue
        path = folder / f"{network}.{form}.onnx"
        quantize(DATA / "models" / f"{network}.onnx", path, used, form == "per channel")
        other = OrtClassifier(path, preprocess=clf.preprocess)
        if form not in answers.get(network, {}):
            tested = load_photos(paths[:-CALIBRATION], clf.preprocess).batch
            checks = check(other, path, tested[:4])
            row = {**agreement(clf, other, tested), "checked": checks}
            answers.setdefault(network, {})[form] = row
    return other


def save(known: dict[str, Any], answers: dict[str, Any]) -> None:
    """Write what is known so far."""
    facts = {"environment": environment(), "options": OPTIONS, "calibration photos": CALIBRATION}
    write_json(RESULTS, {**facts, "answers": answers, "table": table(known), "photos": known})


if __name__ == "__main__":
    main()
