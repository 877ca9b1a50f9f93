"""How an ONNX inpainter wants its inputs: the record in the file, or in the .json beside it."""

from __future__ import annotations

import dataclasses
import difflib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pysal.errors import InputError, OptionError
from pysal.fields import number, numbers, wrong

KEY = "pysal.inpainter"
"""Metadata entry of an ONNX file that holds the record as JSON."""


@dataclasses.dataclass(frozen=True)
class InpainterRecord:
    """What stands between RGB in [0, 1] with a keep mask and an inpainter's own inputs.

    Parameters
    ----------
    mask : {"hole", "keep"}
        What 1 means in the mask: the hole, or what is known. The other is 0.
    channels : {"RGB", "BGR"}
    low, high : float
        Values of black and white: 0 and 1, 0 and 255, -1 and 1.
    out_low, out_high : float or None
        The same of the output; None: as the input.
    blank : float
        What the image holds in the hole, in the inpainter's own units: what is hidden never
        reaches it.
    round : bool
        Whether the image is rounded to 8 bits before (methods specification, section 10, step 3).
    pastes : bool
        Whether the network itself hands known pixels on, nearly or exactly as they are; then it has
        no output of its own there, and `unpasted` is None.
    size : tuple of int or None
        (h, w) of the inputs; images are resized to it and back. None: as in the file, or, where
        the file leaves it free, the size of the images.
    multiple : int
        Where the size is free: sides are enlarged, by pixels of hole, to multiples of this.
    threshold : float in (0, 1]
        A pixel of the resized mask is known if this share of it is.
    image_input, mask_input, output : str or None
        Names in the file, where shapes do not tell which is which.
    assumed : bool
        True where nobody stated polarity, channels or values. Neither compared nor written.
    """

    mask: str = "hole"
    channels: str = "RGB"
    low: float = 0.0
    high: float = 1.0
    out_low: float | None = None
    out_high: float | None = None
    blank: float = 0.0
    round: bool = False
    pastes: bool = False
    size: tuple[int, int] | None = None
    multiple: int = 1
    threshold: float = 0.5
    image_input: str | None = None
    mask_input: str | None = None
    output: str | None = None
    assumed: bool = dataclasses.field(default=False, compare=False)

    def __post_init__(self) -> None:
        for key, choices in (("mask", ("hole", "keep")), ("channels", ("RGB", "BGR"))):
            if (value := getattr(self, key)) not in choices:
                raise wrong(key, value, f"one of {', '.join(choices)}")
        for key in ("low", "high", "blank", "out_low", "out_high"):
            if (value := getattr(self, key)) is not None:
                object.__setattr__(self, key, number(key, value, "a number", signed=True))
        for low, high in (("low", "high"), ("out_low", "out_high")):
            if (bottom := getattr(self, low)) is not None and bottom == getattr(self, high):
                raise wrong(high, bottom, f"a number other than {low}")
        for key in ("round", "pastes"):
            if not isinstance(getattr(self, key), bool):
                raise wrong(key, getattr(self, key), "true or false")
        if self.size is not None:
            text = "two positive integers, height and width"
            size = numbers("size", self.size, 2, text, whole=True)
            object.__setattr__(self, "size", tuple(map(int, size)))
        number("multiple", self.multiple, "a positive integer", whole=True)
        if number("threshold", self.threshold, "a number above 0, at most 1") > 1:
            raise wrong("threshold", self.threshold, "a number above 0, at most 1")
        for key in ("image_input", "mask_input", "output"):
            if not isinstance(getattr(self, key), str | None):
                raise wrong(key, getattr(self, key), "a name in the file")

    @property
    def output_range(self) -> tuple[float, float]:
        """Values of black and white in the output."""
        low = self.low if self.out_low is None else self.out_low
        return low, self.high if self.out_high is None else self.out_high

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], source: str) -> InpainterRecord:
        """Read a record; keys that are no field are ignored, unless they look like a misspelt one.

        Raises
        ------
        InputError
            If a value is wrong; one line with source, key, given and expected.
        """
        if not isinstance(record, Mapping):
            raise InputError(f"{source}: holds a {type(record).__name__}; expected a JSON object")
        fields = {field.name for field in dataclasses.fields(cls)} - {"assumed"}
        for key in record.keys() - fields:
            near = difflib.get_close_matches(str(key).lower(), fields - record.keys(), 1, 0.8)
            if near:
                raise InputError(f'{source}: key "{key}" is unknown; did you mean "{near[0]}"?')
        values = {key: value for key, value in record.items() if key in fields}
        try:
            return cls(**values, assumed=not values.keys() >= {"mask", "channels", "low", "high"})
        except OptionError as error:
            raise InputError(f"{source}: {error}") from None

    @classmethod
    def find(cls, path: Path, metadata: Mapping[str, str]) -> InpainterRecord:
        """The record in the file's metadata, else in the .json beside it, else an assumed one.

        Warns
        -----
        UserWarning
            If mask polarity, channels or values had to be assumed.
        """
        beside, text, source = path.with_suffix(".json"), metadata.get(KEY), f"{path}: {KEY}"
        if text is None and beside.is_file():
            text, source = beside.read_text(encoding="utf-8"), str(beside)
        try:
            record = cls.from_dict({} if text is None else json.loads(text), source)
        except json.JSONDecodeError as error:
            raise InputError(f"{source}: is not JSON ({error}); expected a JSON object") from None
        if record.assumed:
            warnings.warn(
                f"{path.name} does not say how it is fed; assumed: image {record.channels} with "
                f"values {record.low:g} to {record.high:g}, mask 1 = {record.mask}; state mask, "
                f'channels, low and high in {beside.name}, or as metadata "{KEY}"',
                stacklevel=4,
            )
        return record
