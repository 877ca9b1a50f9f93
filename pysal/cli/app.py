"""The commands of the console, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from pysal.cli.compare import compare
from pysal.cli.demo import demo
from pysal.cli.evaluate import evaluate
from pysal.cli.explain import explain
from pysal.cli.export import export
from pysal.cli.guard import WRONG_USE, GuardedGroup
from pysal.cli.info import info
from pysal.cli.lists import methods, metrics
from pysal.cli.study import study

app = typer.Typer(
    name="pysal",
    cls=GuardedGroup,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done, 2 wrong use or bad input, 1 a fault of pysal, 130 interrupted.",
)


def _version(wanted: bool) -> None:
    """Print the version and end."""
    if wanted:
        import pysal

        print(f"pysal {pysal.__version__}")
        raise typer.Exit


@app.callback()
def start(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; also PYSAL_DEBUG=1. Works anywhere.")
    ] = False,
) -> None:
    """Explain the predictions of ONNX image classifiers."""
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit(WRONG_USE)


for command in (explain, evaluate, study, compare, export, info, methods, metrics, demo):
    app.command()(command)
