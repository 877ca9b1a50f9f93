"""Engines that run one image at a time: gradients, and operations that compose and run at once."""

from __future__ import annotations

import numpy as np

from pysal import kernels
from pysal.backends.one_by_one_runs import OneByOneRuns, Session
from pysal.backends.scores import log_odds_slope
from pysal.compose import Composer
from pysal.errors import ShapeError
from pysal.prepared import (
    INPUT,
    LOGITS,
    SEED,
    SEED_LAYER,
    SEED_LOG_ODDS,
    SEED_PROBABILITY,
    gradient_name,
)
from pysal.types import Array, Noise, Passes, ScoreKind, Target

PARTIAL_BYTES = 2**26
"""Per-node mask gradients are kept for as many images at a time as fit in this."""


class OneByOneClassifier(OneByOneRuns):
    """A classifier over sessions that run one image at a time; see `OneByOneRuns`."""

    def value_and_grad(
        self, batch: Array, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[Array, Array]:
        """Score of the target and its gradient at `wrt`; see `Classifier`."""
        batch = self.check_batch(batch)
        target = self.check_target(target, len(batch))
        session = self._gradient(rules, wrt, len(batch))
        name = gradient_name(wrt)
        value = np.empty(len(batch), np.float32)
        grad = np.empty((len(batch), *session.buffers()[name].shape[1:]), np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            value[row], found = self._run_gradient(
                session, wrt, int(target.index[row]), target.kind
            )
            grad[row] = found[0]

        self._workers.each(len(batch), work)
        return value, grad

    def layer_grad(
        self, batch: Array, target: Target, layer: str
    ) -> tuple[tuple[Array, Array, Array], Passes]:
        """Score, activation and gradient of a layer in one run; see `Classifier`."""
        batch = self.check_batch(batch)
        target = self.check_target(target, len(batch))
        session = self._gradient("gradient", layer, len(batch), (layer,))
        value = np.empty(len(batch), np.float32)
        shape = (len(batch), *session.buffers()[layer].shape[1:])
        activation, grad = np.empty(shape, np.float32), np.empty(shape, np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            value[row], found = self._run_gradient(
                session, layer, int(target.index[row]), target.kind
            )
            activation[row], grad[row] = buffers[layer][0], found[0]

        self._workers.each(len(batch), work)
        return (value, activation, grad), Passes(len(batch), len(batch))

    def backward(
        self,
        batch: Array,
        layer: str,
        signal: Array,
        *,
        wrt: str = INPUT,
        rules: str = "gradient",
    ) -> Array:
        """What a signal at a layer becomes at `wrt` under a rule table; see `Classifier`."""
        batch = self.check_batch(batch)
        session = self._gradient(rules, wrt, len(batch), (), layer)
        sample, name = session.buffers(), gradient_name(wrt)
        shape = (len(batch), *sample[SEED_LAYER].shape[1:])
        if signal.shape != shape:
            raise ShapeError(f"signal has shape {signal.shape}; {layer} has {shape}")
        out = np.empty((len(batch), *sample[name].shape[1:]), np.float32)

        def work(row: int) -> None:
            buffers = session.buffers()
            np.copyto(buffers[self._input][0], batch[row])
            np.copyto(buffers[SEED_LAYER][0], signal[row])
            session.run()
            out[row] = buffers[name][0]

        self._workers.each(len(batch), work)
        return out

    def score_composed(
        self, compose: Composer, num_images: int, count: int, target: Target
    ) -> Array:
        """Score of the target on composed images; each is composed on the thread that runs it."""
        target = self.check_target(target, num_images)
        session = self._forward((), num_images * count)
        out = np.empty((num_images, count), np.float32)

        def work(row: int) -> None:
            image, version = divmod(row, count)
            buffers = session.buffers()
            compose(image, version, buffers[self._input])
            session.run()
            out[image, version] = self._in_kind(buffers[LOGITS], target.kind)[
                0, target.index[image]
            ]

        self._workers.each(num_images * count, work)
        return out

    def path_grad(
        self,
        batch: Array,
        baseline: Array,
        masks: Array,
        target: Target,
        *,
        nodes: Array,
        weights: Array,
        noise: Noise | None = None,
    ) -> tuple[Array, Array]:
        """Weighted mean of mask gradients; compose, run and reduce happen node by node."""
        target = self.check_target(target, len(batch))
        steps, size = len(nodes), masks.shape[1:]
        nodes = np.asarray(nodes, np.float32)
        factors = nodes * np.asarray(weights, np.float32)
        session = self._gradient("gradient", INPUT, len(batch) * steps)
        values = np.empty((len(batch), steps), np.float32)
        grad = np.empty(masks.shape, np.float32)
        group = max(1, PARTIAL_BYTES // (4 * steps * size[0] * size[1]))
        for first in range(0, len(batch), group):
            rows = range(first, min(first + group, len(batch)))
            partial = np.empty((len(rows), steps, *size), np.float32)

            def work(row: int, rows: range = rows, partial: Array = partial) -> None:
                i, s = rows[row // steps], row % steps
                one = slice(i, i + 1)
                buffers = session.buffers()
                kernels.blend(
                    batch[one],
                    baseline[one],
                    masks[one, None],
                    nodes=nodes[s : s + 1],
                    first_node=s,
                    noise=noise and noise[one],
                    out=buffers[self._input][None],
                    threads=1,
                )
                values[i, s], found = self._run_gradient(
                    session, INPUT, int(target.index[i]), target.kind
                )
                partial[row // steps, s] = kernels.path_accumulate(
                    found[None],
                    batch[one],
                    baseline[one],
                    factors[s : s + 1],
                    size,
                    threads=1,
                )[0]

            self._workers.each(len(rows) * steps, work)
            grad[rows.start : rows.stop] = partial.sum(axis=1)
        return values, grad

    def _run_gradient(
        self, session: Session, wrt: str, index: int, kind: ScoreKind
    ) -> tuple[np.float32, Array]:
        """Run with the one-hot seed of a class; return its score and the gradient's buffer."""
        buffers = session.buffers()
        logits, grad = buffers[LOGITS], buffers[gradient_name(wrt)]
        by_odds = kind == "probability" and SEED_LOG_ODDS in buffers
        other = SEED_LOG_ODDS if by_odds else SEED_PROBABILITY
        seed = buffers[SEED if kind == "logit" else other]
        seed[0, index] = 1.0
        try:
            session.run()
        finally:
            seed[0, index] = 0.0
        if by_odds:
            grad *= log_odds_slope(logits[0], index, self.info.output_kind)
        score: np.float32 = self._in_kind(logits, kind)[0, index]
        return score, grad
