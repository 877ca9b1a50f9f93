"""Maps of adversarial photos: what I-GOS shows where a network was led to another class.

The attack is MI-FGSM: Dong, Liao, Pang, Su, Zhu, Hu, Li, Boosting Adversarial Attacks with
Momentum, CVPR 2018, Algorithm 1, with its gradients from the same graphs as those of the methods.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from judged import Variant, curves
from PIL import Image
from recognized import Shown

from pysal.classifier import Classifier
from pysal.heatmap import overlay
from pysal.preprocess import Preprocess
from pysal.similarity.maps import spearman
from pysal.types import Array, Attribution, Target

EPSILON = 16 / 255
STEPS = 10
MOMENTUM = 1.0
IGOS = Variant("igos", {"size": 28})
GAP = 4


def to_rgb(gradient: Array, preprocess: Preprocess) -> Array:
    """Gradient with respect to RGB in [0, 1], (N, H, W, 3), from that in model space."""
    unit = np.eye(3, dtype=np.float32)[:, None, None, :]
    gain = (preprocess.normalize(unit) - preprocess.normalize(np.zeros_like(unit)))[:, :, 0, 0]
    return np.einsum("nchw,rc->nhwr", gradient, gain)


def attack(
    clf: Classifier,
    batch: Array,
    target: Target,
    *,
    epsilon: float = EPSILON,
    steps: int = STEPS,
    momentum: float = MOMENTUM,
) -> Array:
    """Move photos away from their class, by at most epsilon in RGB of [0, 1].

    Parameters
    ----------
    clf : Classifier
    batch : ndarray of shape (N, C, H, W), float32
    target : Target of length N
        Classes that are to lose.
    epsilon, steps, momentum : float, int, float
        Largest change of a value, iterations of epsilon / steps, and decay of the direction.

    Returns
    -------
    ndarray of shape (N, C, H, W), float32
        In model space.

    Notes
    -----
    The gradient of the cross entropy is that of the probability times a negative number, which the
    scaling by the 1-norm takes out. Cost: N * steps forward and backward.
    """
    target = Target(target.index, "probability")
    clean = clf.preprocess.denormalize(batch)
    rgb, direction = clean.copy(), np.zeros_like(clean)
    for _ in range(steps):
        _, gradient = clf.value_and_grad(clf.preprocess.normalize(rgb), target)
        up = -to_rgb(np.asarray(gradient), clf.preprocess)
        norm = np.abs(up).sum(axis=(1, 2, 3), keepdims=True)
        direction = momentum * direction + up / np.maximum(norm, np.finfo(np.float32).tiny)
        rgb = rgb + np.float32(epsilon / steps) * np.sign(direction)
        rgb = np.clip(np.clip(rgb, clean - epsilon, clean + epsilon), 0, 1).astype(np.float32)
    return clf.preprocess.normalize(rgb)


def study(clf: Classifier, shown: Shown, picture: Path | None) -> dict[str, Any]:
    """Attack one photo; I-GOS of the new class there against I-GOS of the old class before.

    Returns
    -------
    dict
        "success", whether the top class is another; scores of both classes on both photos;
        "rank correlation" of the maps; insertion and deletion of both. Only the first two where
        the attack fails.
    """
    changed = attack(clf, shown.batch, shown.target)
    before, after = clf.score(shown.batch)[0], clf.score(changed)[0]
    old, new = shown.index, int(after.argmax())
    cell: dict[str, Any] = {
        "success": float(new != old),
        "old class, clean": float(before[old]),
        "old class, attacked": float(after[old]),
    }
    if new == old:
        return cell
    attacked = dataclasses.replace(shown, batch=changed, target=Target(np.array([new])))
    first, second = IGOS.explain(clf, shown), IGOS.explain(clf, attacked)
    cell |= {"new class, clean": float(before[new]), "new class, attacked": float(after[new])}
    cell["rank correlation"] = float(spearman(first.native, second.native)[0])
    for name, photo, found in (("old", shown, first), ("new", attacked, second)):
        cell |= {f"{name} {k}": v for k, v in curves(clf, photo, found.native, "igos").items()}
    if picture is not None:
        strip(clf, shown, attacked, (first, second), picture)
    return cell


def strip(
    clf: Classifier,
    shown: Shown,
    attacked: Shown,
    found: tuple[Attribution, Attribution],
    path: Path,
) -> None:
    """Clean photo, its map, the change (times 8), attacked photo, its map; in one row."""
    clean, changed = (clf.preprocess.denormalize(photo.batch) for photo in (shown, attacked))
    maps = [overlay(rgb, f.map)[0] for rgb, f in zip((clean, changed), found, strict=True)]
    change = np.clip(0.5 + 4 * (changed - clean), 0, 1)
    photos = [np.uint8(np.round(255 * rgb[0])) for rgb in (clean, change, changed)]
    row = [photos[0], maps[0], photos[1], photos[2], maps[1]]
    gap = np.full((len(row[0]), GAP, 3), 255, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack([part for tile in row for part in (tile, gap)])).save(path)


def sheet(folder: Path, out: Path) -> bool:
    """All strips of a folder below each other; False where there is none."""
    rows = [np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))]
    if rows:
        gap = np.full((GAP, rows[0].shape[1], 3), 255, np.uint8)
        Image.fromarray(np.vstack([part for row in rows for part in (row, gap)])).save(out)
    return bool(rows)
