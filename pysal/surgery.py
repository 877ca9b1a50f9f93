"""What can be changed inside a network: weights drawn anew, channels multiplied by numbers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pysal.errors import CapabilityError, OptionError, ShapeError
from pysal.redraw import HOWS, How
from pysal.types import Array, ModelInfo, ScoreKind

if TYPE_CHECKING:
    from pysal.classifier import Classifier


class Surgery:
    """The part of a `Classifier` that looks at other networks than the one that was given.

    Engines that can do it override these operations; the defaults say that they cannot.
    """

    info: ModelInfo

    def weighted_layers(self) -> tuple[str, ...]:
        """Names of the layers that have weights, in the order in which they are computed.

        A layer's weights are those of its linear map, its bias, and scale and shift of a
        normalization; not the running mean and variance of one.

        Raises
        ------
        CapabilityError
            If this engine or model cannot tell.
        """
        raise CapabilityError(self._cannot("shows no weights"))

    def randomized(
        self, layers: Sequence[str], *, seed: int = 0, how: How = "normal"
    ) -> Classifier:
        """Another classifier: this one with the weights of some layers drawn anew.

        Parameters
        ----------
        layers : sequence of str
            Of `weighted_layers()`.
        seed : int
            What a layer gets depends on its name and on this only, not on the other layers.
        how : {"normal", "shuffle"}
            See `redraw`.

        Returns
        -------
        Classifier
            With weights of its own: `close` it before the next one is made. Its `info.sha256` is
            empty.

        Raises
        ------
        OptionError
            If there is no such layer, or `how` is unknown.
        CapabilityError
            If this engine or model cannot do it.
        """
        raise CapabilityError(self._cannot("draws no weights anew"))

    def score_scaled(
        self, batch: Array, factors: Mapping[str, Array], kind: ScoreKind = "probability"
    ) -> Array:
        """Scores of every class when channels of layers are multiplied by numbers.

        Parameters
        ----------
        batch : ndarray of shape (N, C, H, W), float32
        factors : mapping of str to ndarray of shape (N, Q) or (Q,), float32
            Layer of `info.layers` with Q channels, and a factor for each of them: 0 takes a channel
            away from all that comes after the layer, 1 leaves it.
        kind : {"probability", "logit"}

        Returns
        -------
        ndarray of shape (N, K), float32

        Raises
        ------
        OptionError, ShapeError
            If there is no such layer, or it has other channels.
        CapabilityError
            If this engine or model cannot do it.

        Notes
        -----
        Cost: N forward.
        """
        raise CapabilityError(self._cannot("multiplies no channels"))

    def check_redraw(self, layers: Sequence[str], how: str) -> None:
        """Refuse layers without weights, and unknown ways to draw."""
        known = self.weighted_layers()
        for name in layers:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[-5:]
                raise OptionError(
                    f'{self.info.name} has no layer with weights "{name}"; did you mean '
                    f"{', '.join(near)}?"
                )
        if how not in HOWS:
            raise OptionError(f"randomized: how is {how!r}; use one of {', '.join(HOWS)}")

    def check_factors(self, factors: Mapping[str, Array], num_images: int) -> dict[str, Array]:
        """Factors as float32 (N, Q), one row per image."""
        found = {}
        for layer, given in factors.items():
            if layer not in self.info.layers:
                near = difflib.get_close_matches(layer, self.info.layers, n=3, cutoff=0.4)
                hint = f"did you mean {', '.join(near)}?" if near else "see pysal info"
                raise OptionError(f'{self.info.name} has no layer "{layer}"; {hint}')
            rows = np.asarray(given, np.float32)
            rows = np.broadcast_to(rows, (num_images, len(rows))) if rows.ndim == 1 else rows
            if rows.ndim != 2 or len(rows) != num_images or not np.isfinite(rows).all():
                raise ShapeError(
                    f'factors of "{layer}" have shape {np.shape(given)}; expected (Q,) or '
                    f"({num_images}, Q), finite"
                )
            found[layer] = rows
        return found

    def _cannot(self, what: str) -> str:
        """An error line."""
        return (
            f"{self.info.name} on {self.info.engine or 'this engine'} {what}; open the original "
            'ONNX file with engine "ort", or the torch module with "pytorch"'
        )


def check_channels(layer: str, given: int, expected: int) -> None:
    """Refuse factors for another number of channels than a layer has."""
    if given != expected:
        raise ShapeError(f'factors of "{layer}" are for {given} channels; the layer has {expected}')
