"""What every explainer in one file has: its inputs, the choice of a class, outputs, metadata."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from pysal.errors import ModelFormatError
from pysal.prepared import EXPLAINER_KEY, PREPROCESS_KEY
from pysal.preprocess import LUMA, Preprocess
from pysal.types import ScoreKind

from ..graph import Graph
from ..model import PreparedModel
from ..passes.read import check_model
from ..passes.shapes import BATCH
from .phrases import INT, as_float, narrow, spread

IMAGE, TARGET = "image", "target"
SCORES, SCORE, CLASS, MAP, NATIVE = "scores", "score", "class", "map", "native"
INPUTS = {
    "float": "the model's own input: (N, C, H, W), float32, normalized",
    "uint8": "pictures of the model's size, RGB: (N, H, W, 3), uint8",
    "uint8-nchw": "the same as planes: (N, 3, H, W), uint8",
}
IR_VERSION = 8
"""Enough for weights in the bodies of loops, and read by old runtimes."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How an explainer is written, whatever its method; see `build_explainer`."""

    method: str
    preprocess: Preprocess
    input: str
    kind: ScoreKind
    lowering: str
    compact: bool
    ask_target: bool


@dataclasses.dataclass(frozen=True)
class Drawn:
    """Maps of a method: values (N, h, w) and (N, H, W), the first's (h, w), and the options."""

    native: str
    large: str
    cells: tuple[int, int]
    options: Mapping[str, Any]


class Frame:
    """A graph with an image at its beginning, for a method to go on with.

    Attributes
    ----------
    g : Graph
    prepared : PreparedModel
    settings : Settings
    size : tuple of int
        (H, W).
    image : str
        (N, C, H, W), normalized.
    one_hot : str
        The class of each image, (N, K), once it is chosen.
    no_seed : str
        Zeros, (1, K).
    """

    def __init__(self, prepared: PreparedModel, settings: Settings) -> None:
        self.prepared, self.settings = prepared, settings
        self.size = prepared.input_shape[1:]
        self.g = Graph(_empty(prepared), settings.lowering)
        self.image = self._take_image()
        self._take_target()
        self.no_seed = self.g.const(np.zeros((1, prepared.num_classes)), np.float32)
        self.one_hot = ""

    def choose(self, logits: str) -> str:
        """Choose the class of each image, by the target or the top; return its score, (N,)."""
        g = self.g
        top = g.op("ArgMax", logits, axis=1, keepdims=0)
        named = g.op("Less", TARGET, g.const(np.array(0, np.int64)))
        index = g.op("Where", named, top, TARGET, name=CLASS)
        column = spread(g, index, [1])
        classes = g.const(np.arange(self.prepared.num_classes)[None], np.int64)
        self.one_hot = as_float(g, g.op("Equal", column, classes))
        scores = g.op("Identity", self.in_kind(logits), name=SCORES)
        # Gathering fails where a class does not exist, and one-hot rows would be silent zeros.
        score = g.op("GatherElements", scores, column, axis=1)
        return g.op("Identity", narrow(g, score, 1), name=SCORE)

    def in_kind(self, logits: str) -> str:
        """Scores (n, K) of the kind that is explained."""
        if self.settings.kind == "logit":
            return logits
        if self.prepared.output_kind == "sigmoid":
            return self.g.op("Sigmoid", logits)
        return self.g.op("Softmax", logits, axis=-1)

    def finish(self, drawn: Drawn) -> onnx.ModelProto:
        """The model, checked."""
        g, classes = self.g, self.prepared.num_classes
        for name, value in ((MAP, drawn.large), (NATIVE, drawn.native)):
            g.op("Identity", value, name=name)
        for name, kind, shape in (
            (SCORES, TensorProto.FLOAT, [classes]),
            (SCORE, TensorProto.FLOAT, []),
            (CLASS, INT, []),
            (MAP, TensorProto.FLOAT, self.size),
            (NATIVE, TensorProto.FLOAT, drawn.cells),
        ):
            value = helper.make_tensor_value_info(name, kind, [BATCH, *shape])
            g.model.graph.output.append(value)
        helper.set_model_props(g.model, self._metadata(drawn))
        check_model(g.model, self.prepared.name)
        return g.model

    def _take_image(self) -> str:
        """Add the image as an input, and what makes the network's input of it."""
        form, (channels, height, width) = self.settings.input, self.prepared.input_shape
        if form == "float":
            self._input(IMAGE, TensorProto.FLOAT, [BATCH, channels, height, width])
            return IMAGE
        g, record = self.g, self.settings.preprocess
        planes = [3, height, width] if form == "uint8-nchw" else [height, width, 3]
        self._input(IMAGE, TensorProto.UINT8, [BATCH, *planes])
        x = g.div(as_float(g, IMAGE), g.scalar(255.0))
        if form == "uint8":
            x = g.op("Transpose", x, perm=[0, 3, 1, 2])
        if record.channels == "GRAY":
            x = g.sum(g.mul(x, g.const(np.reshape(LUMA, (1, 3, 1, 1)), np.float32)), [1])
        elif record.channels == "BGR":
            x = g.op("Gather", x, g.ints([2, 1, 0]), axis=1)
        gain, offset = record.affine()
        return g.add(g.mul(x, g.const(gain[None])), g.const(offset[None]))

    def _take_target(self) -> None:
        """Add the class as an input, with a default where nobody must give it."""
        if self.settings.ask_target:
            self._input(TARGET, INT, [BATCH])
            return
        self._input(TARGET, INT, ["targets"])
        self.g.own(onnx.numpy_helper.from_array(np.full(1, -1, np.int64), TARGET))

    def _input(self, name: str, kind: int, shape: Sequence[int | str]) -> None:
        self.g.model.graph.input.append(helper.make_tensor_value_info(name, kind, shape))

    def _metadata(self, drawn: Drawn) -> dict[str, str]:
        """What the file says of itself; labels and other records of the model go along."""
        from pysal import __version__

        prepared, settings = self.prepared, self.settings
        own = {p.key: p.value for p in prepared.model.metadata_props}
        facts = {
            "method": settings.method,
            "options": dict(drawn.options),
            "kind": settings.kind,
            "input": settings.input,
            "map_size": self.size,
            "native_size": drawn.cells,
            "lowering": settings.lowering,
            "compact": settings.compact,
            "model": {
                "name": prepared.name,
                "sha256": prepared.sha256,
                "input_shape": prepared.input_shape,
                "classes": prepared.num_classes,
                "output_kind": prepared.output_kind,
            },
            "versions": {"pysal": __version__, "onnx": onnx.__version__},
        }
        record = json.dumps(settings.preprocess.to_dict())
        return {**own, EXPLAINER_KEY: json.dumps(facts), PREPROCESS_KEY: record}


def _empty(prepared: PreparedModel) -> onnx.ModelProto:
    """A model without nodes, of the network's operator set."""
    others = {node.domain for node in prepared.model.graph.node} - {"", "ai.onnx"}
    if others:
        raise ModelFormatError(
            f"{prepared.name} has operators of {', '.join(sorted(others))}; an explainer in one "
            "file has standard ONNX operators only"
        )
    opset = next(o.version for o in prepared.model.opset_import if o.domain in ("", "ai.onnx"))
    graph = onnx.GraphProto(name="explainer")
    version = max(IR_VERSION, prepared.model.ir_version)
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(
        graph, ir_version=version, opset_imports=imports, producer_name="pysal"
    )
