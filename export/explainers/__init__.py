"""Explainers as one ONNX file each: image in, scores and map out, in standard operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import onnx

from pysal.errors import OptionError
from pysal.options import check_options
from pysal.prepared import PREPROCESS_KEY
from pysal.preprocess import Preprocess
from pysal.registry import Entry, lookup
from pysal.types import ScoreKind
from pysal.values import choice, flag

from ..lowerings import LOWERINGS
from ..model import PreparedModel
from .frame import INPUTS, Frame, Settings

EXPLAINERS: dict[str, Entry] = {
    "igos": Entry(
        "pysal.export.explainers.igos:igos",
        summary="I-GOS without noise: a loop of steps, with its line search as a loop inside",
    ),
    "integrated_gradients": Entry(
        "pysal.export.explainers.path:integrated_gradients",
        summary="integrated gradients: a loop over the points of the path",
    ),
    "gradcam": Entry(
        "pysal.export.explainers.gradcam:gradcam",
        summary="GradCAM: one run forward and backward to a layer",
        kind="logit",
    ),
}
"""Methods that can be written as one file."""

PYTHON_ONLY: Mapping[str, Mapping[str, Any]] = {
    "igos": {"noise": "off", "noise_std": None, "l1_schedule": False},
    "integrated_gradients": {"idgi": False, "both": False, "channels": False},
}
"""Options of the methods that the one-file form has at one value only."""


def build_explainer(
    prepared: PreparedModel,
    method: str,
    *,
    preprocess: Preprocess | None = None,
    input: str = "float",
    kind: ScoreKind | None = None,
    lowering: str = "ort",
    compact: bool = False,
    ask_target: bool = False,
    **options: Any,
) -> onnx.ModelProto:
    """Write a method and its network as one model that plain ONNX Runtime runs.

    Inputs are `image`, N of them, and `target`, (N,) or (1,), int64: classes to explain; a negative
    number is the top class, and so it is without the input. Outputs: `scores` (N, K), `score` and
    `class` (N,), `map` (N, H, W) and `native` (N, h, w), the method's own resolution. A class that
    does not exist is an error of the runtime.

    Parameters
    ----------
    prepared : PreparedModel
    method : str
        A name of `EXPLAINERS`.
    preprocess : Preprocess, optional
        For baselines and uint8 pictures. Default: that of the model's metadata, else ImageNet's.
    input : {"float", "uint8", "uint8-nchw"}
        What `image` is; see `INPUTS`.
    kind : {"probability", "logit"}, optional
        Score that is explained, and that `scores` lists. Default: the method's.
    lowering : {"ort", "portable"}
        Engine family of the backward pass.
    compact : bool
        Keep every weight once. Else each of the loops has a copy beside its nodes, as ONNX Runtime
        on a CPU needs it for its fast layout.
    ask_target : bool
        Make `target` an input that must be given: runtimes in JavaScript have no optional ones.
    **options
        Of the method, fixed in the file.

    Returns
    -------
    onnx.ModelProto
        Standard operators only, of the operator set of `prepared`.

    Raises
    ------
    OptionError
        If method or options are unknown, or the one-file form does not have them.
    UnsupportedOpError, ModelFormatError
        If the network has operators without a backward rule, or that are not standard.
    """
    entry = lookup(EXPLAINERS, method, "one-file explainer")
    choice(method, "input", input, INPUTS)
    choice(method, "lowering", lowering, LOWERINGS)
    kind = entry.kind if kind is None else kind
    choice(method, "kind", kind, get_args(ScoreKind))
    write = entry.load()
    options = _without_python_only(method, options)
    check_options(write, options, f'one-file explainer "{method}"')
    record = _record(prepared, preprocess)
    compact, ask_target = flag(method, "compact", compact), flag(method, "ask_target", ask_target)
    frame = Frame(prepared, Settings(method, record, input, kind, lowering, compact, ask_target))
    return frame.finish(write(frame, **options))


def _without_python_only(method: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options without those that have one value here; another value is an OptionError."""
    fixed = PYTHON_ONLY.get(method, {})
    for name in fixed.keys() & options.keys():
        value = options[name]
        if not (value is fixed[name] or (isinstance(value, str) and value == fixed[name])):
            raise OptionError(
                f"{method}: {name} is {value!r}; the one-file form has {fixed[name]!r} only, use "
                "pysal.explain for others"
            )
    return {name: value for name, value in options.items() if name not in fixed}


def _record(prepared: PreparedModel, given: Preprocess | None) -> Preprocess:
    """Preprocessing record of the network."""
    own = {p.key: p.value for p in prepared.model.metadata_props}
    if given is not None:
        record = given
    elif PREPROCESS_KEY in own:
        record = Preprocess.from_text(own[PREPROCESS_KEY], f"{prepared.name} metadata")
    else:
        record = Preprocess.default(prepared.input_shape)
    if record.num_channels != prepared.input_shape[0]:
        raise OptionError(
            f"the preprocessing record is for {record.channels}; {prepared.name} takes "
            f"{prepared.input_shape[0]} channels"
        )
    return record
