"""Engines that run batches of a fixed size on static buffers, on any device.

Every run has exactly R rows, whatever the size of the batch, so an engine chooses the same
algorithms for an image in any company; rows that are left over compute what the buffer holds.
Composed images are written straight into the engine's input, and gradients are reduced from its
output, so nothing but masks and scores is stored beyond the buffers of one run.
"""

from __future__ import annotations

import contextlib
import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pysal import kernels
from pysal.arrays import AnyArray, empty_like, is_host, root, to_host
from pysal.backends.batched_plan import Segment, blocks, masked_plan, path_plan
from pysal.backends.batched_run import Run, TargetedRun
from pysal.classifier import Classifier
from pysal.compose import Composer
from pysal.errors import OptionError, ShapeError
from pysal.kernels.routing import on_cuda, to_numpy
from pysal.prepared import INPUT, gradient_name, multiplier_name
from pysal.surgery import check_channels
from pysal.types import Array, Noise, ScoreKind, Target


class BatchedClassifier(Classifier):
    """A classifier over runs of R rows.

    Parameters
    ----------
    rows : int
        R, images per run.

    Notes
    -----
    Safe to share between threads: calls take turns. With device arrays nothing waits for the
    device, and their values are not checked to be finite.
    """

    def __init__(self, rows: int) -> None:
        if rows < 1:
            raise OptionError(f"rows is {rows}; give 1 or more images per run")
        self._rows = rows
        self._start()

    def _start(self) -> None:
        self._runs: dict[tuple[Any, ...], TargetedRun] = {}
        self._lock = threading.Lock()

    # ---- what a subclass gives -------------------------------------------------------------------

    @abstractmethod
    def _forward_run(self, taps: tuple[str, ...]) -> Run:
        """Logits, and activations of layers."""

    @abstractmethod
    def _gradient_run(self, rules: str, wrt: str) -> Run:
        """Logits, and the gradient `gradient_name(wrt)`."""

    @abstractmethod
    def _scaled_run(self, *layers: str) -> Run:
        """Logits; inputs are the image and `multiplier_name` of the layers, of R rows."""

    @abstractmethod
    def _take(self, array: AnyArray) -> AnyArray:
        """An argument of the caller's, as an array of the kind and on the device of the buffers."""

    def _ordered(self) -> AbstractContextManager[None]:
        """Around every use of the buffers: orders streams, sets the device and global switches."""
        return contextlib.nullcontext()

    # ---- the classifier --------------------------------------------------------------------------

    def prepare(self, needs: Collection[str]) -> None:
        """Build the runs; see `Classifier`."""
        with self._using("forward", ()):
            pass
        if "grad" in needs:
            with self._using("gradient", "gradient", INPUT):
                pass

    def score(self, batch: AnyArray, kind: ScoreKind = "probability") -> AnyArray:
        """Scores of every class: (N, C, H, W) -> (N, K). Cost: N forward, in whole runs."""
        batch = self.check_batch(batch)
        images = self._take(batch)
        with self._using("forward", ()) as run:
            out = empty_like(run.image, (len(batch), self.info.num_classes))
            for part in blocks(len(batch), self._rows):
                out[part] = self._evaluate(run, images[part], None, kind)
        return _give(batch, out)[0]

    def score_scaled(
        self, batch: AnyArray, factors: Mapping[str, Array], kind: ScoreKind = "probability"
    ) -> AnyArray:
        """Scores of every class with channels multiplied; see `Surgery`."""
        images = self._take(batch := self.check_batch(batch))
        found = self.check_factors(factors, len(batch))
        with self._using("scaled", *found) as run:
            out = empty_like(run.image, (len(images), self.info.num_classes))
            buffers = {name: run.run.inputs[multiplier_name(name)] for name in found}
            for layer, buffer in buffers.items():
                check_channels(layer, found[layer].shape[1], buffer.shape[1])
            for part in blocks(len(batch), self._rows):
                for layer, buffer in buffers.items():
                    rows = self._take(found[layer][part]).reshape(-1, *buffer.shape[1:])
                    buffer[: len(rows)] = rows
                out[part] = self._evaluate(run, images[part], None, kind)
        return _give(batch, out)[0]

    def activations(self, batch: AnyArray, layers: Sequence[str]) -> dict[str, AnyArray]:
        """Activations of named layers, {name: array of N rows}. Cost: N forward."""
        batch = self.check_batch(batch)
        images = self._take(batch)
        with self._using("forward", tuple(layers)) as run:
            out = {
                name: empty_like(run.image, (len(batch), *run.run.outputs[name].shape[1:]))
                for name in layers
            }
            for part in blocks(len(batch), self._rows):
                self._evaluate(run, images[part], None, "logit")
                for name in layers:
                    out[name][part] = run.run.outputs[name][: part.stop - part.start]
        return dict(zip(layers, _give(batch, *out.values()), strict=True)) if layers else {}

    def value_and_grad(
        self, batch: AnyArray, target: Target, *, wrt: str = INPUT, rules: str = "gradient"
    ) -> tuple[AnyArray, AnyArray]:
        """Score of the target and its gradient at `wrt`; see `Classifier`."""
        batch = self.check_batch(batch)
        target = self.check_target(target, len(batch))
        images, name = self._take(batch), gradient_name(wrt)
        with self._using("gradient", rules, wrt) as run:
            value = empty_like(run.image, (len(batch),))
            grad = empty_like(run.image, (len(batch), *run.run.outputs[name].shape[1:]))
            for part in blocks(len(batch), self._rows):
                value[part] = self._evaluate(run, images[part], target[part], target.kind)
                grad[part] = run.run.outputs[name][: part.stop - part.start]
        value, grad = _give(batch, value, grad)
        return value, grad

    def score_masked(
        self,
        batch: AnyArray,
        baseline: AnyArray,
        masks: AnyArray,
        target: Target,
        *,
        noise: Noise | None = None,
    ) -> AnyArray:
        """Score of the target on composed images, packed into runs without gaps."""
        target = self.check_target(target, len(batch))
        _check_lengths(batch, baseline, masks)
        given, count = batch, masks.shape[1]
        batch, baseline, masks = map(self._take, (batch, baseline, masks))
        with self._using("forward", ()) as run:
            out = empty_like(run.image, (len(batch), count))
            for parts in masked_plan(len(batch), count, self._rows):
                for part in parts:
                    kernels.blend(
                        batch[part.images],
                        baseline[part.images],
                        masks[part.images, part.nodes],
                        first_node=part.nodes.start,
                        noise=_noise_of(noise, part),
                        out=_rows_of(run.image, part),
                    )
                index = [target.index[p.images].repeat(p.shape[1]) for p in parts]
                scores = run(np.concatenate(index), target.kind)
                for part in parts:
                    out[part.images, part.nodes] = scores[part.rows].reshape(part.shape)
        return _give(given, out)[0]

    def score_composed(
        self, compose: Composer, num_images: int, count: int, target: Target
    ) -> Array:
        """Score of the target on composed images, written into the buffer of the run."""
        target = self.check_target(target, num_images)
        with self._using("forward", ()) as run:
            out = empty_like(run.image, (num_images, count))
            buffer = run.image if on_cuda(run.image) else to_numpy(run.image)
            for block in blocks(num_images * count, self._rows):
                versions = np.arange(block.start, block.stop)
                images, first = versions // count, versions % count
                for image in np.unique(images):
                    rows = np.flatnonzero(images == image)
                    compose(int(image), int(first[rows[0]]), buffer[rows[0] : rows[-1] + 1])
                out.reshape(-1)[block] = run(target.index[images], target.kind)
        scores: Array = to_host(out)
        return scores

    def path_grad(
        self,
        batch: AnyArray,
        baseline: AnyArray,
        masks: AnyArray,
        target: Target,
        *,
        nodes: Array,
        weights: Array,
        noise: Noise | None = None,
    ) -> tuple[AnyArray, AnyArray]:
        """Weighted mean of mask gradients; whole paths share a run, long ones take several."""
        target = self.check_target(target, len(batch))
        _check_lengths(batch, baseline, masks)
        nodes = np.asarray(nodes, np.float32)
        factors = nodes * np.asarray(weights, np.float32)
        given, size = batch, masks.shape[1:]
        batch, baseline, masks = map(self._take, (batch, baseline, masks))
        with self._using("gradient", "gradient", INPUT) as run:
            values = empty_like(run.image, (len(batch), len(nodes)))
            grad = empty_like(run.image, masks.shape)
            grad[...] = 0.0
            for part in path_plan(len(batch), len(nodes), self._rows):
                images, baselines = batch[part.images], baseline[part.images]
                kernels.blend(
                    images,
                    baselines,
                    masks[part.images, None],
                    nodes=nodes[part.nodes],
                    first_node=part.nodes.start,
                    noise=_noise_of(noise, part),
                    out=_rows_of(run.image, part),
                )
                index = target.index[part.images].repeat(part.shape[1])
                scores = run(index, target.kind)
                values[part.images, part.nodes] = scores.reshape(part.shape)
                slopes = _rows_of(run.run.outputs[gradient_name(INPUT)], part)
                grad[part.images] += kernels.path_accumulate(
                    slopes, images, baselines, factors[part.nodes], size
                )
        values, grad = _give(given, values, grad)
        return values, grad

    def check_batch(self, batch: AnyArray) -> AnyArray:
        """As `Classifier.check_batch`; of device arrays shape and dtype only."""
        if root(batch) not in ("torch", "cupy"):
            return super().check_batch(batch)
        expected = self.info.input_shape
        dtype = str(batch.dtype).removeprefix("torch.")
        if batch.ndim != 4 or tuple(batch.shape[1:]) != expected or dtype != "float32":
            raise ShapeError(
                f"batch is {dtype} of shape {tuple(batch.shape)}; {self.info.name} takes float32 "
                f"(N, {', '.join(map(str, expected))})"
            )
        return batch

    def close(self) -> None:
        """Drop the runs and their buffers."""
        with self._lock:
            self._runs.clear()

    # ---- runs ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _using(self, what: str, *arguments: Any) -> Iterator[TargetedRun]:
        """A run, built on first use, for this thread alone."""
        with self._lock, self._ordered():
            key = (what, *arguments)
            if key not in self._runs:
                build: Callable[..., Run] = getattr(self, f"_{what}_run")
                self._runs[key] = TargetedRun(build(*arguments), self.info.output_kind)
            yield self._runs[key]

    def _evaluate(
        self, run: TargetedRun, images: AnyArray, target: Target | None, kind: ScoreKind
    ) -> AnyArray:
        """Fill the buffer with up to R images and compute."""
        run.image[: len(images)] = images
        return run(None if target is None else target.index, kind, len(images))


def _rows_of(buffer: AnyArray, part: Segment) -> AnyArray:
    """Rows of a buffer as images x nodes: a view, whatever the strides."""
    return buffer[part.rows].reshape(*part.shape, *buffer.shape[1:])


def _noise_of(noise: Noise | None, part: Segment) -> Noise | None:
    """Noise of the images of a segment."""
    return noise and Noise(noise.std, noise.seed[part.images], noise.step)


def _give(given: AnyArray, *results: AnyArray) -> list[AnyArray]:
    """Results where the caller's arrays are."""
    return [to_host(result) if is_host(given) else result for result in results]


def _check_lengths(batch: AnyArray, baseline: AnyArray, masks: AnyArray) -> None:
    """One baseline and one row of masks per image; the kernels check the rest."""
    if not len(batch) == len(baseline) == len(masks):
        raise ShapeError(
            f"{len(batch)} images, {len(baseline)} baselines and {len(masks)} rows of masks; give "
            "one of each per image"
        )
