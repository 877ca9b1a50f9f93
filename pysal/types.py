"""Values that pass between layers: targets, results, and what is known of a model. All frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pysal.errors import OptionError

Array: TypeAlias = NDArray[np.float32]
ScoreKind: TypeAlias = Literal["probability", "logit"]
SCORE_KINDS: tuple[str, ...] = get_args(ScoreKind)


@dataclasses.dataclass(frozen=True)
class Target:
    """The class that is explained in each image, and the score space it is explained in.

    Parameters
    ----------
    index : array_like of shape (N,), int
        Class index per image.
    kind : {"probability", "logit"}
        Probability is the softmax (or the sigmoid, for multi-label models) of the logits.
    """

    index: NDArray[np.int64]
    kind: ScoreKind = "probability"

    def __post_init__(self) -> None:
        index = np.atleast_1d(np.asarray(self.index))
        if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
            raise OptionError(
                f"target has dtype {index.dtype} and shape {index.shape}; expected one integer "
                "class index per image"
            )
        if self.kind not in SCORE_KINDS:
            raise OptionError(f'score kind "{self.kind}" is unknown; use one of {SCORE_KINDS}')
        object.__setattr__(self, "index", index.astype(np.int64))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: slice | ArrayLike) -> Target:
        return Target(self.index[rows], self.kind)  # type: ignore[index]

    def repeat(self, times: int) -> Target:
        """Each image's target `times` times in a row: (N,) -> (N * times,)."""
        return Target(np.repeat(self.index, times), self.kind)


@dataclasses.dataclass(frozen=True)
class Passes:
    """Network evaluations, counted in images: one image forward and backward is (1, 1)."""

    forward: int = 0
    backward: int = 0

    def __add__(self, other: Passes) -> Passes:
        return Passes(self.forward + other.forward, self.backward + other.backward)


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What was found in a model file.

    Attributes
    ----------
    name : str
        File name, or a label for models that are not files.
    sha256 : str
        Hash of the file's bytes; empty where there is no file.
    input_shape : tuple of int
        (C, H, W) of one image, whatever layout the file itself uses.
    num_classes : int
    output_kind : {"softmax", "sigmoid", "logits"}
        What the file itself ends in. Probabilities are the sigmoid where it ends in one, else the
        softmax of the logits.
    layers : tuple of str
        Activations that can be tapped, in the order in which they are computed.
    supports : frozenset of str
        Subset of {"grad", "activations"}.
    engine : str
        Backend and what it runs on, for instance "ort (CPU, 2 threads)".
    versions : mapping of str to str
        Versions of the engine's packages.
    labels : tuple of str or None
        Class names, where the model or its card has them.
    cam_layer : str
        Layer that class activation maps take where none is named; empty where there is none.
    feature_layers : tuple of str
        Layers whose channels count as features, the class layer excluded; empty where unknown.
    contrast_layer : str
        Input of the last linear layer, where contrastive signals meet; empty where there is none.
    receptive_fields : mapping of str to pair of (size, jump, centre)
        Of feature layers, for rows and columns of the image; absent where global or unknown.
    layer_kinds : mapping of str to str
        What sort of layer some of them are: "conv", "linear", "activation", "pool", ...
    precision_check : mapping
        How reduced precision compared with float32, `guard.PrecisionCheck.to_dict`; else empty.
    grids : mapping of str to (first, height, width)
        Of layers with channels last: (N, T, D) with `first` tokens in front, or (N, h, w, D).
    """

    name: str
    input_shape: tuple[int, int, int]
    num_classes: int
    sha256: str = ""
    output_kind: Literal["softmax", "sigmoid", "logits"] = "logits"
    layers: tuple[str, ...] = ()
    supports: frozenset[str] = frozenset({"grad", "activations"})
    engine: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    opset: int = 0
    labels: tuple[str, ...] | None = None
    cam_layer: str = ""
    feature_layers: tuple[str, ...] = ()
    contrast_layer: str = ""
    receptive_fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    layer_kinds: Mapping[str, str] = dataclasses.field(default_factory=dict)
    precision_check: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    grids: Mapping[str, Sequence[int]] = dataclasses.field(default_factory=dict)

    def label(self, index: int) -> str:
        """Name of class `index`, or its number where the model has no names."""
        return self.labels[index] if self.labels is not None else f"class {index}"


@dataclasses.dataclass(frozen=True)
class Noise:
    """Counter-based Gaussian noise on composed images, in model input space.

    The value at an element depends on (seed of its image, step, node, element) only, so the same
    seed gives the same noise whatever the batch size, thread count or order.

    Attributes
    ----------
    std : ndarray of shape (C,), float32
        Standard deviation per channel, in units of the normalized input.
    seed : ndarray of shape (N,), uint64
        One per image.
    step : int
        Iteration of the optimizer; nodes of a path are counted inside the kernel.
    """

    std: Array
    seed: NDArray[np.uint64]
    step: int = 0

    def __getitem__(self, rows: slice) -> Noise:
        """Noise of some of the images."""
        return Noise(self.std, self.seed[rows], self.step)


@dataclasses.dataclass(frozen=True)
class Attribution:
    """Saliency maps of a batch of images, and what they cost.

    Attributes
    ----------
    map : ndarray of shape (N, H, W), float32
        Signed map at the size of the model's input; higher = more important for the target.
    native : ndarray of shape (N, h, w), float32
        The same map at the method's own resolution; metrics rank this one.
    target : Target
    score : ndarray of shape (N,), float32
        Score of the target on the unperturbed image, in the space of `target.kind`.
    method : str
    options : mapping
        Every option of the method with the value it had, the seed included.
    passes : Passes
        Network evaluations in images, over the whole batch.
    seconds : float
        Wall-clock time of the whole batch.
    trace : mapping of str to ndarray
        Per-iteration values, for instance "loss" of shape (N, iterations + 1).
    images : ndarray of shape (N, H, W, 3), float32, or None
        What the model saw, RGB in [0, 1]; there for overlays.
    names : tuple of str
        One per image, used for file names.
    model : ModelInfo or None
    """

    map: Array
    native: Array
    target: Target
    score: Array
    method: str
    options: Mapping[str, Any]
    passes: Passes
    seconds: float
    trace: Mapping[str, NDArray[Any]] = dataclasses.field(default_factory=dict)
    images: Array | None = None
    names: tuple[str, ...] = ()
    model: ModelInfo | None = None

    def __len__(self) -> int:
        return len(self.map)

    @classmethod
    def concat(cls, parts: Sequence[Attribution]) -> Attribution:
        """Join attributions of one method, model and set of options, in the order given.

        Traces that stopped early are padded with NaN; `images` is None unless every part has it.

        Raises
        ------
        OptionError
            If there is no part.
        """
        if not parts:
            raise OptionError("0 attributions to join; give at least one")
        images = [part.images for part in parts if part.images is not None]
        return dataclasses.replace(
            parts[0],
            map=np.concatenate([part.map for part in parts]),
            native=np.concatenate([part.native for part in parts]),
            target=Target(np.concatenate([p.target.index for p in parts]), parts[0].target.kind),
            score=np.concatenate([part.score for part in parts]),
            passes=sum((part.passes for part in parts), Passes()),
            seconds=sum(part.seconds for part in parts),
            trace={key: _join([part.trace[key] for part in parts]) for key in parts[0].trace},
            images=np.concatenate(images) if len(images) == len(parts) else None,
            names=sum((part.names for part in parts), ()),
        )

    def save(self, folder: str) -> list[str]:
        """Write `NAME.overlay.png`, `NAME.npy` (native map) and `NAME.json` per image.

        Returns
        -------
        list of str
            The paths written, three per image.
        """
        from pysal.report.save import save_attribution

        return save_attribution(self, folder)


@dataclasses.dataclass(frozen=True)
class MetricResult:
    """Values of one metric for a batch of maps.

    Attributes
    ----------
    metric : str
    values : mapping of str to ndarray of shape (N,)
    curves : mapping of str to ndarray of shape (N, T)
        For curve metrics, among them "fraction" of shape (T,), the abscissa.
    options : mapping
    passes : Passes
    seconds : float
    """

    metric: str
    values: Mapping[str, NDArray[np.float64]]
    curves: Mapping[str, NDArray[np.float64]]
    options: Mapping[str, Any]
    passes: Passes
    seconds: float

    @classmethod
    def concat(cls, parts: Sequence[MetricResult]) -> MetricResult:
        """Join results of one metric with the same options; abscissas are those of the first part.

        Raises
        ------
        OptionError
            If there is no part.
        """
        if not parts:
            raise OptionError("0 results to join; give at least one")
        first = parts[0]
        curves = {
            key: curve if curve.ndim == 1 else np.concatenate([part.curves[key] for part in parts])
            for key, curve in first.curves.items()
        }
        values = {key: np.concatenate([part.values[key] for part in parts]) for key in first.values}
        return dataclasses.replace(
            first,
            values=values,
            curves=curves,
            passes=sum((part.passes for part in parts), Passes()),
            seconds=sum(part.seconds for part in parts),
        )


def _join(rows: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate traces along the images; the shorter ones are padded with NaN at the end."""
    length = max((row.shape[1] for row in rows if row.ndim > 1), default=0)
    if all(row.ndim < 2 or row.shape[1] == length for row in rows):
        return np.concatenate(rows)
    padded = []
    for row in rows:
        pad = ((0, 0), (0, length - row.shape[1])) + ((0, 0),) * (row.ndim - 2)
        padded.append(np.pad(row.astype(np.float64), pad, constant_values=np.nan))
    return np.concatenate(padded)
