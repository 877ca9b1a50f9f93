"""How photos become batches of one model: the record, its JSON form and its arithmetic."""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from pysal.errors import InputError, OptionError, ShapeError
from pysal.fields import number, numbers, wrong
from pysal.types import Array

Crop = Literal["center", "none"]
Interpolation = Literal["bilinear", "bicubic", "nearest"]
Channels = Literal["RGB", "BGR", "GRAY"]
Layout = Literal["NCHW", "NHWC"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in a grey value: ITU-R BT.601, as Pillow's mode "L"."""

_CHOICES: dict[str, tuple[str, ...]] = {
    "crop": get_args(Crop),
    "interpolation": get_args(Interpolation),
    "channels": get_args(Channels),
    "layout": get_args(Layout),
}
_COLOUR_KEYS = ("channels", "scale", "mean", "std")


@dataclasses.dataclass(frozen=True)
class Preprocess:
    """The record that turns a photo into one model's input: x = (scale * pixel - mean) / std.

    `pixel` is in [0, 1]; `scale`, `mean` and `std` hold per channel, in the model's channel order.

    Parameters
    ----------
    size : tuple of int
        (H, W) of the model's input.
    resize_shorter_side : int or None
        The photo's shorter side becomes this long, then `size` is cropped from it. None: the photo
        is resized to `size` directly, whatever its aspect ratio (as in I-GOS).
    crop : {"center", "none"}
        "none" means what `resize_shorter_side=None` means, and needs it.
    interpolation : {"bilinear", "bicubic", "nearest"}
        As Pillow's, on 8-bit values; the first two are antialiased.
    channels : {"RGB", "BGR", "GRAY"}
        Channel order of the model; GRAY is one channel, 0.299 R + 0.587 G + 0.114 B.
    scale : float
        255 for models that take 0 to 255.
    mean, std : tuple of float
        One value per channel.
    layout : {"NCHW", "NHWC"}
        Layout of the model file. Batches in pysal are (N, C, H, W) whatever it says.
    labels : tuple of str or None
        Class names.
    assumed : bool
        True where nobody stated the colour arithmetic: callers must say so, because a wrong record
        is the commonest reason for wrong maps. Neither compared nor written.

    Raises
    ------
    OptionError
        If a value has the wrong type or lies outside its allowed values.
    """

    size: tuple[int, int] = (224, 224)
    resize_shorter_side: int | None = 256
    crop: Crop = "center"
    interpolation: Interpolation = "bilinear"
    channels: Channels = "RGB"
    scale: float = 1.0
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    layout: Layout = "NCHW"
    labels: tuple[str, ...] | None = None
    assumed: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self) -> None:
        for key, choices in _CHOICES.items():
            if (value := getattr(self, key)) not in choices:
                raise wrong(key, value, f"one of {', '.join(choices)}")
        size = numbers("size", self.size, 2, "two positive integers, height and width", whole=True)
        object.__setattr__(self, "size", tuple(map(int, size)))
        self._check_resize()
        object.__setattr__(self, "scale", number("scale", self.scale, "a positive number"))
        count = self.num_channels
        each = f"for {self.channels}, one per channel"
        mean = numbers("mean", self.mean, count, f"{count} numbers {each}", signed=True)
        std = numbers("std", self.std, count, f"{count} positive numbers {each}")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)
        if self.labels is not None:
            texts = self.labels if isinstance(self.labels, list | tuple) else [None]
            if not all(isinstance(text, str) for text in texts):
                raise wrong("labels", self.labels, "a list of class names")
            object.__setattr__(self, "labels", tuple(texts))

    def _check_resize(self) -> None:
        """Check `resize_shorter_side`, alone and with `crop`."""
        if (shorter := self.resize_shorter_side) is None:
            return
        text = "a positive integer, or null to resize to size directly"
        value = number("resize_shorter_side", shorter, text, whole=True)
        object.__setattr__(self, "resize_shorter_side", int(value))
        if self.crop == "none":
            raise OptionError(
                f'"crop" is "none" and "resize_shorter_side" is {shorter}; set the latter to null, '
                'or "crop" to "center"'
            )

    @property
    def num_channels(self) -> int:
        """Channels of the model's input."""
        return 1 if self.channels == "GRAY" else 3

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        return (self.num_channels, *self.size)

    @property
    def red_channel(self) -> int:
        """Channel that holds red, for the noise of the first I-GOS code; 0 for grey models."""
        return 2 if self.channels == "BGR" else 0

    @classmethod
    def default(cls, input_shape: tuple[int, int, int] = (3, 224, 224)) -> Preprocess:
        """ImageNet record (RGB, mean and std) for a model that came without one; it is `assumed`.

        The shorter side is 8/7 of the input's, as in 256 for 224.

        Raises
        ------
        ShapeError
            If the model does not take one or three channels.
        """
        channels, height, width = input_shape
        if channels not in (1, 3):
            raise ShapeError(
                f"the model takes {channels} channels; photos have 3, or 1 when grey; explain a "
                "version of the model that takes one of these"
            )
        grey = channels == 1
        return cls(
            size=(height, width),
            resize_shorter_side=round(min(height, width) * 8 / 7),
            channels="GRAY" if grey else "RGB",
            mean=(0.449,) if grey else IMAGENET_MEAN,
            std=(0.226,) if grey else IMAGENET_STD,
            assumed=True,
        )

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], source: str = "preprocess record") -> Preprocess:
        """Read a record; keys that are no field (note, input, output, ...) are ignored.

        Absent keys take the defaults; where one of channels, scale, mean and std is absent, the
        record is `assumed`. An ignored key that looks like a misspelt field is refused.

        Parameters
        ----------
        record : mapping
        source : str
            File, or what else the error shall name.

        Raises
        ------
        InputError
            If a value is wrong; one line with source, key, given and expected.
        """
        if not isinstance(record, Mapping):
            raise InputError(f"{source}: holds a {type(record).__name__}; expected a JSON object")
        fields = {field.name for field in dataclasses.fields(cls)} - {"assumed"}
        values = {key: value for key, value in record.items() if key in fields}
        for key in record.keys() - fields:
            near = difflib.get_close_matches(str(key).lower(), fields - values.keys(), 1, 0.8)
            if near:
                raise InputError(f'{source}: key "{key}" is unknown; did you mean "{near[0]}"?')
        if values.get("crop") == "none":
            values.setdefault("resize_shorter_side", None)
        try:
            return cls(**values, assumed=not values.keys() >= set(_COLOUR_KEYS))
        except OptionError as error:
            raise InputError(f"{source}: {error}") from None

    @classmethod
    def from_text(cls, text: str, source: str = "preprocess record") -> Preprocess:
        """Read a record from JSON text, as in a model's metadata; see `from_dict`."""
        try:
            record = json.loads(text)
        except ValueError as error:
            raise InputError(f"{source}: is not JSON ({error}); expected a JSON object") from None
        return cls.from_dict(record, source=source)

    @classmethod
    def from_json(cls, path: str | Path) -> Preprocess:
        """Read a record from a file; see `from_dict` for the keys and the errors."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not text"
            raise InputError(f"{path}: {reason}; expected a JSON record") from None
        return cls.from_text(text, source=str(path))

    @classmethod
    def beside(cls, model_path: str | Path) -> Preprocess | None:
        """Record of the .json with the model's stem, or None where there is no such file."""
        path = Path(model_path).with_suffix(".json")
        return cls.from_json(path) if path.is_file() else None

    def to_dict(self) -> dict[str, Any]:
        """Every field but `assumed`, as JSON values; `from_dict` gives the same record back."""
        hidden = ("assumed", "labels") if self.labels is None else ("assumed",)
        record = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {
            k: list(v) if isinstance(v, tuple) else v for k, v in record.items() if k not in hidden
        }

    def replace(self, **changes: Any) -> Preprocess:
        """Return the record with some fields changed; an unknown field is an OptionError."""
        fields = {field.name for field in dataclasses.fields(self)}
        for key in changes.keys() - fields:
            raise OptionError(f'preprocess has no field "{key}"; use {", ".join(sorted(fields))}')
        return dataclasses.replace(self, **changes)

    def normalize(self, rgb: ArrayLike) -> Array:
        """RGB images of shape (N, H, W, 3) in [0, 1] -> batch of shape (N, C, H, W), float32.

        Any H and W will do. Raises ShapeError if the array has another shape.
        """
        rgb = np.asarray(rgb, np.float32)
        if rgb.ndim != 4 or rgb.shape[3] != 3:
            raise ShapeError(f"images have shape {rgb.shape}; expected (N, H, W, 3), RGB in [0, 1]")
        if self.channels == "GRAY":
            rgb = (rgb @ np.array(LUMA, np.float32))[..., None]
        elif self.channels == "BGR":
            rgb = rgb[..., ::-1]
        gain, offset = self.affine()
        out = np.empty((len(rgb), self.num_channels, *rgb.shape[1:3]), np.float32)
        np.multiply(rgb.transpose(0, 3, 1, 2), gain, out=out)
        out += offset
        return out

    def denormalize(self, batch: ArrayLike, *, clip: bool = True) -> Array:
        """Batch of shape (N, C, H, W) -> RGB images (N, H, W, 3), float32; inverse of `normalize`.

        Grey models give three equal channels. With `clip`, values are cut to [0, 1] for display.
        Raises ShapeError if the array has another shape.
        """
        batch = np.asarray(batch, np.float32)
        if batch.ndim != 4 or batch.shape[1] != self.num_channels:
            raise ShapeError(
                f"batch has shape {batch.shape}; expected (N, {self.num_channels}, H, W)"
            )
        gain, offset = self.affine()
        rgb = ((batch - offset) / gain).transpose(0, 2, 3, 1)
        if self.channels == "GRAY":
            rgb = np.repeat(rgb, 3, axis=3)
        elif self.channels == "BGR":
            rgb = rgb[..., ::-1]
        return np.ascontiguousarray(np.clip(rgb, 0, 1) if clip else rgb, np.float32)

    def noise_std(self, sigma: float) -> Array:
        """Noise of `sigma` ImageNet-normalized units, in units of this model: (C,), float32.

        The noise of 0.2 that the papers add is in these units (std 0.229, 0.224, 0.225 of R, G, B;
        I-GOS, methods specification 6.5); grey models take their mean, 0.226.
        """
        unit = {
            "RGB": IMAGENET_STD,
            "BGR": IMAGENET_STD[::-1],
            "GRAY": (float(np.mean(IMAGENET_STD)),),
        }[self.channels]
        return np.asarray(sigma * np.array(unit) * self.scale / np.array(self.std), np.float32)

    def affine(self) -> tuple[Array, Array]:
        """Gain and offset of shape (C, 1, 1): x = gain * pixel + offset, for pixels in [0, 1]."""
        mean, std = np.array(self.mean)[:, None, None], np.array(self.std)[:, None, None]
        return (self.scale / std).astype(np.float32), (-mean / std).astype(np.float32)
