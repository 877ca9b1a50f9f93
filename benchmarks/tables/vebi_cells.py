"""One fold of an8Flower: its network, views, features, and what every method shows of them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np

from pysal.backends.ort import OrtClassifier
from pysal.cams import min_max, resize
from pysal.datasets.an8flower_fit import Views, load_views
from pysal.features import FeatureSet, select_features
from pysal.methods import METHODS
from pysal.metrics.box_occlusion import box_occlusion
from pysal.metrics.iou import iou_curve
from pysal.studies import feature_reconstruction, filter_ablation
from pysal.types import Array, Target

MU = 10.0
"""In the paper's text; its demo has 5 for an8Flower."""
MUS = (1.0, 5.0, 10.0, 50.0)
TRAIN_VIEWS, TEST_VIEWS = 480, 120
"""Views that features are selected on, and that are explained; spread evenly over all."""
OCCLUDED_VIEWS, OCCLUSION_DRAWS = 24, 5

METHODS_OF_ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "Deconv + GB": ("relevant_features", {"rules": "guided_backprop"}),
    "Grad-CAM": ("gradcam", {}),
    "Guided Grad-CAM": ("guided_gradcam", {}),
    "Grad-CAM++": ("gradcam_pp", {}),
    "Guided Grad-CAM++": ("guided_gradcam_pp", {}),
    "proposed": ("relevant_features", {"rules": "stride1_deconv"}),
    "proposed, pools too": ("relevant_features", {"rules": "stride1_deconv_pool"}),
}


@functools.lru_cache(maxsize=1)
def views_of(variant: str) -> Views:
    """All views of a variant, rendered."""
    return load_views(variant)


def spread(views: Views, count: int) -> Views:
    """At most `count` views, spread evenly over all."""
    rows = np.unique(np.linspace(0, len(views) - 1, min(count, len(views))).astype(int))
    return Views(views.images[rows], views.masks[rows], views.labels[rows], views.frames[rows])


class Fold:
    """A network, its training and test views as batches, and the features of the former."""

    def __init__(self, folder: Path, variant: str) -> None:
        self.clf = OrtClassifier(folder / "flower.onnx")
        facts = json.loads((folder / "metrics.json").read_text())
        held_out = facts["held_out_frames"]
        views = views_of(variant)
        trained = [frame for frame in range(40) if frame not in held_out]
        train, test = spread(views.of(trained), TRAIN_VIEWS), spread(views.of(held_out), TEST_VIEWS)
        self.train, self.train_labels = self._batch(train), train.labels
        self.batch, self.labels, self.masks = self._batch(test), test.labels, test.masks
        self.top = np.argmax(self.clf.score(self.batch), axis=1)

    def _batch(self, views: Views) -> Array:
        return self.clf.preprocess.normalize(views.images.astype(np.float32) / np.float32(255))

    @functools.cached_property
    def features(self) -> dict[str, FeatureSet]:
        """Selected on all layers, and on convolutions only."""
        return {
            layers: select_features(self.clf, self.train, self.train_labels, mu=MU, layers=layers)
            for layers in ("all", "conv")
        }

    def explain(self, method: str, **options: Any) -> Any:
        """Explanation of the predicted class."""
        entry = METHODS[method]
        if method == "relevant_features":
            options["features"] = self.features["all"]
        return entry.load()(self.clf, self.batch, Target(self.top, entry.kind), **options)

    def activations(self) -> Array:
        """Upsampled activations of the same relevant features: maximum of three, each in [0, 1]."""
        found = self.explain("relevant_features")
        channels = self.features["all"].channels
        maps = np.zeros((len(self.batch), *self.batch.shape[2:]), np.float32)
        for place in found.trace["feature"].T:
            for feature in set(place[place >= 0].tolist()):
                layer, channel = channels.where(int(feature))
                rows = np.flatnonzero(place == feature)
                shown = self.clf.activations(self.batch[rows], [layer])[layer]
                if shown.ndim != 4:  # a unit of a dense layer has no place
                    continue
                wide = resize(min_max(shown[:, channel]), self.batch.shape[2:])
                maps[rows] = np.maximum(maps[rows], wide)
        return maps


def overlap(fold: Fold, row: str) -> dict[str, Any]:
    """Area under the IoU curve of every test view, in percent."""
    if row == "Upsampled activation maps":
        maps = fold.activations()
    else:
        method, options = METHODS_OF_ROWS[row]
        maps = fold.explain(method, **options).map
    shown = fold.masks.any(axis=(1, 2))
    auc = iou_curve(maps[shown], fold.masks[shown]).values["auc"]
    return {
        "auc": float(np.mean(auc)),
        "views": int(shown.sum()),
        "accuracy": float((fold.top == fold.labels).mean()),
        "per view": [round(float(value), 3) for value in auc],
    }


def ablation(fold: Fold) -> dict[str, Any]:
    """Mean class-wise accuracy while relevant, or random, channels are taken away."""
    found = filter_ablation(fold.clf, fold.batch, fold.labels, fold.features)
    return {
        name: {
            "features": len(np.unique(fold.features[name].features)),
            "channels": found.counts[name].tolist(),
            "relevant": np.round(found.mca(name), 4).tolist(),
            "random": np.round(found.random_mca(name), 4).tolist(),
        }
        for name in fold.features
    }


def reconstruction(fold: Fold) -> dict[str, Any]:
    """Mean area under the ROC curves of W^T X, and how many features W uses."""
    found = feature_reconstruction(
        fold.clf, fold.train, fold.train_labels, fold.batch, fold.labels, mu=MUS
    )
    return {
        "mu": list(MUS),
        "mean auc": np.round(found.mean_auc, 5).tolist(),
        "features": found.num_features.tolist(),
    }


def occlusion(fold: Fold) -> dict[str, Any]:
    """Mean drop of the probability under patches drawn from either kind of map."""
    rows = slice(0, None, max(1, len(fold.batch) // OCCLUDED_VIEWS))
    target = Target(fold.top[rows])
    drops = {}
    for row in ("proposed, pools too", "Deconv + GB"):
        method, options = METHODS_OF_ROWS[row]
        maps = fold.explain(method, **options).map[rows]
        found = box_occlusion(fold.clf, fold.batch[rows], maps, target, draws=OCCLUSION_DRAWS)
        drops[row] = float(np.nanmean(next(iter(found.values.values()))))
    return {**drops, "difference": drops["proposed, pools too"] - drops["Deconv + GB"]}
