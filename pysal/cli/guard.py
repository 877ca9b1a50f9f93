"""How a command ends: exit codes, and one line on stderr in place of a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from pysal.cli.console import note, one_line, show_warning
from pysal.cli.interrupt import INTERRUPTED
from pysal.errors import PysalError

DONE, FAULT, WRONG_USE = 0, 1, 2
PIPE_CLOSED = 128 + 13
"""As a shell reports programs that SIGPIPE ends."""


class _Interrupted(Exception):
    """Ctrl-C, under a name that Typer does not handle itself."""


class _PipeClosed(Exception):
    """The reader of stdout went away, under a name that Typer does not handle itself."""


class GuardedGroup(TyperGroup):
    """Commands whose errors end in one line and the right exit code."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> NoReturn:
        """Run a command and leave the process, or the caller, by SystemExit."""
        rest, debug = _take_debug(sys.argv[1:] if args is None else list(args))
        extra["standalone_mode"] = False
        with warnings.catch_warnings():
            _quiet_warnings()
            try:
                code = super().main(rest, *more, **extra)
                _flush()
            except Exception as error:
                if debug:
                    traceback.print_exc()
                code = _report(error)
        sys.exit(code if isinstance(code, int) else DONE)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see `_Interrupted` and `_PipeClosed`."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise _Interrupted from error
        except BrokenPipeError as error:
            raise _PipeClosed from error


def _take_debug(args: list[str]) -> tuple[list[str], bool]:
    """Arguments without --debug, which may stand anywhere before "--", and whether it was there."""
    debug = os.environ.get("PYSAL_DEBUG", "0") not in ("", "0")
    end = args.index("--") if "--" in args else len(args)
    kept = [arg for arg in args[:end] if arg != "--debug"]
    return kept + args[end:], debug or len(kept) < end


def _quiet_warnings() -> None:
    """Warnings meant for users are lines on stderr; those meant for developers are not shown."""
    if sys.warnoptions:
        return
    warnings.simplefilter("ignore")
    warnings.simplefilter("always", UserWarning)
    warnings.showwarning = show_warning


def _flush() -> None:
    """Meet a closed pipe here, where it can be handled, and not when Python shuts down."""
    try:
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise _PipeClosed from error


def _report(error: Exception) -> int:
    """Write the line of an error; return the exit code."""
    if isinstance(error, _PipeClosed):
        _drop_stdout()
        return PIPE_CLOSED
    if isinstance(error, _Interrupted | typer.Abort):
        note("interrupted; files of finished images are kept")
        return INTERRUPTED
    if isinstance(error, PysalError):
        note(f"error: {error}")
        return WRONG_USE
    if (usage := _usage_line(error)) is not None:
        note(f"error: {usage}")
        return WRONG_USE
    if isinstance(error, OSError) and error.filename is not None:
        note(f"error: {error.filename}: {error.strerror}; give a path that can be used")
        return WRONG_USE
    note(
        f"internal error: {type(error).__name__}: {error}; run again with --debug for the "
        "traceback, and report it"
    )
    return FAULT


def _usage_line(error: Exception) -> str | None:
    """Typer's own usage error as one line; None for other errors.

    Typer 0.12 raises Click's exceptions, later versions their own copies of them.
    """
    if not hasattr(error, "format_message") or getattr(error, "exit_code", None) != WRONG_USE:
        return None
    ctx = getattr(error, "ctx", None)
    command = ctx.command_path if ctx is not None else "pysal"
    return f'{one_line(error.format_message()).rstrip(".")}; try "{command} --help"'


def _drop_stdout() -> None:
    """Send what is still buffered nowhere, so that Python's own flush at exit succeeds."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
