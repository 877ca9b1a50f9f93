"""Many images at once, and one by one where that goes wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

from pysal.errors import MissingDependencyError, OptionError, UnsupportedOpError

T = TypeVar("T")
R = TypeVar("R")

NEVER_WORKS = (MissingDependencyError, UnsupportedOpError)
"""Errors that have nothing to do with an image."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """What stands in the place of a result: which stage went wrong, and why, in one line."""

    text: str


class Attempt:
    """Calls that turn the errors of single images into failures of these images.

    An error of options that every image meets, before the stage has worked once, is not theirs: it
    ends the run where it is `fatal`.
    """

    def __init__(self) -> None:
        self._worked: set[str] = set()

    def __call__(
        self,
        stage: str,
        call: Callable[[Sequence[T]], Sequence[R]],
        items: Sequence[T],
        fatal: bool = True,
    ) -> list[R | Failure]:
        """A result or a failure for each item.

        Raises
        ------
        MissingDependencyError, UnsupportedOpError, OptionError
            If no image can ever work.
        """
        if not items:
            return []
        try:
            found: list[R | Failure] = list(call(items))
        except NEVER_WORKS:
            raise
        except Exception as error:
            found = self._one_by_one(stage, call, items, error, fatal)
        if not all(isinstance(result, Failure) for result in found):
            self._worked.add(stage)
        return found

    def _one_by_one(
        self,
        stage: str,
        call: Callable[[Sequence[T]], Sequence[R]],
        items: Sequence[T],
        first: Exception,
        fatal: bool,
    ) -> list[R | Failure]:
        """Every item by itself, after all together have failed with `first`."""
        found: list[R | Failure] = []
        errors = [] if len(items) > 1 else [first]
        for item in items if len(items) > 1 else ():
            try:
                found += call([item])
            except Exception as error:
                errors.append(error)
                found.append(failure(stage, error))
        hopeless = fatal and len(errors) == len(items) and stage not in self._worked
        if hopeless and all(isinstance(error, OptionError) for error in errors):
            raise errors[0]
        return found or [failure(stage, first)]


def failure(stage: str, error: Exception) -> Failure:
    """An error as one line."""
    text = " ".join(str(error).split())
    return Failure(f"{stage}: {type(error).__name__}: {text}")
