"""Whether two runs of a mask optimizer are the same run, up to float32 rounding.

Line searches compare numbers that may lie within rounding of each other; where they then take
different steps, the masks part, though both are right. So masks are compared where all steps are
the same, and objectives otherwise.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

MASK = 5e-3
"""Of mask values, where all steps are the same. Benchmarks on the CPU allow half of it between
PyTorch and ONNX Runtime, whose convolutions differ less than those of a card and a processor."""

LOSS = 1e-3
"""Of the objective, in units of probability, as long as the steps are the same."""

END = 0.05
"""Of the objective at the end, where the steps are not the same."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One image's optimization: saliency (h, w), objective (T + 1,), accepted steps (T,)."""

    saliency: np.ndarray
    loss: np.ndarray
    step: np.ndarray


def runs(attribution: Any) -> list[Run]:
    """The runs in an Attribution, image by image."""
    trace = attribution.trace
    return [
        Run(*parts) for parts in zip(attribution.native, trace["loss"], trace["step"], strict=True)
    ]


def compare(ours: Run, theirs: Run) -> dict[str, float]:
    """Differences of two runs.

    Raises
    ------
    AssertionError
        If they differ by more than rounding explains.
    """
    equal = np.isclose(ours.step, theirs.step, rtol=1e-5)
    same = len(equal) if equal.all() else int(equal.argmin())
    # a last step of a search is taken untested: then one side may not know its objective
    difference = np.nan_to_num(np.abs(np.asarray(ours.loss, np.float64) - theirs.loss), nan=0.0)
    found = {
        "iterations": len(equal),
        "same_steps": same,
        "mask": float(np.abs(ours.saliency - theirs.saliency).max()),
        "loss": float(difference[: same + 1].max()),
        "end": float(difference[-1]),
    }
    assert found["loss"] <= LOSS, f"objectives differ by {found['loss']:.2g} before the steps do"
    if same == len(equal):
        assert found["mask"] <= MASK, f"masks differ by {found['mask']:.2g} with the same steps"
    assert found["end"] <= END, f"objectives end {found['end']:.2g} apart"
    return found


def worst(pairs: list[dict[str, float]]) -> dict[str, float]:
    """The largest difference of each kind over several images; the fewest equal steps."""
    return {
        key: (min if key == "same_steps" else max)(pair[key] for pair in pairs) for key in pairs[0]
    }
