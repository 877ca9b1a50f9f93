"""The small inpainter that comes with pysal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pysal.fillers.onnx_inpainter import OnnxInpainter
from pysal.preprocess import Preprocess

MODEL = Path(__file__).parent / "inpainter.onnx"


class Learnt(OnnxInpainter):
    """A generator of gated convolutions on top of a smooth filling."""

    def __init__(self, preprocess: Preprocess) -> None:
        super().__init__(preprocess, MODEL)
        self.name = "learnt"

    def training(self) -> dict[str, Any]:
        """What it was trained on, and how."""
        record: dict[str, Any] = json.loads(self.metadata["pysal.training"])
        return record
