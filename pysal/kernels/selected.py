"""The implementation that runs on the host: compiled where it could be built, else numpy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pysal.errors import MissingDependencyError, OptionError

if TYPE_CHECKING:
    from types import ModuleType


def load() -> ModuleType:
    """The module that computes, as the environment variable PYSAL_KERNELS wants it.

    Raises
    ------
    OptionError
        If the variable has another value than "compiled", "reference" or nothing.
    MissingDependencyError
        If it insists on the compiled kernels and they cannot be imported.
    """
    choice = os.environ.get("PYSAL_KERNELS", "")
    if choice not in ("", "compiled", "reference"):
        raise OptionError(f'PYSAL_KERNELS is "{choice}"; use "compiled" or "reference"')
    if choice != "reference":
        try:
            from pysal import _kernels

            return _kernels
        except ImportError as error:
            if choice == "compiled":
                raise MissingDependencyError(
                    "PYSAL_KERNELS=compiled, but pysal._kernels cannot be imported "
                    f"({error}); install a wheel, or build with a C++17 compiler"
                ) from error
    from pysal.kernels import reference

    return reference


impl: Any = load()
"""What every kernel of this package calls."""
