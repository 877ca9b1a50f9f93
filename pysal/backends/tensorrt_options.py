"""How a plan is built: precision, batch sizes, targets, workspace; checked before any work."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from pysal.backends.tensorrt_library import Library
from pysal.errors import CapabilityError, OptionError

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")
DEFAULT_CAPABILITIES = ("8.6", "8.9", "12.0")
"""Ampere, Ada and Blackwell cards for desktops."""


@dataclasses.dataclass(frozen=True)
class PlanOptions:
    """How plans are built.

    Attributes
    ----------
    precision : {"fp32", "tf32", "fp16", "bf16"}
        fp32 rounds no factor; tf32 is float32 whose products may be; for the others see
        `export.passes.half`. Inputs and outputs are float32 always.
    batch : tuple of int
        Smallest, best and largest number of images per run; three times the same is a fixed one.
    capabilities : tuple of str
        Compute capabilities that RTX builds for, like "8.9". Empty: the GPU that is here.
    workspace : int, optional
        Bytes of scratch memory that an engine may take. Default: TensorRT's own, all there is.
    """

    precision: str = "fp32"
    batch: tuple[int, int, int] = (1, 20, 20)
    capabilities: tuple[str, ...] = ()
    workspace: int | None = None

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise OptionError(
                f'precision "{self.precision}" is unknown; TensorRT has {", ".join(PRECISIONS)}'
            )
        low, best, high = self.batch
        if not 1 <= low <= best <= high:
            raise OptionError(
                f"batch is {low}:{best}:{high}; expected smallest:best:largest, from 1 upwards"
            )
        if self.workspace is not None and self.workspace < 1:
            raise OptionError(f"workspace is {self.workspace} bytes; give 1 or more")

    @property
    def is_fixed(self) -> bool:
        """Whether runs have one size only."""
        return self.batch[0] == self.batch[2]

    def with_targets(self) -> PlanOptions:
        """The same with `DEFAULT_CAPABILITIES` where there are none."""
        return dataclasses.replace(self, capabilities=self.capabilities or DEFAULT_CAPABILITIES)

    def check(self, library: Library) -> None:
        """Refuse targets that a library does not build for.

        Raises
        ------
        CapabilityError
            If the library is not RTX and targets are given.
        OptionError
            If RTX does not know a target.
        """
        if not library.is_rtx and self.capabilities:
            raise CapabilityError(
                f"{library.label} builds for the GPU that is here, and compute capabilities "
                f"{', '.join(self.capabilities)} were given; give none, or use TensorRT-RTX"
            )
        known = known_capabilities(library) if library.is_rtx else {}
        for wanted in self.capabilities:
            if wanted not in known:
                raise OptionError(
                    f'compute capability "{wanted}" is none that {library.label} builds for; use '
                    f"{', '.join(known)}"
                )


def known_capabilities(library: Library) -> dict[str, str]:
    """Targets of RTX: {"8.6": "SM86"}, from the members of its own enumeration, in order."""
    names = dir(library.module.ComputeCapability)
    found = [match for name in names if (match := re.fullmatch(r"SM(\d+)(\d)", name))]
    pairs = sorted((int(match[1]), int(match[2]), match[0]) for match in found)
    return {f"{major}.{minor}": name for major, minor, name in pairs}


def parse_batch(text: str) -> tuple[int, int, int]:
    """Smallest, best and largest number of images, from a text like "20" or "1:8:32".

    Raises
    ------
    OptionError
        If it is neither.
    """
    parts = text.split(":")
    if len(parts) not in (1, 3) or not all(part.isdigit() for part in parts):
        raise OptionError(
            f'batch is "{text}"; expected one number like 20, or smallest:best:largest like 1:8:32'
        )
    low, best, high = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
    return low, best, high


def parse_capabilities(texts: Sequence[str]) -> tuple[str, ...]:
    """Targets without repetition; "8.6,8.9" stands for two."""
    parts = [part.strip() for text in texts for part in text.split(",")]
    return tuple(dict.fromkeys(part for part in parts if part))
