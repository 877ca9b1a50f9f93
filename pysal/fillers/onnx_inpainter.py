"""Any inpainter in an ONNX file: (image (N, 3, h, w), mask (N, 1, h, w)) -> (N, 3, h, w)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pysal.errors import CapabilityError, InputError, MissingDependencyError, ModelFormatError
from pysal.fillers.filler import Filler, Keep, Seeds, each
from pysal.fillers.record import InpainterRecord
from pysal.fillers.resize import resize, resize_known
from pysal.preprocess import Preprocess
from pysal.types import Array

EXPECTED = "expected inputs image (N, 3, h, w) and mask (N, 1, h, w), output (N, 3, h, w), float32"


class Names(NamedTuple):
    """Names of the inputs and the output in the file."""

    image: str
    mask: str
    output: str


class OnnxInpainter(Filler):
    """An inpainter in an ONNX file, on ONNX Runtime's CPU engine.

    Parameters
    ----------
    preprocess : Preprocess
        Of the classifier, not of the inpainter; it needs colours: RGB, BGR or grey.
    path : Path
        The file. How it is fed stands in its metadata `pysal.inpainter`, or in the .json beside it:
        see `InpainterRecord`.

    Raises
    ------
    InputError
        If there is no such file, or its record is wrong.
    ModelFormatError
        If it is no inpainter: one line with what it has and what is expected.
    MissingDependencyError
        If onnxruntime is not installed.

    Notes
    -----
    Methods specification, section 10. Where sizes differ, the image is resized bilinearly to the
    inpainter's size and the result back to the image's, half-pixel centres, without antialiasing.
    Two things differ from the published code on purpose. The image is resized from its known pixels
    alone, so that nothing hidden shines through at the hole's border; away from the hole that is
    the same. And the threshold of the resized mask holds for each image by itself.
    One image per run, images in parallel; so a batch gives exactly what its images give alone.
    """

    def __init__(self, preprocess: Preprocess, path: Path) -> None:
        super().__init__(preprocess)
        self.name = path.name
        self._session = _open(path)
        self._digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.record = InpainterRecord.find(path, self.metadata)
        self.has_unpasted = not self.record.pastes
        self._names, size = _inputs(self._session, path, self.record)
        self._size = size or self.record.size

    @property
    def description(self) -> str:
        """Name of the file, and the start of its SHA-256."""
        return f"{self.name}(sha256={self._digest})"

    def _generate(self, images: Array, keep: Keep, seeds: Seeds) -> Array:
        rgb = self.preprocess.denormalize(images).transpose(0, 3, 1, 2)
        if self.record.round:
            rgb = (np.rint(rgb * 255) / 255).astype(np.float32)
        out = np.empty_like(rgb)

        def one(row: int) -> None:
            out[row] = self._inpaint(rgb[row], keep[row])

        each(len(rgb), one)
        made = self.preprocess.normalize(np.clip(out, 0, 1).transpose(0, 2, 3, 1))
        if not np.isfinite(made).all():
            raise CapabilityError(
                f"{self.name}: gives NaN or infinite values; use another inpainter"
            )
        return made

    def _inpaint(self, rgb: Array, keep: Keep) -> Array:
        """The inpainter's image for one RGB (3, H, W) in [0, 1]."""
        shape = keep.shape
        size = self._size or _enlarged(shape, self.record.multiple)
        if self._size:
            rgb, share = resize_known(rgb, keep, size)
            keep = share >= self.record.threshold - 1e-5  # weights sum to 1 up to rounding
        else:  # all that is added is hole
            pad = [(0, size[0] - shape[0]), (0, size[1] - shape[1])]
            rgb, keep = np.pad(rgb, [(0, 0), *pad]), np.pad(keep, pad)
        made = self._run(rgb, keep)
        return resize(made, shape) if self._size else made[:, : shape[0], : shape[1]]

    def _run(self, rgb: Array, keep: Keep) -> Array:
        """Feed one image of the inpainter's own size."""
        record = self.record
        image = np.float32(record.low) + np.float32(record.high - record.low) * rgb
        image = np.where(keep, image, np.float32(record.blank))
        image = image[::-1] if record.channels == "BGR" else image
        mask = keep if record.mask == "keep" else ~keep
        feed = {
            self._names.image: np.ascontiguousarray(image[None], np.float32),
            self._names.mask: np.ascontiguousarray(mask[None, None], np.float32),
        }
        made = self._called(feed)
        if made.shape != (1, *rgb.shape):
            raise ModelFormatError(
                f"{self.name}: output has shape {made.shape} for an image of shape "
                f"{(1, *rgb.shape)}; {EXPECTED}"
            )
        low, high = record.output_range
        out: Array = (made[0] - np.float32(low)) / np.float32(high - low)
        return out[::-1] if record.channels == "BGR" else out

    def _called(self, feed: dict[str, Array]) -> Array:
        """Run the session; its errors, whose types share no base class, in one line."""
        try:
            made: Array = self._session.run([self._names.output], feed)[0]
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            shape = feed[self._names.image].shape
            raise CapabilityError(
                f"{self.name}: ONNX Runtime fails on an image of shape {shape}: {reason}; state "
                "the sizes it takes as size or multiple in its record"
            ) from error
        return made


def _open(path: Path) -> Any:
    """Open a session of one thread."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an .onnx inpainter")
    try:
        import onnxruntime  # noqa: TID251
    except ImportError as error:
        raise MissingDependencyError(
            "inpainters in ONNX files need onnxruntime; install it with "
            'pip install "pysal-saliency[cpu]"'
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # their types share no base class
        reason = str(error).strip().splitlines()[0]
        raise ModelFormatError(
            f"{path}: ONNX Runtime {onnxruntime.__version__} refuses it: {reason}"
        ) from error


def _inputs(
    session: Any, path: Path, record: InpainterRecord
) -> tuple[Names, tuple[int, int] | None]:
    """Names in the file, and the fixed (h, w) or None."""
    parts = {
        "image": (session.get_inputs(), record.image_input, 3),
        "mask": (session.get_inputs(), record.mask_input, 1),
        "output": (session.get_outputs(), record.output, 3),
    }
    found = {kind: _pick(*part) for kind, part in parts.items()}
    few = len(session.get_inputs()) == 2
    if not few or any(len(nodes) != 1 for nodes in found.values()):
        raise ModelFormatError(
            f"{path}: has inputs {_text(session.get_inputs())}, outputs "
            f"{_text(session.get_outputs())}; {EXPECTED}"
        )
    sizes = {tuple(found[kind][0].shape[2:]) for kind in ("image", "mask")}
    fixed = {size for size in sizes if all(isinstance(side, int) for side in size)}
    if len(fixed) > 1 or (fixed and record.size and fixed != {record.size}):
        raise ModelFormatError(
            f"{path}: has inputs {_text(session.get_inputs())}, and its record says size "
            f"{record.size}; expected one size for all"
        )
    names = Names(*(found[kind][0].name for kind in ("image", "mask", "output")))
    return names, next(iter(fixed), None)


def _pick(nodes: list[Any], name: str | None, channels: int) -> list[Any]:
    """Those of the inputs or outputs that fit: float32 (N or 1, channels, h, w), by name if given.

    Channels that the file leaves open fit only a name.
    """

    def fits(node: Any) -> bool:
        shape = node.shape
        if node.type != "tensor(float)" or len(shape) != 4 or shape[0] not in (1, *_free(shape[0])):
            return False
        open_channels = _free(shape[1]) if name else ()
        return shape[1] in (channels, *open_channels) and name in (None, node.name)

    return [node for node in nodes if fits(node)]


def _free(side: Any) -> tuple[Any, ...]:
    """The side itself if the file leaves it open."""
    return () if isinstance(side, int) else (side,)


def _text(nodes: list[Any]) -> str:
    """Names, types and shapes."""
    return ", ".join(
        f"{node.name} ({', '.join(map(str, node.shape))}) {node.type[7:-1]}" for node in nodes
    )


def _enlarged(shape: tuple[int, ...], multiple: int) -> tuple[int, int]:
    """Sides rounded up."""
    height, width = (-(-side // multiple) * multiple for side in shape)
    return height, width
