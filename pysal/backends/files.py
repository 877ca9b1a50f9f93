"""Model files for engines: an ordinary classifier, or one that `pysal export` has prepared."""

from __future__ import annotations

import copy
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pysal.backends.facts import info_of
from pysal.errors import CapabilityError, InputError, ModelFormatError, OptionError
from pysal.prepared import (
    EXPLAINER_KEY,
    GRADIENT_KEY,
    LOGITS,
    MODEL_KEY,
    PROBABILITIES,
    SEED,
    SEED_LOG_ODDS,
    SEED_PROBABILITY,
    forward_path,
    gradient_name,
    not_a_classifier,
)
from pysal.redraw import How
from pysal.types import ModelInfo

Built = tuple["bytes | str", Mapping[str, tuple[int, ...]], tuple[str, ...]]
"""A serialized model or a path, the shape of every value for one image, and the outputs."""

Header = tuple[Mapping[str, str], Mapping[str, tuple[int, ...]]]
"""Metadata of a file, and the shape of its outputs without the batch axis."""


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
        names = (LOGITS, PROBABILITIES, SEED, SEED_PROBABILITY, SEED_LOG_ODDS)
        image = (1, *self.facts["input_shape"])
        return {self.facts["input"]: image, **dict.fromkeys(names, classes)}


class OrdinaryFile(ModelFiles):
    """An ordinary ONNX file: graphs are built on demand, with the onnx package."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        input_shape: tuple[int, int, int] | None,
        lowering: str,
        log_odds: bool,
    ) -> None:
        from pysal import export

        self._options: dict[str, Any] = {"lowering": lowering, "log_odds": log_odds}
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
            **self._options,
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

    def __init__(self, path: Path, read_header: Callable[[Path], Header]) -> None:
        self._path = path
        self.metadata, self._outputs = read_header(path)
        self.facts = json.loads(self.metadata[MODEL_KEY])

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
    read_header: Callable[[Path], Header],
    *,
    input_shape: tuple[int, int, int] | None = None,
    lowering: str,
    log_odds: bool = False,
) -> ModelFiles:
    """Open either kind of file; the content decides, not the name.

    `read_header` is the engine's own reader of prepared files, so that they need no other package.
    `lowering` and `log_odds` are those of `export.build_gradient`; a prepared file has its own.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"model {path} {what}; give the path of an .onnx file")
    data = path.read_bytes()
    if EXPLAINER_KEY.encode() in data:
        raise ModelFormatError(not_a_classifier(path.name))
    if SEED.encode() in data:
        return PreparedFile(path, read_header)
    return OrdinaryFile(path, input_shape, lowering, log_odds)


def model_info(
    files: ModelFiles,
    engine: str,
    versions: Mapping[str, str],
    labels: Sequence[str] | str | os.PathLike[str] | None,
) -> ModelInfo:
    """What is known of a model file, on an engine."""
    return info_of(files.facts, files.metadata, engine, versions, labels)
