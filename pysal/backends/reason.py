"""Errors of engines, whose types share no base class, in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pysal.errors import CapabilityError, PysalError

PLACE = "Exception from "
"""OpenVINO begins with where it was in its own source."""


def reason(error: BaseException) -> str:
    """First line of what an error says, or its type where it says nothing."""
    said = str(error).strip().splitlines()
    lines = [line for line in said if not line.startswith(PLACE)] or said
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def one_line(what: str) -> Iterator[None]:
    """Errors within the block become a CapabilityError "what: reason"; our own ones pass."""
    try:
        yield
    except PysalError:
        raise
    except Exception as error:
        raise CapabilityError(f"{what}: {reason(error)}") from error
