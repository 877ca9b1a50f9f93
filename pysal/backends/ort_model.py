"""Model files for ONNX Runtime: an ordinary classifier, or one that `pysal export` has prepared."""

from __future__ import annotations

import copy
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort

from pysal.backends.ort_session import open_session
from pysal.backends.record import find_labels
from pysal.errors import CapabilityError, InputError, OptionError
from pysal.prepared import (
    GRADIENT_KEY,
    LOGITS,
    MODEL_KEY,
    PROBABILITIES,
    SEED,
    SEED_PROBABILITY,
    forward_path,
    gradient_name,
)
from pysal.redraw import How
from pysal.types import ModelInfo

Built = tuple["bytes | str", Mapping[str, tuple[int, ...]], tuple[str, ...]]


class ModelFiles(ABC):
    """Where the forward and gradient graphs come from, and the facts of the model."""

    facts: Mapping[str, Any]
    metadata: Mapping[str, str]

    @abstractmethod
    def forward(self, taps: Sequence[str]) -> Built:
        """Graph with logits and taps: (model, shape of every value for one image, outputs)."""

    @abstractmethod
    def gradient(
        self, rules: str, wrt: str, taps: Sequence[str] = (), start: str | None = None
    ) -> Built:
        """Graph with logits, the gradient at `wrt` and taps; the walk begins there or at `start`.

        With `start` there are no logits, and the seed is `prepared.SEED_LAYER`.
        """

    def scaled(self, layers: Sequence[str]) -> Built:
        """Graph with logits, and factors for the channels of layers as inputs."""
        raise CapabilityError(self._prepared_only("multiplies no channels"))

    def weighted_layers(self) -> tuple[str, ...]:
        """Names of the layers that have weights, in order."""
        raise CapabilityError(self._prepared_only("shows no weights"))

    def randomized(self, layers: Sequence[str], seed: int, how: How) -> ModelFiles:
        """The same with the weights of some layers drawn anew."""
        raise CapabilityError(self._prepared_only("draws no weights anew"))

    def _prepared_only(self, what: str) -> str:
        return f"{self.facts['name']} is an exported gradient model and {what}; open the original"

    def seed_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of image, logits and seeds for one image."""
        classes = (1, self.facts["num_classes"])
        names = (LOGITS, PROBABILITIES, SEED, SEED_PROBABILITY)
        image = (1, *self.facts["input_shape"])
        return {self.facts["input"]: image, **dict.fromkeys(names, classes)}


class OrdinaryFile(ModelFiles):
    """An ordinary ONNX file: graphs are built on demand, with the onnx package."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        input_shape: tuple[int, int, int] | None,
        lowering: str,
    ) -> None:
        from pysal import export

        self._lowering = lowering
        self._prepared = export.prepare(path, input_shape=input_shape)
        self.metadata = self._prepared.metadata()
        self.facts = json.loads(self.metadata[MODEL_KEY])

    def forward(self, taps: Sequence[str]) -> Built:
        """Built by `export.build_forward`."""
        from pysal import export

        model = export.build_forward(self._prepared, taps)
        return self._built(model, (LOGITS, *taps))

    def gradient(
        self, rules: str, wrt: str, taps: Sequence[str] = (), start: str | None = None
    ) -> Built:
        """Built by `export.build_gradient`."""
        from pysal import export

        model = export.build_gradient(
            self._prepared,
            rules=rules,
            wrt=(wrt,),
            taps=taps,
            start=start,
            lowering=self._lowering,
        )
        logits = (LOGITS,) if start is None else ()
        return self._built(model, (*logits, gradient_name(wrt), *taps))

    def scaled(self, layers: Sequence[str]) -> Built:
        """Built by `export.build_scaled`."""
        from pysal import export

        return self._built(export.build_scaled(self._prepared, layers), (LOGITS,))

    def weighted_layers(self) -> tuple[str, ...]:
        """Those of the prepared model."""
        return tuple(self._prepared.weighted_layers)

    def randomized(self, layers: Sequence[str], seed: int, how: How) -> ModelFiles:
        """A copy over randomized weights."""
        other = copy.copy(self)
        other._prepared = self._prepared.randomized(layers, seed=seed, how=how)
        other.metadata = other._prepared.metadata()
        other.facts = json.loads(other.metadata[MODEL_KEY])
        return other

    def _built(self, model: Any, outputs: tuple[str, ...]) -> Built:
        shapes = {
            value.name: (1, *(d.dim_value for d in value.type.tensor_type.shape.dim[1:]))
            for value in (*model.graph.input, *model.graph.output)
        }
        return model.SerializeToString(), shapes, outputs


class PreparedFile(ModelFiles):
    """A file written by `pysal export`: runs without the onnx package.

    The file `NAME.forward.onnx` beside `NAME.onnx` answers scores; where it is missing the gradient
    model does, at the cost of its backward pass.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        session = open_session(str(path), 1)
        self.metadata = session.get_modelmeta().custom_metadata_map
        self.facts = json.loads(self.metadata[MODEL_KEY])
        self._outputs = {o.name: tuple(o.shape[1:]) for o in session.get_outputs()}

    def forward(self, taps: Sequence[str]) -> Built:
        """The sibling where it has every tap, else the gradient model itself."""
        sibling = forward_path(self._path)
        if sibling.is_file() and not taps:
            return str(sibling), self.seed_shapes(), (LOGITS,)
        return self._itself((LOGITS, *taps))

    def gradient(
        self, rules: str, wrt: str, taps: Sequence[str] = (), start: str | None = None
    ) -> Built:
        """The file itself, if it was exported with this table and for these values."""
        if start is not None:
            raise CapabilityError(
                f"{self._path.name} was exported with a walk from the logits and starts none at "
                f'"{start}"; open the original model'
            )
        made_with = json.loads(self.metadata.get(GRADIENT_KEY, "{}")).get("rules", "gradient")
        if rules != made_with:
            raise CapabilityError(
                f'{self._path.name} was exported with rules "{made_with}", not "{rules}"; open the '
                "original model"
            )
        return self._itself((LOGITS, gradient_name(wrt), *taps))

    def _itself(self, outputs: tuple[str, ...]) -> Built:
        missing = [name for name in outputs if name not in self._outputs]
        if missing:
            raise OptionError(
                f'{self._path.name} has no output "{missing[0]}"; export it with --taps, or '
                "open the original model"
            )
        shapes = {name: (1, *shape) for name, shape in self._outputs.items()}
        return str(self._path), {**shapes, **self.seed_shapes()}, outputs


def open_files(
    path: str | os.PathLike[str],
    input_shape: tuple[int, int, int] | None = None,
    lowering: str = "ort",
) -> ModelFiles:
    """Open either kind of file; the content decides, not the name.

    `lowering` is that of `export.build_gradient`; a prepared file has its own.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"model {path} {what}; give the path of an .onnx file")
    if SEED.encode() in path.read_bytes():
        return PreparedFile(path)
    return OrdinaryFile(path, input_shape, lowering)


def model_info(
    files: ModelFiles, engine: str, labels: Sequence[str] | str | os.PathLike[str] | None
) -> ModelInfo:
    """What is known of a model file, on an engine of ONNX Runtime."""
    facts = files.facts
    return ModelInfo(
        name=facts["name"],
        input_shape=tuple(facts["input_shape"]),
        num_classes=facts["num_classes"],
        sha256=facts["sha256"],
        output_kind=facts["output_kind"],
        layers=tuple(facts["layers"]),
        cam_layer=facts.get("cam_layer") or "",
        contrast_layer=facts.get("contrast_layer") or "",
        feature_layers=tuple(facts.get("feature_layers", ())),
        layer_kinds=facts.get("feature_layers", {}),
        grids=facts.get("grids", {}),
        receptive_fields={
            name: fields for name, fields in facts.get("receptive_fields", {}).items() if fields
        },
        engine=engine,
        versions={"onnxruntime": ort.__version__},
        opset=facts["opset"],
        labels=find_labels(labels, files.metadata, facts["num_classes"]),
    )
