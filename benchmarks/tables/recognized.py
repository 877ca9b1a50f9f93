"""Photos that networks recognize: their top class is that of an annotated thing in the photo.

The papers take images of ImageNet that a network classifies correctly. The photos here have no
class of their own; what stands for it is a thing of the annotations that the top class means.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from record import DATA

from pysal.backends.ort import OrtClassifier
from pysal.classifier import Classifier
from pysal.datasets import Sample, open_dataset
from pysal.photos import load_photos
from pysal.truth import Region, Truth
from pysal.types import Array, Target

NETWORKS: tuple[str, ...] = ("squeezenet1.1", "mobilenet_v2")


@dataclasses.dataclass(frozen=True)
class Shown:
    """A photo as one network sees it.

    Attributes
    ----------
    name : str
    batch : ndarray of shape (1, C, H, W), float32
    target : Target
        The top class, its probability.
    truth : Truth
    """

    name: str
    batch: Array
    target: Target
    truth: Truth

    @property
    def index(self) -> int:
        """The top class."""
        return int(self.target.index[0])

    @property
    def region(self) -> Region | None:
        """The things that the top class means; None where the photo is not recognized."""
        return self.truth.region(self.index)

    def mask(self) -> np.ndarray:
        """Pixels of these things at the size of the network's input, (1, H, W), bool."""
        size = self.batch.shape[2:]
        if self.region is None:
            return np.zeros((1, *size), bool)
        pixels = Image.fromarray(np.uint8(255) * self.region.pixels(self.truth.size))
        small = pixels.resize((size[1], size[0]), Image.Resampling.BOX)
        return np.asarray(small)[None] > 127


def open_networks(folder: Path = DATA / "models") -> dict[str, Classifier]:
    """The networks by name."""
    return {name: OrtClassifier(folder / f"{name}.onnx") for name in NETWORKS}


def open_samples(given: argparse.Namespace | None = None) -> Sequence[Sample]:
    """The caller's data set, or the photos here with COCO's instances as classes of ImageNet."""
    if given is not None and given.images is not None:
        told = {"annotations": given.annotations, "labels": given.labels, "classes": given.classes}
        return open_dataset(given.images, **told)
    folder = DATA / "photos"
    return open_dataset(folder, annotations=folder / "instances.json", classes="imagenet")


def show(clf: Classifier, sample: Sample) -> Shown:
    """A photo for a network."""
    batch = load_photos([sample.path], clf.preprocess, clf.info.input_shape).batch
    top = clf.score(batch).argmax(axis=1)
    truth = sample.truth(clf.preprocess)
    return Shown(sample.name, batch, Target(top.astype(np.int64), "probability"), truth)


def recognized(
    networks: Mapping[str, Classifier], count: int, given: argparse.Namespace | None = None
) -> list[dict[str, Shown]]:
    """The first photos that all networks recognize, each as every network sees it.

    A photo with a label is recognized where that is the top class, another one where the top class
    means a thing in it.
    """
    found: list[dict[str, Shown]] = []
    for sample in open_samples(given):
        if len(found) == count:
            break
        shown = {name: show(clf, sample) for name, clf in networks.items()}
        label = sample.label
        if all(
            photo.region is not None if label is None else photo.index == label
            for photo in shown.values()
        ):
            found.append(shown)
    return found
