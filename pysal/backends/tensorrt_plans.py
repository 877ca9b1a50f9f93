"""Where plans come from: an ONNX classifier, or a gradient model that `pysal export` has written.

Graphs are built with the onnx package, brought to the precision, and built by TensorRT once: the
cache has them the next time.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pysal.backends.tensorrt_build import BuiltPlan, build_plan
from pysal.backends.tensorrt_cache import PlanCache, plan_key
from pysal.backends.tensorrt_library import Library
from pysal.backends.tensorrt_options import PlanOptions
from pysal.errors import CapabilityError, InputError, OptionError
from pysal.prepared import GRADIENT_KEY, LOGITS, MODEL_KEY, SEED, forward_path, gradient_name
from pysal.redraw import How

if TYPE_CHECKING:
    import onnx

HALF = ("fp16", "bf16")
LOWERING = "portable"
"""The forms of gradient rules that TensorRT's parser takes and 16 bits can carry."""


class PlanSource(ABC):
    """Plans of one model, and its facts."""

    facts: Mapping[str, Any]
    metadata: Mapping[str, str]

    @abstractmethod
    def forward(self, taps: Sequence[str]) -> BuiltPlan:
        """Logits and activations of layers."""

    @abstractmethod
    def gradient(self, rules: str, wrt: str, taps: Sequence[str] = ()) -> BuiltPlan:
        """Logits, the gradient at `wrt`, and activations of layers."""

    def scaled(self, layers: Sequence[str]) -> BuiltPlan:
        """Logits, with factors for the channels of layers as inputs."""
        raise CapabilityError(self._cannot("multiplies no channels"))

    def weighted_layers(self) -> tuple[str, ...]:
        """Names of the layers that have weights, in order."""
        raise CapabilityError(self._cannot("shows no weights"))

    def randomized(self, layers: Sequence[str], seed: int, how: How) -> PlanSource:
        """The same with the weights of some layers drawn anew."""
        raise CapabilityError(self._cannot("draws no weights anew"))

    def _cannot(self, what: str) -> str:
        return f"{self.facts['name']} was exported and {what}; open the original ONNX file"

    def _check_rules(self, rules: str) -> None:
        """Refuse another rule table than the one of the export."""
        made_with = json.loads(self.metadata.get(GRADIENT_KEY, "{}")).get("rules", "gradient")
        if rules != made_with:
            raise CapabilityError(
                f'{self.facts["name"]} was exported with rules "{made_with}", not "{rules}"; open '
                "the original ONNX file"
            )


@dataclasses.dataclass(frozen=True)
class PlanMaker:
    """Builds plans, or takes them from a cache.

    Attributes
    ----------
    library : Library
    options : PlanOptions
    gpu : str
        Name and compute capability of the GPU that it builds for; empty where targets are given.
    cache : PlanCache, optional
    """

    library: Library
    options: PlanOptions
    gpu: str
    cache: PlanCache | None = None

    def make(self, model: onnx.ModelProto, name: str, kind: Mapping[str, Any]) -> BuiltPlan:
        """The plan of a float32 model.

        Parameters
        ----------
        model : onnx.ModelProto
            From `export.build_forward` and the like, with lowering "portable" for 16 bits.
        name : str
            Of the file, for messages.
        kind : mapping
            What the graph is and what it is made of, for the key: "graph", "rules", "sha256", ...
        """
        if self.options.precision in HALF:
            from pysal.export.passes.half import to_half

            model = to_half(model, self.options.precision)
        graph = model.SerializeToString(deterministic=True)
        facts = {**kind, "onnx": hashlib.sha256(graph).hexdigest(), **self._facts()}
        key = plan_key(facts)
        found = self.cache.get(key) if self.cache else None
        if found is None:
            if self.cache:
                self.cache.check()
            what = f"the {kind['graph']} graph of {name}"
            found = build_plan(self.library, graph, self.options, what, self._timing())
            if self.cache:
                self.cache.put(key, found, facts)
        return found

    def _facts(self) -> dict[str, Any]:
        """What a plan depends on besides the graph."""
        return {
            "library": self.library.flavour,
            "version": self.library.version,
            "gpu": self.gpu,
            **dataclasses.asdict(self.options),
        }

    def _timing(self) -> Path | None:
        if self.cache is None or self.library.is_rtx:
            return None
        name = plan_key({"version": self.library.version, "gpu": self.gpu})
        return self.cache.folder / f"timing-{name}.cache"


class OnnxPlans(PlanSource):
    """Plans of an ordinary ONNX classifier, with any rules and layers."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        input_shape: tuple[int, int, int] | None,
        maker: PlanMaker,
    ) -> None:
        from pysal import export

        self._maker = maker
        self._prepared = export.prepare(path, input_shape=input_shape)
        self.metadata = self._prepared.metadata()
        self.facts = json.loads(self.metadata[MODEL_KEY])

    def forward(self, taps: Sequence[str]) -> BuiltPlan:
        """Built from `export.build_forward`."""
        from pysal import export

        return self._make(export.build_forward(self._prepared, taps), "forward", taps=list(taps))

    def gradient(self, rules: str, wrt: str, taps: Sequence[str] = ()) -> BuiltPlan:
        """Built from `export.build_gradient`."""
        from pysal import export

        model = export.build_gradient(
            self._prepared, rules=rules, wrt=(wrt,), taps=taps, lowering=LOWERING
        )
        return self._make(model, "gradient", rules=rules, wrt=wrt, taps=list(taps))

    def scaled(self, layers: Sequence[str]) -> BuiltPlan:
        """Built from `export.build_scaled`."""
        from pysal import export

        model = export.build_scaled(self._prepared, layers)
        return self._make(model, "scaled", layers=list(layers))

    def weighted_layers(self) -> tuple[str, ...]:
        """Those of the prepared model."""
        return tuple(self._prepared.weighted_layers)

    def randomized(self, layers: Sequence[str], seed: int, how: How) -> PlanSource:
        """A copy over randomized weights, whose plans are not kept."""
        other = copy.copy(self)
        other._prepared = self._prepared.randomized(layers, seed=seed, how=how)
        other.metadata = other._prepared.metadata()
        other.facts = json.loads(other.metadata[MODEL_KEY])
        other._maker = dataclasses.replace(self._maker, cache=None)
        return other

    def _make(self, model: onnx.ModelProto, graph: str, **kind: Any) -> BuiltPlan:
        about = {"graph": graph, "sha256": self.facts["sha256"], **kind}
        return self._maker.make(model, self.facts["name"], about)


class GradientModelPlans(PlanSource):
    """Plans of a gradient model written by `pysal export` as ONNX, and of its sibling."""

    def __init__(self, path: Path, maker: PlanMaker) -> None:
        from pysal.export.passes.read import read_model

        self._path, self._maker = path, maker
        self._model, _ = read_model(path)
        self.metadata = {prop.key: prop.value for prop in self._model.metadata_props}
        self.facts = json.loads(self.metadata[MODEL_KEY])
        lowering = json.loads(self.metadata.get(GRADIENT_KEY, "{}")).get("lowering")
        if maker.options.precision in HALF and lowering != LOWERING:
            raise CapabilityError(
                f'{path.name} was exported with lowering "{lowering}", which does not fit in '
                f"{maker.options.precision}; export it with --lowering {LOWERING}, or open the "
                "original ONNX file"
            )

    def forward(self, taps: Sequence[str]) -> BuiltPlan:
        """The sibling where it has every tap, else the gradient model itself."""
        from pysal.export.passes.read import read_model

        sibling = forward_path(self._path)
        if sibling.is_file() and not taps:
            return self._make(read_model(sibling)[0], "forward")
        return self._itself((LOGITS, *taps))

    def gradient(self, rules: str, wrt: str, taps: Sequence[str] = ()) -> BuiltPlan:
        """The file itself, if it was exported with this table and for these values."""
        self._check_rules(rules)
        return self._itself((LOGITS, gradient_name(wrt), *taps))

    def _itself(self, outputs: Sequence[str]) -> BuiltPlan:
        has = {output.name for output in self._model.graph.output}
        for name in outputs:
            if name not in has:
                raise OptionError(
                    f'{self._path.name} has no output "{name}"; export it with --taps, or open the '
                    "original model"
                )
        return self._make(self._model, "gradient")

    def _make(self, model: onnx.ModelProto, graph: str) -> BuiltPlan:
        about = {"graph": graph, "sha256": self.facts["sha256"]}
        return self._maker.make(model, self._path.name, about)


def open_onnx(path: Path, input_shape: tuple[int, int, int] | None, maker: PlanMaker) -> PlanSource:
    """Plans of either kind of ONNX file; the content decides, not the name.

    Raises
    ------
    InputError
        If there is no such file.
    """
    if not path.is_file():
        what = "is a folder without plans" if path.is_dir() else "does not exist"
        raise InputError(
            f"model {path} {what}; give an .onnx file, or a folder that pysal export has written"
        )
    if SEED.encode() in path.read_bytes():
        return GradientModelPlans(path, maker)
    return OnnxPlans(path, input_shape, maker)
