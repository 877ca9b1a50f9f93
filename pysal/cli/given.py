"""What commands are given as text: options, names, data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pysal.errors import OptionError


def parse_options(pairs: list[str]) -> dict[str, Any]:
    """`NAME=VALUE` texts as options; a value is JSON where it can be read as such, else text."""
    options = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not (separator and name):
            raise OptionError(f'--option is "{pair}"; expected NAME=VALUE, for instance seed=1')
        options[name.replace("-", "_")] = _value(text)
    return options


def parse_owned(pairs: list[str], flag: str, owner: str) -> dict[str, dict[str, Any]]:
    """`OWNER.NAME=VALUE` texts, likewise."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        name, dot, option = key.partition(".")
        if not (separator and dot and name and option):
            raise OptionError(f'{flag} is "{pair}"; expected {owner}.NAME=VALUE')
        found.setdefault(name, {})[option.replace("-", "_")] = _value(text)
    return found


def names(text: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def open_images(
    images: Path, labels: Path | None, annotations: Path | None, classes: str | None
) -> Any:
    """The path itself, or a data set where more is told of it."""
    if labels is None and annotations is None and classes is None:
        return images
    from pysal.datasets import open_dataset

    return open_dataset(images, labels=labels, annotations=annotations, classes=classes)


def _value(text: str) -> Any:
    """JSON, or the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
