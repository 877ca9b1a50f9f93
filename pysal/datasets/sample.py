"""Samples and data sets: photos on disk, their classes, and what is known to be where in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from pysal.datasets.orientation import stored_frame, upright
from pysal.decode import visible_box
from pysal.errors import InputError
from pysal.truth import Region, Truth

if TYPE_CHECKING:
    from pysal.preprocess import Preprocess

Regions = Callable[[tuple[int, int]], tuple[Region, ...]]
"""Makes the regions of a photo for its stored size (H, W)."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One photo of a data set; nothing of it is read before `truth` is called.

    Attributes
    ----------
    path : Path
    name : str
        Unique in its data set: the path below the data set's folder, mostly without suffix.
    label : int or None
        Class in the model, where known.
    regions : callable, optional
        Makes the regions for the size (H, W) of the photo as it is stored, in its pixels.
    """

    path: Path
    name: str
    label: int | None = None
    regions: Regions | None = dataclasses.field(default=None, repr=False)

    def truth(self, preprocess: Preprocess) -> Truth:
        """What is known of the part of the photo that a network sees.

        Parameters
        ----------
        preprocess : Preprocess
            Of the network: what it crops away is cut off.

        Returns
        -------
        Truth
            At the resolution of the photo, upright.

        Raises
        ------
        InputError
            If the photo is missing or broken, or does not fit its annotation.

        Notes
        -----
        Annotations refer to the photo as it is stored, as those of ImageNet and COCO do; boxes and
        masks are turned with it by its EXIF orientation.
        """
        size, orientation = stored_frame(self.path)
        regions = self.regions(size) if self.regions is not None else ()
        whole = upright(Truth(size, self.label, regions), orientation)
        return whole.cut(*visible_box(whole.size, preprocess))


@dataclasses.dataclass(frozen=True)
class Dataset(Sequence[Sample]):
    """Photos in a stable order; a slice is a data set again.

    Attributes
    ----------
    name : str
    samples : tuple of Sample
    """

    name: str
    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if not self.samples:
            raise InputError(f"{self.name}: has 0 images; expected at least one")

    def __len__(self) -> int:
        return len(self.samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: Any) -> Any:
        found = self.samples[index]
        return Dataset(self.name, found) if isinstance(index, slice) else found

    @property
    def paths(self) -> list[Path]:
        """Files of all photos, as `explain` takes them."""
        return [sample.path for sample in self.samples]

    @property
    def labels(self) -> list[int | None]:
        """Classes of all photos."""
        return [sample.label for sample in self.samples]
