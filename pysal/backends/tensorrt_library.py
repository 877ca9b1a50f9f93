"""Which TensorRT is installed: the datacenter library, or TensorRT-RTX; both have one API here."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import importlib
import re
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from pysal.backends.reason import reason
from pysal.errors import MissingDependencyError, OptionError

MODULES = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),
}
"""Flavours, and the names under which their wheels are imported."""
NAMES = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}


@dataclasses.dataclass(frozen=True)
class Library:
    """An installed TensorRT.

    Attributes
    ----------
    module : module
    flavour : {"tensorrt", "tensorrt_rtx"}
        RTX builds for GPUs by their compute capability, also where there is none; its plans are
        compiled for the GPU when they are opened. The other one builds for the GPU that is here.
    version : str
    logger : ILogger
        One for the whole process: TensorRT keeps the first that it is given.
    """

    module: Any
    flavour: str
    version: str
    logger: Any

    @property
    def is_rtx(self) -> bool:
        """Whether it is TensorRT-RTX."""
        return self.flavour == "tensorrt_rtx"

    @property
    def label(self) -> str:
        """Name and version."""
        return f"{NAMES[self.flavour]} {self.version}"

    @contextlib.contextmanager
    def listening(self) -> Iterator[Any]:
        """Collect what TensorRT logs; calls take turns, and yield the list of its errors."""
        with _LOCK:
            self.logger.errors.clear()
            yield self.logger.errors


_LOCK = threading.RLock()


def find_library(flavour: str | None = None) -> Library:
    """The TensorRT of this environment, or the one of a flavour.

    Raises
    ------
    OptionError
        If there is no such flavour.
    MissingDependencyError
        If none is installed, or those that are cannot be loaded.
    """
    if flavour is not None and flavour not in MODULES:
        raise OptionError(f'flavour "{flavour}" is unknown; use {" or ".join(MODULES)}')
    problems = []
    for kind in [flavour] if flavour else MODULES:
        for name in MODULES[kind]:
            try:
                return _load(name, kind)
            except ModuleNotFoundError as error:
                if error.name != name:
                    problems.append(f"{name}: {reason(error)}")
            except Exception as error:  # wheels without their libraries raise what they like
                problems.append(f"{name}: {reason(error)}")
    what = "; ".join(problems) if problems else f"no {NAMES.get(flavour or '', 'TensorRT')} is"
    end = " cannot be loaded" if problems else " installed"
    raise MissingDependencyError(
        f'{what}{end}; pip install "pysal-saliency[tensorrt]", or [tensorrt-rtx], which builds '
        "plans without a GPU"
    )


@functools.cache
def _load(name: str, flavour: str) -> Library:
    module = importlib.import_module(name)
    return Library(module, flavour, str(module.__version__), _make_logger(module))


def _make_logger(module: Any) -> Any:
    """A logger that keeps the last errors and writes nothing."""
    serious = (module.ILogger.Severity.INTERNAL_ERROR, module.ILogger.Severity.ERROR)

    class Logger(module.ILogger):  # type: ignore[misc]  # the module is any of three
        """Errors as one line each."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: collections.deque[str] = collections.deque(maxlen=8)

        def log(self, severity: Any, message: str) -> None:
            """Called by TensorRT, from any thread."""
            if severity in serious:
                self.errors.append(" ".join(message.split()))

    return Logger()


def said(errors: Sequence[str]) -> str:
    """The first error that TensorRT logged, without its source positions."""
    text = re.sub(r"^\[[^]]*\] *", "", errors[0]) if errors else "it gives no reason"
    return text.partition(" In ")[0] or text
