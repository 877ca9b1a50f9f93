"""Exceptions of pysal: every message says what was given, what was expected, and the way out."""

from __future__ import annotations


class PysalError(Exception):
    """Base class of every error that pysal raises on purpose; the console exits with 2 on it."""


class InputError(PysalError, ValueError):
    """A photo, array, path or file content that cannot be used."""


class ShapeError(PysalError, ValueError):
    """An array whose shape, dtype or values do not fit the model."""


class OptionError(PysalError, ValueError):
    """An option, name or target outside its allowed values."""


class ModelFormatError(PysalError, ValueError):
    """A model file that cannot be read or is not an image classifier."""


class UnsupportedOpError(PysalError, ValueError):
    """Operators without a backward rule; the message lists all of them with their node names."""


class CapabilityError(PysalError, RuntimeError):
    """The chosen engine or model cannot do what a method needs."""


class MissingDependencyError(PysalError, ImportError):
    """An optional package is absent; the message names the extra that brings it."""
