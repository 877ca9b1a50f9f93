"""What every step has in common: the card or the CPU, the sizes, the time left, rows of results."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from timing import append_json

ROWS = "rows.jsonl"
Value = TypeVar("Value")


@dataclasses.dataclass
class Setting:
    """One step of a run.

    Attributes
    ----------
    step : str
        Its name, in every row that it writes.
    out : Path
        Folder of the results; rows go to one file there as soon as they are known, so a step that
        is stopped leaves what it has measured.
    dry : bool
        The same code on the CPU, with sizes for which figures mean nothing.
    until : float
        Time of `time.monotonic` after which no further case begins.
    begun : float
        When the step began; rows say how many seconds later they were written.
    failed : list of str
        Required cases that raised.
    """

    step: str
    out: Path
    dry: bool
    until: float
    begun: float = dataclasses.field(default_factory=time.monotonic)
    failed: list[str] = dataclasses.field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where everything runs."""
        return torch.device("cpu" if self.dry else "cuda")

    def pick(self, full: Value, tiny: Value) -> Value:
        """One of two values: for the card, or for a dry run."""
        return tiny if self.dry else full

    def left(self) -> float:
        """Seconds in which cases may still begin."""
        return self.until - time.monotonic()

    def row(self, **values: Any) -> None:
        """Write one result."""
        at = round(time.monotonic() - self.begun, 2)
        append_json(self.out / ROWS, {"step": self.step, "at": at, **values})
        print(values, flush=True)

    def attempt(
        self, case: str, work: Callable[[], Mapping[str, Any] | None], *, required: bool = True
    ) -> bool:
        """Run one case and write its row; what it raises is written instead, and the step goes on.

        Parameters
        ----------
        work : callable
            Returns the values of the row; None writes none. It checks before it times.
        required : bool
            Whether a failure here is a failure of the step: not for what only serves to compare.

        Returns
        -------
        bool
            Whether it ran to its end.
        """
        if self.left() <= 0:
            self.row(case=case, skipped="no time left")
            return False
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                values = work()
        except Exception as error:
            traceback.print_exc()
            reason = (str(error).strip().splitlines() or [""])[0]
            self.row(case=case, error=f"{type(error).__name__}: {reason}"[:300], required=required)
            if required:
                self.failed.append(case)
            if lost(error):
                self.end()
            return False
        finally:
            gc.collect()
            if not self.dry and torch.cuda.is_initialized():
                _release()
        if values is not None:
            said = {str(warning.message)[:200] for warning in heard}
            self.row(case=case, **values, **({"warnings": sorted(said)} if said else {}))
        return True

    def end(self) -> None:
        """Leave the process; the exit code says whether a required case failed."""
        if self.failed:
            print(f"{self.step}: failed: {', '.join(self.failed)}", file=sys.stderr)
        sys.exit(1 if self.failed else 0)


def lost(error: BaseException) -> bool:
    """Whether the CUDA context is unusable after this error, so that all further cases fail."""
    text = str(error).lower()
    signs = ("illegal memory access", "misaligned address", "device-side assert", "launch failure")
    return any(sign in text for sign in signs)


def begin(step: str, doc: str | None) -> Setting:
    """Setting from the command line, which is the same for all steps."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no case after these")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    setting = Setting(step, options.out, options.dry_run, time.monotonic() + options.seconds)
    if setting.dry:
        torch.set_num_threads(1)  # a busy machine runs tiny operators slowest on all cores
    elif not torch.cuda.is_available():
        setting.row(case="start", error="PyTorch sees no CUDA device", required=True)
        sys.exit(1)
    return setting


def _release() -> None:
    """Give cached memory back, so that the peak of the next case is its own."""
    try:
        torch.cuda.empty_cache()
    except RuntimeError as error:
        print(error, file=sys.stderr)


def exact_float32() -> None:
    """Turn TF32 off for all PyTorch operators."""
    use_tf32(False)


def use_tf32(on: bool) -> None:
    """Multiply float32 matrices and convolve in TF32, or do not."""
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on
