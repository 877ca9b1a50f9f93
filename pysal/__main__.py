"""`python -m pysal` is the console command."""

from __future__ import annotations

from pysal.cli import main

if __name__ == "__main__":
    main()
