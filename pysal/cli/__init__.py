"""The console command `pysal`."""

from __future__ import annotations

from pysal.cli.interrupt import leave_on_interrupt


def main() -> None:
    """Run the console command; leaves by SystemExit."""
    leave_on_interrupt()
    from pysal.cli.app import app

    app(prog_name="pysal")
