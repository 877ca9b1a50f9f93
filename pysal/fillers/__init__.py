"""Fillers and inpainters: what shows where a mask removes the image, behind one interface.

A filler gives every image, under its keep mask, a full image; known pixels are pasted back. One
line each here, imported only when asked for.
"""

from __future__ import annotations

import os
from pathlib import Path

from pysal.errors import OptionError
from pysal.fillers.filler import Filler
from pysal.preprocess import Preprocess
from pysal.registry import Entry, lookup

FILLERS: dict[str, Entry] = {
    "zero": Entry(
        "pysal.fillers.simple:zero",
        summary="zero in model space (SP, RISE); static",
        source="methods specification 5.1",
    ),
    "mean": Entry(
        "pysal.fillers.simple:mean",
        summary="mean colour: zero in model space, or ImageNet's where the record has none; static",
        source="methods specification 6.4",
    ),
    "black": Entry("pysal.fillers.simple:black", summary="0 before normalization; static"),
    "white": Entry("pysal.fillers.simple:white", summary="1 before normalization; static"),
    "blur": Entry(
        "pysal.fillers.simple:blur",
        summary="B51, the blur of I-GOS: sigma 50 cut to 51 x 51; static",
        source="methods specification 0.3",
    ),
    "blur10": Entry(
        "pysal.fillers.simple:PillowBlur",
        summary="P10, the blur of MP: Pillow's, radius 10, on 8-bit values; static",
        source="methods specification 0.3",
    ),
    "gauss10": Entry(
        "pysal.fillers.simple:GaussianBlur",
        summary="G10, the blur of FIDO: Gaussian of sigma 10; static",
        source="methods specification 0.3",
    ),
    "noise": Entry(
        "pysal.fillers.simple:noise", summary="a random colour at every pixel, uniform; static"
    ),
    "random_color": Entry(
        "pysal.fillers.simple:RandomColor",
        summary="one random colour per image with noise of 0.2 (FIDO); static",
        source="methods specification 6.4",
    ),
    "local_mean": Entry(
        "pysal.fillers.simple:LocalMean",
        summary="mean of the kept pixels in a window of 15 x 15 (FIDO)",
        source="methods specification 6.4",
    ),
    "telea": Entry(
        "pysal.fillers.diffusion:Telea",
        summary="OpenCV's fast marching inpainting, 8-bit",
        source="Telea 2004",
        extra="inpaint",
    ),
    "navier_stokes": Entry(
        "pysal.fillers.diffusion:NavierStokes",
        summary="OpenCV's Navier-Stokes inpainting, 8-bit",
        source="Bertalmio, Bertozzi, Sapiro 2001",
        extra="inpaint",
    ),
    "biharmonic": Entry(
        "pysal.fillers.diffusion:Biharmonic",
        summary="scikit-image's biharmonic inpainting; slow on large holes",
        source="Damelin, Hoang 2018",
        extra="inpaint",
    ),
    "learnt": Entry(
        "pysal.fillers.learnt:Learnt",
        summary="small gated-convolution generator that comes with pysal, on ONNX Runtime",
        source="pysal.datasets.inpainting_train",
        extra="cpu",
    ),
}
"""Name -> where it is. Any other inpainter is opened from its .onnx file."""


def open_filler(
    spec: str | os.PathLike[str] | Filler, preprocess: Preprocess, *, owner: str = "filler"
) -> Filler:
    """Open a filler for the inputs of one model.

    Parameters
    ----------
    spec : str, path or Filler
        A name of `FILLERS`; the path of an .onnx file (see `pysal.fillers.onnx_inpainter`); or a
        filler, for instance one with other options than its defaults, which passes through.
    preprocess : Preprocess
        Of the model whose inputs are filled.
    owner : str
        Who asks: errors start with it.

    Returns
    -------
    Filler

    Raises
    ------
    OptionError
        If the name is unknown (the near ones are listed), or a filler belongs to a model whose
        inputs have other channels or another normalization.
    MissingDependencyError
        If the package behind it is not installed; the message names the extra.
    InputError, ModelFormatError
        If an .onnx file cannot be read or is no inpainter.
    """
    if isinstance(spec, Filler):
        _check_colors(spec, preprocess, owner)
        return spec
    if isinstance(spec, os.PathLike) or str(spec).lower().endswith(".onnx"):
        from pysal.fillers.onnx_inpainter import OnnxInpainter

        return OnnxInpainter(preprocess, Path(spec))
    if not isinstance(spec, str):
        raise OptionError(
            f"{owner}: filler is a {type(spec).__name__}; give a name of {', '.join(FILLERS)}, the "
            "path of an .onnx inpainter, or a Filler"
        )
    filler: Filler = lookup(FILLERS, spec, f"{owner}: filler").load()(preprocess)
    return filler


def _check_colors(filler: Filler, preprocess: Preprocess, owner: str) -> None:
    """Refuse a filler that was opened for inputs of other colours."""
    for key in ("channels", "scale", "mean", "std"):
        own, other = getattr(filler.preprocess, key), getattr(preprocess, key)
        if own != other:
            raise OptionError(
                f"{owner}: filler {filler.name} was opened for inputs with {key} {own}, the model "
                f"has {other}; open it with the model's preprocess record"
            )
