"""A figure of one explanation: photo, map, overlay and its curves in one row."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pysal.errors import InputError, MissingDependencyError, OptionError, ShapeError
from pysal.heatmap import colorize, normalize, overlay
from pysal.report.save import write_file
from pysal.types import Array, Attribution, MetricResult


def explanation_figure(
    attribution: Attribution,
    index: int,
    path: str | Path,
    *,
    curves: MetricResult | None = None,
    mask: ArrayLike | None = None,
    signed: bool = False,
) -> str:
    """Draw one image's explanation and write it as a PNG.

    Parameters
    ----------
    attribution : Attribution
        With `images`, as `explain` returns it.
    index : int
        Which image of the batch.
    path : str or Path
        File to write; its folder is created.
    curves : MetricResult, optional
        Of "insertion_deletion" for the same batch; adds the two curves with their areas.
    mask : array_like of shape (H, W), bool, optional
        Ground truth, outlined on the photo.
    signed : bool
        Show negative and positive values in different colours.

    Returns
    -------
    str
        The path.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed (extra "viz").
    OptionError, ShapeError
        If there is no such image, or the mask or curves do not fit.
    InputError
        If the attribution has no images, or the file cannot be written.
    """
    figure_class = _figure_class()
    if not -len(attribution) <= index < len(attribution):
        raise OptionError(f"index is {index}; expected 0 to {len(attribution) - 1}")
    if attribution.images is None:
        raise InputError("attribution has no images; explain photos, or set its images, to draw it")
    row = index % len(attribution)
    rgb, saliency = attribution.images[row : row + 1], attribution.map[row : row + 1]
    num_panels = 3 if curves is None else 5
    figure = figure_class(figsize=(2.6 * num_panels, 3.0), layout="constrained")
    axes = figure.subplots(1, num_panels)
    _pictures(axes, rgb, saliency, signed)
    axes[0].set_title(_title(attribution, row), fontsize=9)
    axes[1].set_title(attribution.method, fontsize=9)
    axes[2].set_title("overlay", fontsize=9)
    if mask is not None:
        _outline(axes[0], np.asarray(mask), rgb.shape[1:3])
    if curves is not None:
        _curve(axes[3], curves, row, len(attribution), "deletion", "less is better")
        _curve(axes[4], curves, row, len(attribution), "insertion", "more is better")
    return _written(figure, Path(path))


def _figure_class() -> Any:
    """Matplotlib's Figure, without its global state, so that threads can draw."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError(
            'figures need matplotlib, which is not installed; run pip install "pysal-saliency[viz]"'
        ) from None
    return Figure


def _pictures(axes: Any, rgb: Array, saliency: Array, signed: bool) -> None:
    """Photo, coloured map and overlay."""
    values = normalize(saliency, signed=signed)[0]
    coloured = colorize((values + 1) / 2 if signed else values, "diverging" if signed else "ember")
    # A flat map has been warned of by now: the overlay would only warn again.
    mixed = rgb[0] if np.ptp(values) == 0 else overlay(rgb, saliency, signed=signed)[0]
    for axis, picture in zip(axes, (np.clip(rgb[0], 0, 1), coloured, mixed), strict=False):
        axis.imshow(picture)
        axis.set_axis_off()


def _title(attribution: Attribution, row: int) -> str:
    """Class and score, shortened to fit."""
    target, model = attribution.target, attribution.model
    number = int(target.index[row])
    label = model.label(number) if model is not None else f"class {number}"
    label = label if len(label) <= 28 else label[:25] + "..."
    # A dollar sign would start a formula.
    return f"{label}\n{target.kind} {float(attribution.score[row]):.3g}".replace("$", r"\$")


def _outline(axis: Any, mask: Any, size: tuple[int, ...]) -> None:
    """Border of the ground truth."""
    if mask.shape != tuple(size):
        raise ShapeError(f"mask has shape {mask.shape}; expected that of the image, {tuple(size)}")
    mask = mask.astype(bool)
    if mask.any() and not mask.all():
        axis.contour(mask, levels=[0.5], colors=["white"], linewidths=2.4)
        axis.contour(mask, levels=[0.5], colors=["black"], linewidths=1.0)


def _curve(axis: Any, curves: MetricResult, row: int, count: int, name: str, hint: str) -> None:
    """One curve with its area."""
    if name not in curves.curves or "fraction" not in curves.curves:
        raise OptionError(
            f'curves of "{curves.metric}" have no "{name}"; give the result of "insertion_deletion"'
        )
    fraction, values = curves.curves["fraction"], curves.curves[name]
    if len(values) != count:
        raise ShapeError(
            f"{name} has {len(values)} curves for {count} images; measure the same batch"
        )
    color = "#b02a30" if name == "deletion" else "#2a62b0"
    axis.plot(fraction, values[row], color=color, linewidth=1.5)
    axis.fill_between(fraction, values[row], color=color, alpha=0.2, linewidth=0)
    area = f" {float(curves.values[name][row]):.3f}" if name in curves.values else ""
    axis.set_title(f"{name}{area} ({hint})", fontsize=9)
    axis.set_xlim(float(np.min(fraction)), float(np.max(fraction)))
    axis.set_ylim(bottom=min(0.0, float(np.min(values[row]))))
    axis.set_xlabel(
        f"fraction of pixels {'removed' if name == 'deletion' else 'shown'}", fontsize=8
    )
    axis.tick_params(labelsize=7)


def _written(figure: Any, path: Path) -> str:
    """Write the figure whole or not at all."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, buffer.getvalue())
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path}: cannot be written ({reason}); give another path") from None
    return str(path)
