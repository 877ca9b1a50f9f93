"""PyTorch: an `nn.Module` on a CPU or on CUDA; the engine that needs no export.

On a CPU an image is one run, which was measured as fast as batches or faster. On CUDA a run has 20
images, the points of the published path, and is replayed from a CUDA graph, so that Python and
launches cost nothing. What needs a GPU here was not executed on one yet.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from pysal.arrays import AnyArray, root
from pysal.backends.batched import BatchedClassifier
from pysal.backends.pytorch_layers import check_layer, recorded
from pysal.backends.pytorch_logits import check_output_kind, warn_distribution
from pysal.backends.pytorch_module import check_module, digest, frozen
from pysal.backends.pytorch_network import Network
from pysal.backends.pytorch_precision import (
    PRECISIONS,
    check_precision,
    find_device,
    num_threads,
    switches,
)
from pysal.backends.pytorch_run import Compute, Graphs, TorchRun
from pysal.backends.pytorch_surgery import randomized, weighted_layers
from pysal.backends.reason import one_line
from pysal.backends.record import find_labels, find_preprocess
from pysal.errors import CapabilityError, ShapeError
from pysal.prepared import INPUT, SEED, SEED_PROBABILITY, multiplier_name
from pysal.preprocess import Preprocess
from pysal.redraw import How
from pysal.types import ModelInfo

CUDA_ROWS = 20
"""Images per run on CUDA: the points of the published path; a line search has 12 candidates."""


class TorchClassifier(BatchedClassifier):
    """A `torch.nn.Module` as a classifier, with gradients by autograd.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode; (N, C, H, W) to a tensor (N, K), an object with `logits`, or a tuple
        that starts with the tensor. It is neither changed nor moved: what runs is a copy that
        shares its weights where device, type and strides can stay. Of a module that
        `torch.compile` made, the original is taken.
    input_shape : tuple of int, optional
        (C, H, W). Default: that of the preprocessing record, else (3, 224, 224).
    preprocess, labels
        As for `open_classifier`.
    threads : int, optional
        Threads of torch's CPU operators, set around every call and put back. The number is global
        to torch, so the default leaves it alone.
    device : str or torch.device, optional
        "cpu", "cuda" or "cuda:N". Default: where the module is.
    precision : {"fp32", "tf32", "fp16", "bf16"}
        "tf32" on CUDA only. Half precisions are torch's autocast, with weights cast once; softmax,
        cotangents and the results are float32, and for fp16 gradients are scaled on their way.
    compile : bool or str
        Compile the network with `torch.compile`, in its default mode or the one named; it must be
        one without CUDA graphs, which are made here.
    rows : int, optional
        R, images per run. Default: 1 on a CPU, 20 on CUDA.
    channels_last : bool, optional
        Memory format of images and weights. Default: on CUDA.
    output_kind : {"logits", "softmax", "sigmoid"}
        What the module returns: logits, or probabilities of one or of independent classes.
    name : str, optional
        Default: the name of the module's class.
    cuda_graph : bool
        Replay runs from CUDA graphs; a network that cannot be captured runs without, and warns.

    Raises
    ------
    OptionError, CapabilityError, ModelFormatError
        If the module trains, fails, or returns no scores; or if device or precision are not there.

    Notes
    -----
    Layers are the submodules that run once and return one tensor; their names are those of
    `named_modules`. Rule tables other than "gradient" need an ONNX file. The switches for
    TensorFloat-32 are global to torch: they are set around every call and put back.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        input_shape: tuple[int, int, int] | None = None,
        preprocess: Preprocess | Mapping[str, Any] | str | os.PathLike[str] | None = None,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        device: str | torch.device | None = None,
        precision: str | None = "fp32",
        compile: bool | str = False,
        rows: int | None = None,
        channels_last: bool | None = None,
        output_kind: Literal["logits", "softmax", "sigmoid"] = "logits",
        name: str | None = None,
        cuda_graph: bool = True,
    ) -> None:
        module = getattr(module, "_orig_mod", module)
        check_module(module)
        check_output_kind(output_kind)
        self._device = find_device(device, module)
        self._precision = check_precision(precision, self._device)
        on_cuda = self.prefers_batches = self._device.type == "cuda"
        super().__init__((CUDA_ROWS if on_cuda else 1) if rows is None else rows)
        self._threads, self._name = threads, name or type(module).__name__
        self._settings = {
            "threads": threads,
            "device": self._device,
            "precision": self._precision,
            "compile": compile,
            "rows": self._rows,
            "channels_last": channels_last,
            "output_kind": output_kind,
            "cuda_graph": cuda_graph,
        }
        self._event = torch.cuda.Event() if on_cuda else None
        channels_last = on_cuda if channels_last is None else channels_last
        half = PRECISIONS[self._precision]
        shape = input_shape or (3, 224, 224)
        self.preprocess = find_preprocess(preprocess, {}, None, shape)
        if input_shape is None and preprocess is not None:
            shape = (self.preprocess.num_channels, *self.preprocess.size)
        with self._ordered():
            self._network = Network(
                frozen(module, device=self._device, half=half, channels_last=channels_last),
                half=half,
                channels_last=channels_last,
                output_kind=output_kind,
                compile=compile,
            )
            self._image = self._buffer(shape, channels_last and on_cuda)
            layers, num_classes = self._probe(output_kind)
            self._graphs = Graphs(self._device) if on_cuda and cuda_graph else None
        self.info = ModelInfo(
            name=self._name,
            input_shape=shape,
            num_classes=num_classes,
            sha256=digest(module),
            output_kind=output_kind,
            layers=layers,
            engine=self._engine(bool(compile)),
            versions={"torch": torch.__version__},
            labels=find_labels(labels, {}, num_classes),
        )

    def to_device(self, array: np.ndarray) -> AnyArray:
        """Copy a host array to the GPU; on a CPU, itself."""
        return array if self._device.type == "cpu" else self._take(array)

    def weighted_layers(self) -> tuple[str, ...]:
        """Submodules with parameters, in the order in which they are called; see `Surgery`."""
        with self._lock, self._ordered(), self._network.computing(self._device.type):
            return weighted_layers(self._network.module, self._image)

    def randomized(
        self, layers: Sequence[str], *, seed: int = 0, how: How = "normal"
    ) -> TorchClassifier:
        """A classifier over a copy with the parameters of some layers drawn anew; see `Surgery`."""
        self.check_redraw(layers, how)
        other = TorchClassifier(
            randomized(self._network.module, layers, seed=seed, how=how),
            input_shape=self.info.input_shape,
            preprocess=self.preprocess,
            labels=self.info.labels,
            name=f"{self._name}, randomized",
            **self._settings,
        )
        other.info = dataclasses.replace(other.info, sha256="")
        return other

    # ---- runs ------------------------------------------------------------------------------------

    def _forward_run(self, taps: tuple[str, ...]) -> TorchRun:
        for name in taps:
            check_layer(name, self.info.layers, self._name)
        network, image = self._network, self._image
        return self._built(lambda: network.forward(image, taps), {INPUT: image})

    def _scaled_run(self, *layers: str) -> TorchRun:
        network, image = self._network, self._image
        for name in layers:
            check_layer(name, self.info.layers, self._name)
        found = network.forward(image, layers)
        factors = {
            name: torch.ones((self._rows, found[name].shape[1]), device=self._device)
            for name in layers
        }
        inputs = {multiplier_name(name): factor for name, factor in factors.items()}
        return self._built(lambda: network.scaled(image, factors), {INPUT: image, **inputs})

    def _gradient_run(self, rules: str, wrt: str) -> TorchRun:
        if rules != "gradient":
            raise CapabilityError(
                f'rules "{rules}" need an ONNX file: torch.onnx.export, then engine "ort"; pytorch '
                'has "gradient"'
            )
        if wrt != INPUT:
            check_layer(wrt, self.info.layers, self._name)
        network, image = self._network, self._image
        shape = (self._rows, self.info.num_classes)
        seed, seed_probability = (torch.zeros(shape, device=self._device) for _ in range(2))
        return self._built(
            lambda: network.gradient(image, seed, seed_probability, wrt),
            {INPUT: image, SEED: seed, SEED_PROBABILITY: seed_probability},
        )

    def _built(self, compute: Compute, inputs: dict[str, Tensor]) -> TorchRun:
        """A run, on CUDA replayed from a graph."""
        run = TorchRun(compute, inputs)
        return self._graphs.capture(run) if self._graphs else run

    def _take(self, array: AnyArray) -> Tensor:
        if isinstance(array, np.ndarray):
            # torch warns of memory that it could not write to
            array = torch.from_numpy(np.require(array, np.float32, ["C", "W"]))
        elif root(array) != "torch":
            raise ShapeError(
                f"the arrays are of {root(array)}; {self._name} takes ndarrays, or what its "
                "to_device returns"
            )
        tensor: Tensor = array.detach().to(self._device, non_blocking=True)
        return tensor

    @contextlib.contextmanager
    def _ordered(self) -> Iterator[None]:
        """Set device, switches and threads; on CUDA wait for the buffers' last user."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(num_threads(self._threads))
            stack.enter_context(switches(self._precision, self._device))
            if self._event is None:
                yield
                return
            stack.enter_context(torch.cuda.device(self._device))
            stream = torch.cuda.current_stream()
            self._event.wait(stream)
            try:
                yield
            finally:
                self._event.record(stream)

    # ---- construction ----------------------------------------------------------------------------

    def _buffer(self, shape: tuple[int, int, int], channels_last: bool) -> Tensor:
        """The image buffer, with something in it that a probe can tell from nothing."""
        strides = torch.channels_last if channels_last else torch.contiguous_format
        size = (self._rows, *shape)
        buffer = torch.empty(size, device=self._device, memory_format=strides)
        ramp = torch.linspace(-1.0, 1.0, buffer[0].numel(), device=self._device)
        return buffer.copy_(ramp.reshape(shape))

    def _probe(self, output_kind: str) -> tuple[tuple[str, ...], int]:
        """One forward pass: the layers and the number of classes."""
        size = tuple(self._image.shape)
        failed = f"{self._name} fails on a batch of shape {size} (input_shape= gives another size)"
        network = self._network
        with one_line(failed), torch.no_grad(), recorded(network.module, self._rows) as layers:
            scores = network.scores(self._image)
        if len(scores) != self._rows:
            raise ShapeError(
                f"{self._name} returns {len(scores)} rows for {self._rows} images; expected one "
                "row of scores per image"
            )
        if output_kind == "logits":
            warn_distribution(scores)
        return tuple(layers), scores.shape[1]

    def _engine(self, compiled: bool) -> str:
        """Name of the engine, with what matters for numbers and speed."""
        if self._device.type == "cpu":
            threads = self._threads or torch.get_num_threads()
            parts = [f"CPU, {threads} thread{'s' * (threads > 1)}"]
        else:
            parts = [f"{self._device} {torch.cuda.get_device_name(self._device)}"]
        if self._precision != "fp32":
            parts.append(self._precision)
        if compiled:
            parts.append("compiled")
        return f"pytorch ({', '.join(parts)})"
