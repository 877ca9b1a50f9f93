"""Options of methods on the command line: KEY=VALUE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pysal.errors import OptionError


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` texts as options; a value is JSON where it can be read as such, else text."""
    options = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key:
            raise OptionError(f'--option is "{pair}"; expected KEY=VALUE, for instance seed=1')
        try:
            options[key.replace("-", "_")] = json.loads(text)
        except json.JSONDecodeError:
            options[key.replace("-", "_")] = text
    return options
